"""Names under which a site is known."""

from __future__ import annotations

from kind import Kind, Live, Refused, Visit

from kinds.hosts import TLS

__all__ = ["KINDS"]

# As long as some are, and longer than nginx allows unless it is told to: 78 characters.
LONG = "a-domain-with-a-name-of-seventy-eight.characters-is-quite-a-long-one.live.test"

# A site that has no name yet. The addresses are reserved for documentation (RFC 5737, RFC 3849), and the host has
# neither, as behind a router that translates them.
NAMELESS = ["192.0.2.7", "2001:db8::7", "localhost"]

KINDS = [
    Kind(
        "a_long_domain",
        Live(visits=(Visit(body="at home", host=LONG),)),
        variables={"site_domains": [LONG]},
        together="a long domain without loggers",
    ),
    # As people write them; molecule/deploy asks for such names, too.
    Kind(
        "domains_as_people_write_them",
        Live(
            visits=(
                Visit(body="at home", host="shop.live.test"),
                Visit(body="at home", host="xn--bcher-kva.live.test"),
                Visit(body="at home", host="dot.live.test"),
            )
        ),
        variables={"site_domains": ["Shop.Live.Test", "Bücher.live.test", "dot.live.test."]},
        long=("gunicorn",),
    ),
    Kind(
        "addresses_and_localhost",
        Live(
            visits=(
                Visit(body="at home", host="192.0.2.7"),
                Visit(body="at home", host="[2001:db8::7]"),
                Visit(body="at home", host="localhost"),
                # The site's other name is not among them.
                Visit(host="live.test", status=None),
            )
        ),
        settings='ALLOWED_HOSTS += ["192.0.2.7", "[2001:db8::7]", "localhost"]\n',
        variables={"site_domains": NAMELESS},
        together="pages and headers",
    ),
    # A handshake names no address, so nginx could not tell for which site it is.
    Kind(
        "addresses_with_a_certificate",
        Refused(
            shows=('"192.0.2.7" cannot be served over TLS', '"2001:db8::7" cannot be served over TLS', "site_tls_key"),
            never=('"localhost" cannot',),
            untouched=True,
        ),
        variables={"site_domains": NAMELESS, **TLS},
    ),
]
