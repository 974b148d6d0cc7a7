"""What others can read of a host: nothing without TLS and the password, or from outside of the private network."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://watch"]

PATHS = ["/site", "/node", "/nginx", "/postgres"]
PASSWORD = "a-password-that-only-these-hosts-know"
STATUS = "curl -s -o /dev/null -w '%{http_code}' --max-time 5"
OURS = {9090, 9093, 9094, 9100, 9112, 9113, 9115, 9187, 9443, 9817}

Hosts = Callable[[str], Host]


@pytest.fixture(scope="module")
def addresses(host: Host) -> dict[str, str]:
    """The addresses of the site's hosts."""
    names = ("web12", "web13")
    return {name: host.ansible("debug", f"msg={{{{ hostvars.{name}.lab_address }}}}")["msg"] for name in names}


@pytest.mark.parametrize("path", [*PATHS, "/"])
def test_with_the_password_or_not(host: Host, addresses: dict[str, str], path: str) -> None:
    """The monitoring host reads everything; without a password or with another one, nobody reads anything."""
    trust = "--cacert /etc/prometheus/pitcrew/certificates.d/web12.pem"
    url = f"https://{addresses['web12']}:9443{path}"
    status = "404" if path == "/" else "200"
    assert host.check_output(f"{STATUS} {trust} --user prometheus:{PASSWORD} {url}") == status
    refused = "404" if path == "/" else "401"
    assert host.check_output(f"{STATUS} {trust} {url}") == refused
    assert host.check_output(f"{STATUS} {trust} --user prometheus:{PASSWORD[:-1]} {url}") == refused
    assert host.check_output(f"{STATUS} {trust} --user root:{PASSWORD} {url}") == refused


def test_without_tls(host: Host, addresses: dict[str, str]) -> None:
    """The password in plain text gets an error of nginx, and the older versions of TLS no answer."""
    assert host.check_output(f"{STATUS} --user prometheus:{PASSWORD} http://{addresses['web12']}:9443/node") == "400"
    old = f"{STATUS} --insecure --tls-max 1.1 --user prometheus:{PASSWORD} https://{addresses['web12']}:9443/node"
    assert host.run(old).rc == 35


def test_the_certificate_proves_one_address(host: Host, addresses: dict[str, str]) -> None:
    """Neither another name at the same address nor the authorities of the distribution will do."""
    trust = "--cacert /etc/prometheus/pitcrew/certificates.d/web12.pem"
    user = f"--user prometheus:{PASSWORD}"
    assert host.run(f"{STATUS} {user} https://{addresses['web12']}:9443/node").rc == 60
    other = f"--resolve other.test:9443:{addresses['web12']} https://other.test:9443/node"
    assert host.run(f"{STATUS} {trust} {user} {other}").rc == 60
    text = host.check_output("openssl x509 -noout -text -in /etc/prometheus/pitcrew/certificates.d/web12.pem")
    assert "CA:FALSE" in text


def test_many_guesses_are_slowed_down(host: Host, addresses: dict[str, str]) -> None:
    """Comparing a password takes time that visitors need: nginx does so ten times a second, after the first twenty."""
    url = f"https://{addresses['web12']}:9443/node"
    began = time.monotonic()
    many = host.check_output(f"{STATUS} --parallel --insecure --user prometheus:guess '{url}?[1-300]'")
    compared = many.count("401")
    assert compared <= 21 + 10 * (time.monotonic() - began)
    assert many.count("503") == 300 - compared > 0
    host.check_output("sleep 3")


@pytest.mark.parametrize("path", PATHS)
def test_the_private_network(host: Host, hosts: Hosts, addresses: dict[str, str], path: str) -> None:
    """Whoever belongs to it reads; the host itself at another address of its own does not even connect."""
    assert host.check_output(f"{STATUS} http://{addresses['web13']}:9443{path}") == "200"
    assert hosts("web13").run(f"curl -s --max-time 5 http://127.0.0.1:9443{path}").rc == 7


def test_who_is_outside_of_the_private_network(hosts: Hosts, addresses: dict[str, str]) -> None:
    """nginx refuses an address that does not belong to it, even at the private address."""
    web13 = hosts("web13")
    ask = f"{STATUS} --interface 127.0.0.1 http://{addresses['web13']}:9443/node"
    assert web13.check_output(ask) == "403"


@pytest.mark.parametrize("name", ["web12", "web13", "watch"])
def test_nothing_else_listens_outside(hosts: Hosts, name: str) -> None:
    """All of ours is on the loopback address, but for the port of nginx on the hosts of the site."""
    text = hosts(name).check_output("ss --listening --tcp --udp --numeric --no-header")
    found = {tuple(line.split()[4].rsplit(":", 1)) for line in text.splitlines()}
    outside = {(address, int(port)) for address, port in found if not re.match(r"127\.|\[::1\]", address)}
    ours = {(address, port) for address, port in outside if port in OURS}
    own = hosts(name).ansible.get_variables()["lab_address"]
    assert ours == {"web12": {("0.0.0.0", 9443), ("[::]", 9443)}, "web13": {(own, 9443)}, "watch": set()}[name]
    # What is left is the distribution's.
    assert {port for _address, port in outside} <= {22, 80, 9443}


def test_each_of_them_listens_on_loopback(hosts: Hosts) -> None:
    """Otherwise the test above would prove nothing."""
    for name, ports in {"web12": OURS - {9094, 9443}, "watch": {9090, 9093, 9115}}.items():
        silent = [port for port in sorted(ports) if not hosts(name).socket(f"tcp://127.0.0.1:{port}").is_listening]
        assert silent == [], name


def test_the_site_does_not_know_them(host: Host, addresses: dict[str, str]) -> None:
    """No path of the site leads to an exporter or to nginx's counters."""
    for path in (*PATHS, "/metrics", "/stub_status"):
        ask = f"{STATUS} --header 'Host: shop.test' http://{addresses['web12']}{path}"
        assert host.check_output(ask) == "404"
