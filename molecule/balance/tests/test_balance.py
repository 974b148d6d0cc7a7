"""One host in front of two: who gets which request, by each way of sharing, and what the site learns of the visitor."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import pytest
import testinfra
from deploys import ansible_playbook
from testinfra.host import Host

testinfra_hosts = ["ansible://balancer"]

# Requests of this run, among those that the hosts have in their logs from an earlier one.
RUN = time.time_ns()
LOG = "/var/log/nginx/shop.access.log"
ASK = "curl --silent --fail --insecure --resolve shop.test:443:127.0.0.1 https://shop.test/exercise/"


@pytest.fixture(scope="module")
def backends(inventory: Path) -> list[Host]:
    """The two hosts that answer."""
    return [testinfra.get_host(f"ansible://{name}", ansible_inventory=str(inventory)) for name in ("one", "two")]


def served(backends: list[Host], agent: str) -> list[int]:
    """How many requests of this user agent each of them has in its log."""
    return [int(backend.run(f"grep --count %s {LOG}", f'"user_agent":"{agent}"').stdout or 0) for backend in backends]


def logged(host: Host, agent: str) -> list[dict[str, Any]]:
    """The requests of this user agent in the log of a host."""
    lines = host.run(f"grep --fixed-strings %s {LOG}", f'"user_agent":"{agent}"').stdout.splitlines()
    return [json.loads(line) for line in lines]


def ask(path: str, agent: str) -> str:
    """The command that sends a request to the site as a user agent of that name."""
    return f"{ASK}{path} --user-agent {agent}"


def balance(inventory: Path, way: str) -> None:
    """Share the requests in another way."""
    ansible_playbook("pitcrew.django.balance", inventory, site_balancing=way).succeeded()


def test_round_robin(host: Host, backends: list[Host]) -> None:
    """By turns."""
    for _ in range(10):
        host.check_output(ask("fast/", f"turns{RUN}"))
    assert served(backends, f"turns{RUN}") == [5, 5]


def test_ip_hash(host: Host, backends: list[Host], inventory: Path) -> None:
    """A visitor always comes to the same host."""
    balance(inventory, "ip_hash")
    for _ in range(10):
        host.check_output(ask("fast/", f"address{RUN}"))
    assert sorted(served(backends, f"address{RUN}")) == [0, 10]


def test_least_connections(host: Host, backends: list[Host], inventory: Path) -> None:
    """While one host has a long request under way, the other gets the short ones."""
    balance(inventory, "least_conn")
    # In one command, so that a slow connection to the host does not outlast the long request.
    short = f"for turn in $(seq 10); do {ask('fast/', f'connections{RUN}')}; done"
    host.check_output(f"({ASK}'wait/?seconds=4' >/dev/null 2>&1 &) ; sleep 1; {short}")
    assert sorted(served(backends, f"connections{RUN}")) == [0, 10]


def test_a_slow_answer_is_asked_for_once(host: Host, backends: list[Host]) -> None:
    """The host that is slow gives up before the balancer does: no other gets the same work, and none is avoided."""
    slow = ask("hang/", f"slow{RUN}").replace("--fail", "--output /dev/null --write-out '%{http_code}'")
    # A worker of one slot is stopped in the middle, and says so.
    assert host.run(slow).stdout in {"500", "504"}
    assert sorted(served(backends, f"slow{RUN}")) == [0, 1]
    for _ in range(10):
        host.check_output(ask("fast/", f"after{RUN}"))
    assert min(served(backends, f"after{RUN}")) > 0


def test_visitor_is_known_behind_the_balancer(host: Host, backends: list[Host], address: str) -> None:
    """The hosts behind log the visitor's address, which only the balancer may tell them."""
    host.check_output(ask("fast/", f"name{RUN}"))
    [request] = [request for backend in backends for request in logged(backend, f"name{RUN}")]
    assert request["remote_addr"] == "127.0.0.1"
    liar = (
        "curl -s -H 'Host: shop.test' -A liar -H 'X-Forwarded-For: 1.2.3.4' -H 'X-Request-Id: mine' http://127.0.0.1/"
    )
    backends[0].check_output(liar)
    request = logged(backends[0], "liar")[-1]
    assert request["remote_addr"] == "127.0.0.1"
    assert re.fullmatch("[0-9a-f]{32}", request["request_id"])


def test_a_request_has_one_id_on_all_hosts(host: Host, backends: list[Host]) -> None:
    """The balancer gives it, not the visitor; the host behind keeps it, and tells the application."""
    seen = json.loads(host.check_output(ask("seen/ --header 'X-Request-Id: mine'", f"id{RUN}")))
    [request] = logged(host, f"id{RUN}")
    [behind] = [request for backend in backends for request in logged(backend, f"id{RUN}")]
    assert re.fullmatch("[0-9a-f]{32}", request["request_id"])
    assert seen["headers"]["X-Request-Id"] == behind["request_id"] == request["request_id"]
    assert (request["scheme"], behind["scheme"]) == ("https", "https")
    assert request["tls"].startswith("TLSv1.")
    assert (request["release"], behind["release"]) == ("", seen["release"])


def test_who_comes_by_https(host: Host, backends: list[Host], address: str) -> None:
    """Who comes through the balancer; not who goes to a host behind it by himself, whatever he says."""
    assert json.loads(host.check_output(f"{ASK}seen/"))["scheme"] == "https"
    behind = backends[0].check_output("hostname --all-ip-addresses").split()[0]
    ask = "curl --silent --header 'Host: shop.test' --header 'X-Forwarded-Proto: https' http://%s/exercise/seen/"
    for visitor, scheme in ((host, "https"), (backends[0], "https"), (backends[1], "http")):
        at = "127.0.0.1" if visitor is backends[0] else behind
        assert json.loads(visitor.check_output(ask, at))["scheme"] == scheme


def test_http_is_sent_to_https(host: Host) -> None:
    """Plain http only says where to go."""
    answer = host.check_output(
        "curl -s -o /dev/null -w '%{http_code} %{redirect_url}' -H 'Host: shop.test' http://127.0.0.1/a?b"
    )
    assert answer == "301 https://shop.test/a?b"


def test_unknown_host_gets_no_certificate(host: Host) -> None:
    """Whoever asks for another name by TLS learns nothing of the sites here."""
    answer = host.run("curl --silent --insecure --resolve elsewhere.test:443:127.0.0.1 https://elsewhere.test/")
    assert answer.rc == 35


def test_unknown_host_behind_a_known_name_gets_no_answer(host: Host) -> None:
    """Whoever names the site in the handshake and another host in the request: the connection is closed."""
    answer = host.run(ASK.replace("--fail", "--header 'Host: elsewhere.test'") + "fast/")
    # curl 8 calls that an error of TLS, since nginx closes it without a word.
    assert answer.rc in {52, 56}
    assert answer.stdout == ""


def test_hosts_of_one_play_have_one_source(inventory: Path) -> None:
    """What differs is named before anything changes: silently, all would get the first host's."""
    play = ansible_playbook("pitcrew.django.deploy", inventory, site_git_ref="{{ inventory_hostname }}").refused()
    assert 'site_git_ref: is "one" on one and "two" on two, but the hosts of a play get one source' in play.words
    assert set(play.changed.values()) == {0}


def test_hosts_roll_back_together(backends: list[Host], inventory: Path) -> None:
    """Where one of them has been further, the release before is not the same: nobody guesses, and a name settles it."""
    first = ansible_playbook("pitcrew.django.rollback", inventory).refused()
    assert "no previous release is on this host; deploy one" in first.words
    trial = {"site_environment": {**backends[0].ansible.get_variables()["site_environment"], "COLOUR": "blue"}}
    ansible_playbook("pitcrew.django.deploy", inventory, "--limit=one", **trial).succeeded()
    play = ansible_playbook("pitcrew.django.rollback", inventory).refused()
    assert "the hosts would roll back to different releases" in play.words
    assert set(play.changed.values()) == {0}
