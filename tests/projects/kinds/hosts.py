"""Hosts that are not as a site expects them, and what nginx makes of it."""

from __future__ import annotations

from kind import Kind, Live, Refused, Visit

__all__ = ["KINDS"]

# Another program at a port, under a name that the refusal can find.
LISTENS = (
    "systemd-run --quiet --unit=other-web python3 -m http.server {port}; "
    "until ss -ltn | grep -q ':{port} '; do sleep 0.1; done"
)
CURE = "sudo systemctl disable --now apache2"
STOPS = "systemctl stop other-web"
CERTIFICATE = (
    "mkdir -p /etc/ssl/live && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 30 "
    "-subj /CN=live.test -addext subjectAltName=DNS:live.test "
    "-keyout /etc/ssl/live/key.pem -out /etc/ssl/live/chain.pem 2>/dev/null"
)
TLS = {"site_tls_certificate": "/etc/ssl/live/chain.pem", "site_tls_key": "/etc/ssl/live/key.pem"}
# Somebody else's site that answers for all names, on a host without the collection's own.
OTHER_FILE = "/etc/nginx/conf.d/other.conf"
RESTART = "systemctl restart nginx"
OTHER_SITE = "server { listen 80 default_server; server_name other.test; return 200 other; }"

KINDS = [
    # Debian starts Apache once it is installed. With the cure that the refusal names, the sites below go live.
    Kind(
        "apache_has_port_80",
        Refused(shows=("port 80: apache2 ", "nginx needs it", CURE), untouched=True),
        host="bare",
        before="DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet apache2 && systemctl is-active apache2",
        after=CURE,
    ),
    Kind(
        "port_443_is_taken",
        Refused(shows=("443", "python3"), untouched=True),
        variables=TLS,
        host="bare",
        before=f"{CERTIFICATE}; {LISTENS.format(port=443)}",
        after=STOPS,
    ),
    # The host boots as with ipv6.disable=1 (lab_ipv6 in the inventory). It is the first deploy there.
    Kind(
        "no_ipv6",
        Live(visits=(Visit(body="at home"),), closed=(443,)),
        host="bare",
    ),
    Kind(
        "a_foreign_default_server",
        Live(
            visits=(
                Visit(body="at home"),
                Visit(body="other", host="other.test"),
                Visit(body="other", host="nobody.test"),
            )
        ),
        before=f"mv /etc/nginx/conf.d/pitcrew.conf /root/ && echo '{OTHER_SITE}' >{OTHER_FILE} && {RESTART}",
        after=f"rm {OTHER_FILE} && mv /root/pitcrew.conf /etc/nginx/conf.d/ && {RESTART}",
    ),
    # With a certificate, whoever names one host in the handshake and another one in the request gets no answer.
    Kind(
        "tls_and_another_host",
        Live(
            visits=(
                Visit(body="at home", scheme="https"),
                Visit(scheme="https", host="other.test", sni="live.test", status=None),
                Visit(scheme="https", host="other.test", status=None),
                Visit(host="other.test", status=None),
                Visit(status=301, headers={"Location": "https://live.test/"}),
            )
        ),
        variables=TLS,
        host="bare",
        before=CERTIFICATE,
    ),
    # Nothing is switched: the site answers as before.
    Kind(
        "a_directive_that_nginx_refuses",
        Refused(
            shows=("no_such_directive", "nginx_extra_directives"),
            leaves_release=True,
            visits=(Visit("/", 404), Visit("/admin/login/", body="Log in")),
        ),
        variables={"nginx_extra_directives": "no_such_directive on;"},
        site="fresh",
        upon="untouched_and_heeded",
    ),
]
