"""A host that has more than the site: programs on nginx's ports, servers of somebody else's, and what nginx refuses.

Either the site is live at the first attempt, or the play says what is in the way, and the release before keeps serving.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from deploys import Play, Source
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

Deploy = Callable[..., Play]

LONG = f"{'long-' * 12}xx.example.co.test"
OTHERS = """
server { listen 80 default_server; return 200 intranet; }
server { listen 127.0.0.1:80; server_name intranet.test; return 200 here; }
"""
WITHOUT_IPV6 = "RestrictAddressFamilies=~AF_INET6"


@pytest.fixture(scope="module")
def variables(deploy: Deploy, source: Source) -> dict[str, Any]:
    """Variables with which the repository of this test is deployed."""
    variables = {"site_source_directory": "", "site_git_url": str(source.directory)}
    deploy(**variables).succeeded()
    return variables


@contextmanager
def listener(host: Host, port: int) -> Iterator[None]:
    """Have another program listen on a port."""
    unit = "systemd-run --quiet --collect --unit=apache2 python3 -m http.server %s"
    host.check_output(unit + "; until curl -s 127.0.0.1:%s >/dev/null; do sleep 0.1; done", str(port), str(port))
    try:
        yield
    finally:
        host.check_output("systemctl stop apache2")


def ask(host: Host, name: str, address: str = "127.0.0.1") -> str:
    """Give the body that a visitor gets, or nothing."""
    return host.run("curl --silent --header %s http://%s/healthz/", f"Host: {name}", address).stdout


def test_a_directive_that_nginx_does_not_accept(
    deploy: Deploy, variables: dict[str, Any], source: Source, host: Host, answering: Callable[[], str]
) -> None:
    """Its own words, the line and the variable; nothing is switched, and nginx's files are as they were."""
    state = "sha256sum /etc/nginx/nginx.conf /etc/nginx/conf.d/*; ls -l --time-style=+ /srv/shop/live /srv/shop/slots"
    before = answering(), host.check_output(state)
    source.commit()
    play = deploy(**variables, nginx_extra_directives="server_tokns off;").refused()
    print(play.end)
    assert 'unknown directive "server_tokns" in /etc/nginx/conf.d/shop.conf:' in play.words
    assert "nginx_extra_directives: correct the directive" in play.words
    assert (answering(), host.check_output(state)) == before


def test_a_port_that_another_program_takes(
    deploy: Deploy, variables: dict[str, Any], source: Source, host: Host, answering: Callable[[], str]
) -> None:
    """No test of nginx's sees that: it goes on with the files that it has read, and these are put back."""
    state = "sha256sum /etc/nginx/conf.d/*"
    before = host.check_output(state)
    commit = source.commit()
    with listener(host, 8081):
        play = deploy(**variables, nginx_extra_directives="listen 8081;").refused()
    print(play.end)
    assert "nginx does not run with its new configuration: bind() to 0.0.0.0:8081 failed" in play.words
    assert host.check_output(state) == before
    assert answering().startswith(commit[:12])
    assert set(deploy(**variables).succeeded().changed.values()) == {0}


# As apache_has_port_80 in tests/projects, on a host that has a site.
@pytest.mark.long
def test_another_program_has_the_port(
    deploy: Deploy, variables: dict[str, Any], host: Host, answering: Callable[[], str]
) -> None:
    """It is named, with the command that frees the port; then the next deploy starts nginx."""
    host.check_output("systemctl stop nginx")
    with listener(host, 80):
        pid = host.check_output("systemctl show --property=MainPID --value apache2")
        play = deploy(**variables).refused()
        print(play.end)
        assert f"port 80: python3 (pid {pid}) listens on it" in play.words
        assert "sudo systemctl disable --now apache2" in play.words
        assert set(play.changed.values()) == {0}
    deploy(**variables).succeeded()
    answering()


def test_servers_of_other_software(deploy: Deploy, variables: dict[str, Any], host: Host) -> None:
    """They keep their requests, and the site gets its own; a file by the name of the welcome page is no such page."""
    host.check_output("printf %%s %s > /etc/nginx/sites-enabled/default", OTHERS)
    play = deploy(**variables).succeeded()
    assert "/etc/nginx/sites-enabled/default:2 is the default server of 80" in play.words
    address = host.check_output("hostname --all-ip-addresses").split()[0]
    for where, answers in (("127.0.0.1", ("here", "")), (address, ("intranet", "intranet"))):
        assert "ok" in ask(host, "shop.test", where)
        assert (ask(host, "intranet.test", where), ask(host, "elsewhere.test", where)) == answers
    assert set(deploy(**variables).succeeded().changed.values()) == {0}
    host.check_output("rm /etc/nginx/sites-enabled/default")
    deploy(**variables).succeeded()
    assert ask(host, "elsewhere.test") == ""


def test_a_name_that_another_file_has(deploy: Deploy, variables: dict[str, Any], host: Host) -> None:
    """nginx would give it the site's requests."""
    host.check_output("echo 'server { listen 80; server_name shop.test; }' > /etc/nginx/conf.d/app.conf")
    play = deploy(**variables).refused()
    host.check_output("rm /etc/nginx/conf.d/app.conf")
    assert 'site_domains: "shop.test" is served by /etc/nginx/conf.d/app.conf:1' in play.words


# As a_long_domain there, beside a short one that stays.
@pytest.mark.long
def test_a_long_domain(deploy: Deploy, variables: dict[str, Any], host: Host) -> None:
    """78 characters keep no site of the host from being served; what was raised for them stays."""
    assert len(LONG) == 78
    environment = {**host.ansible.get_variables()["site_environment"], "ALLOWED_HOSTS": f"shop.test,{LONG}"}
    deploy(**variables, site_domains=["shop.test", LONG], site_environment=environment).succeeded()
    assert "ok" in ask(host, LONG)
    deploy(**variables).succeeded()
    assert host.file("/etc/nginx/nginx.conf").contains("server_names_hash_bucket_size 128;")


def test_tls_comes_and_goes(deploy: Deploy, variables: dict[str, Any], host: Host) -> None:
    """nginx listens for it as long as a site has it."""
    host.check_output(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=shop.test -days 2 "
        "-keyout /root/key.pem -out /root/chain.pem"
    )
    tls = {"site_tls_certificate": "/root/chain.pem", "site_tls_key": "/root/key.pem"}
    deploy(**variables, **tls).succeeded()
    tried = "curl --silent --insecure --resolve shop.test:443:127.0.0.1 https://shop.test/healthz/"
    assert "ok" in host.check_output(tried)
    host.check_output("cp /root/chain.pem /root/key.pem")
    play = deploy(**variables, **tls).refused()
    assert "site_tls_certificate, site_tls_key: name a certificate chain and the private key" in play.words
    deploy(**variables).succeeded()
    assert host.run(tried).rc == 7
    assert "ok" in ask(host, "shop.test")


# As no_ipv6 there, on a host that had it.
@pytest.mark.long
def test_a_host_without_ipv6(
    deploy: Deploy, variables: dict[str, Any], host: Host, answering: Callable[[], str]
) -> None:
    """Nothing of nginx or of the deploy can open a socket of it, as where the kernel has none."""
    python = "/usr/local/bin/python-without-ipv6"
    program = (
        f'#!/bin/sh\nexec systemd-run --quiet --collect --pipe --wait --property={WITHOUT_IPV6} /usr/bin/python3 "$@"\n'
    )
    host.check_output("printf %%s %s > %s && chmod 755 %s", program, python, python)
    drop_in = "/etc/systemd/system/nginx.service.d/test.conf"
    host.check_output("printf '[Service]\\n%%s\\n' %s > %s && systemctl daemon-reload", WITHOUT_IPV6, drop_in)
    assert host.run("systemctl restart nginx").rc != 0
    try:
        deploy(**variables, ansible_python_interpreter=python).succeeded()
        answering()
    finally:
        host.check_output("rm %s && systemctl daemon-reload && systemctl restart nginx", drop_in)
    deploy(**variables).succeeded()
    assert "[::]:80" in host.check_output("ss --listening --tcp --numeric --no-header")
