"""What visitors of an ASGI application get through nginx, and what the host knows of it."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable

from deploys import Play
from lasting import Lasting
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

CURL = "curl -s --max-time 20 -H 'Host: shop.test'"


def test_the_deploy_again(deploy: Callable[..., Play]) -> None:
    """Nothing is left to do."""
    assert set(deploy().succeeded().changed.values()) == {0}


def test_the_worker(host: Host, live: Callable[[], str]) -> None:
    """gunicorn's own, with the plan's numbers; nginx lets through no more than the plan has."""
    slot = f"/srv/shop/slots/{live()}"
    settings = host.file(f"{slot}/gunicorn.conf.py").content_string
    assert "\nworker_class = 'asgi'\n" in settings
    plan = json.loads(host.file("/srv/shop/site.json").content_string)["plan"]
    each = re.search(r"^worker_connections = (\d+)$", settings, re.MULTILINE)
    assert each is not None
    assert int(each[1]) * plan["workers"] == plan["request_slots"]
    nginx = host.check_output("nginx -T 2>/dev/null")
    assert f"limit_conn shop_requests {plan['request_slots'] + plan['backlog']};" in nginx
    assert "worker_shutdown_timeout 3600;" in nginx


def test_a_request(host: Host) -> None:
    """The application learns the host, the scheme and nothing that only this collection uses."""
    answer = json.loads(host.check_output(f"{CURL} -H 'X-Pitcrew-Probe: alive' http://127.0.0.1/exercise/seen/"))
    assert (answer["host"], answer["scheme"]) == ("shop.test", "http")
    assert "X-Pitcrew-Probe" not in answer["headers"]


def test_views_of_both_kinds_take_their_time_together(host: Host) -> None:
    """Ten that wait for a second each, in threads and in the event loop, take less than ten seconds."""
    for view in ("wait", "later"):
        urls = " ".join(["http://127.0.0.1/exercise/" + view + "/?seconds=1"] * 10)
        began = time.monotonic()
        answers = host.check_output(f"{CURL} --parallel --parallel-immediate {urls}")
        assert answers.count('"seconds": 1.0') == 10
        assert time.monotonic() - began < 6


def test_the_probe(host: Host, live: Callable[[], str]) -> None:
    """Our code answers it by itself, and names the release; the timer that sends it finds the slot alive."""
    slot = live()
    socket = f"/run/shop-{slot}/app.sock"
    answer = host.check_output(f"curl -s -i --unix-socket {socket} -H 'X-Pitcrew-Probe: alive' http://shop.test/")
    release = host.file(f"/srv/shop/slots/{slot}/release").linked_to.rpartition("/")[2]
    assert answer.startswith("HTTP/1.1 204 ")
    assert f"x-pitcrew-release: {release}" in answer.splitlines()
    host.check_output("systemctl start shop-liveness.service")
    assert json.loads(host.file("/run/pitcrew/shop-liveness.json").content_string)["failures"] == 0


def test_an_error_is_in_the_journal(host: Host) -> None:
    """With the traceback of the view, from a thread or from the event loop."""
    for view, words in (("fail", "There are no wheels."), ("fail-later", "There are no wheels to wait for.")):
        assert host.check_output(f"{CURL} -o /dev/null -w '%{{http_code}}' http://127.0.0.1/exercise/{view}/") == "500"
        journal = host.check_output("journalctl --quiet --output=cat --since=-1min --unit='shop@*'")
        assert f"LookupError: {words}" in journal


def test_requests_are_counted(host: Host) -> None:
    """In the access log, by route; and a WebSocket is one entry once it has ended."""
    host.check_output(f"{CURL} http://127.0.0.1/exercise/later/")
    last = json.loads(host.check_output("tail -n 1 /var/log/nginx/shop.access.log"))
    assert (last["route"], last["status"]) == ("/exercise/later/", 200)


def test_events_come_one_by_one(host: Host) -> None:
    """Whether the visitor says so or not: nginx does not keep them."""
    for accept in ("text/event-stream", "*/*"):
        url = "http://127.0.0.1/exercise/events/?seconds=0.2"
        found = host.run(f"{CURL} --no-buffer --max-time 2 -H 'Accept: {accept}' '{url}'")
        assert found.rc == 28  # The time is up.
        assert 7 <= found.stdout.count("data: ") <= 11


def test_a_websocket(host: Host, address: str) -> None:
    """Texts go both ways. Another address than the application's is refused, and so is another upgrade."""
    with Lasting(f"http://{address}", host="shop.test", websockets=1, streams=0) as lasting:
        time.sleep(3)
        report = lasting.stop()
    assert [(one.error, one.closed) for one in report.of("websocket")] == [("", None)]
    upgrade = (
        "-H 'Connection: Upgrade' -H 'Upgrade: {}' -H 'Sec-WebSocket-Version: 13' "
        "-H 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=='"
    )
    status = f"{CURL} --http1.1 -o /dev/null -w '%{{http_code}}' --max-time 3"
    assert host.check_output(f"{status} {upgrade.format('websocket')} http://127.0.0.1/elsewhere/") == "403"
    assert host.check_output(f"{status} {upgrade.format('h2c')} http://127.0.0.1/exercise/fast/") == "200"


def test_back_to_wsgi_and_forth(
    deploy: Callable[..., Play], playbook: Callable[..., Play], live: Callable[[], str], host: Host
) -> None:
    """A rollback to the release that was built for WSGI runs it so, whatever the inventory says now."""

    def interface() -> str:
        return str(host.check_output(f"ls /srv/shop/slots/{live()} | sed -n 's/^site_\\(.sgi\\).json$/\\1/p'"))

    assert interface() == "asgi"
    playbook("rollback").succeeded()
    assert interface() == "wsgi"
    assert host.check_output(f"{CURL} -o /dev/null -w '%{{http_code}}' http://127.0.0.1/exercise/fast/") == "200"
    deploy().succeeded()
    assert interface() == "asgi"


def test_an_application_that_is_not_there(deploy: Callable[..., Play]) -> None:
    """Refused before anything changes, with the one that is."""
    words = deploy(site_asgi_application="shop.asgy:application").refused().words
    assert "Set site_asgi_application: shop.asgi:application" in words
