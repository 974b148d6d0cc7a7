"""Names under which a site is known."""

from __future__ import annotations

from kind import Kind, Live, Visit

__all__ = ["KINDS"]

# As long as some are, and longer than nginx allows unless it is told to: 78 characters.
LONG = "a-domain-with-a-name-of-seventy-eight.characters-is-quite-a-long-one.live.test"

KINDS = [
    Kind(
        "a_long_domain",
        Live(visits=(Visit(body="at home", host=LONG),)),
        variables={"site_domains": [LONG]},
    ),
    # As people write them.
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
    ),
]
