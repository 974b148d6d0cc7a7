"""What stands in the logs of a request: the same id everywhere, no secret, and one line of JSON whatever it was."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

LOG = "/var/log/nginx/shop.access.log"
ASK = "curl --silent --output /dev/null --header 'Host: shop.test'"

Logged = Callable[[str], dict[str, Any]]


@pytest.fixture
def logged(host: Host) -> Logged:
    """Send a request and give its line in the access log, which is the last one."""

    def ask(options: str) -> dict[str, Any]:
        before = int(host.check_output(f"wc -l < {LOG}"))
        host.run(f"{ASK} {options}")
        lines = host.check_output(f"sed -n '{before + 1},$p' {LOG}").splitlines()
        assert len(lines) == 1, lines
        found: dict[str, Any] = json.loads(lines[0])
        return found

    return ask


def test_one_id_joins_all_logs(host: Host, logged: Logged) -> None:
    """Of a page that fails: nginx has the request, Django's record its traceback."""
    request = logged("'http://127.0.0.1/exercise/fail/?token=correct-horse'")
    assert (request["status"], request["path"]) == (500, "/exercise/fail/")
    journal = host.check_output("journalctl --sync; journalctl --quiet --output=cat --unit='shop@*' --since=-1min")
    records = [json.loads(line) for line in journal.splitlines() if request["request_id"] in line]
    [record] = [record for record in records if record["level"] == "ERROR"]
    assert record["request_id"] == request["request_id"]
    assert (record["logger"], record["message"]) == ("django.request", "Internal Server Error: /exercise/fail/")
    assert record["exc_info"].endswith("LookupError: There are no wheels.")
    assert "correct-horse" not in journal


def test_what_the_application_gets(host: Host) -> None:
    """The id and the time of nginx, in the place of what a visitor claims."""
    lies = "--header 'X-Request-Id: mine' --header 'X-Request-Start: t=1' --header 'X-Pitcrew-Probe: alive'"
    ask = "curl --silent --fail --header 'Host: shop.test'"
    answer = json.loads(host.check_output(f"{ask} {lies} http://127.0.0.1/exercise/seen/"))
    seen = answer["headers"]
    [request] = [json.loads(line) for line in host.check_output(f"tail -n 1 {LOG}").splitlines()]
    assert re.fullmatch("[0-9a-f]{32}", seen["X-Request-Id"])
    assert seen["X-Request-Id"] == request["request_id"]
    began = float(seen["X-Request-Start"].removeprefix("t="))
    assert request["time"] - 10 < began <= request["time"]
    assert "X-Pitcrew-Probe" not in seen
    assert request["release"] == answer["release"]


@pytest.mark.parametrize(
    ("options", "status", "path"),
    [
        ("http://127.0.0.1/static/workshop/none.css", 404, "/static/workshop/none.css"),
        ("http://127.0.0.1/.well-known/acme-challenge/x", 404, "/.well-known/acme-challenge/x"),
        (f"--header 'X-Long: {40_000 * 'x'}' http://127.0.0.1/", 400, "/"),
    ],
    ids=["static file", "ACME challenge", "headers too long"],
)
def test_what_never_reaches_the_application(logged: Logged, options: str, status: int, path: str) -> None:
    """It has a line with nothing in what comes from there."""
    request = logged(options)
    assert (request["status"], request["path"]) == (status, path)
    for key in ("upstream", "upstream_status", "upstream_response_time", "queue", "route", "release", "tls"):
        assert request[key] == "", key


def test_hosts_that_are_not_the_site(host: Host) -> None:
    """They are in the log of the host."""
    host.run("curl --silent --header 'Host: elsewhere.test' http://127.0.0.1/nowhere/")
    assert host.run(f"grep nowhere {LOG}").rc == 1
    assert host.run("grep '/nowhere/.* 444 ' /var/log/nginx/access.log").rc == 0


def test_what_visitors_write(host: Host) -> None:
    """Quotes, backslashes, line breaks and bytes that are no text: a line of JSON, and no query string."""
    agent = r"""$(printf 'a"b\\c\td\377')"""
    address = "'http://127.0.0.1/exercise/fast/%22%0a/?token=correct-horse'"
    referer = "--referer 'https://elsewhere.test/a?token=correct-horse'"
    host.check_output(f'{ASK} --user-agent "{agent}" {referer} {address}')
    line = host.check_output(f"tail -n 1 {LOG} | base64 --wrap=0")
    text = base64.b64decode(line).decode(errors="replace")
    request = json.loads(text)
    assert request["user_agent"] == 'a"b\\c\td\ufffd'
    assert request["path"] == "/exercise/fast/%22%0a/"
    assert request["referer"] == "https://elsewhere.test/a"
    assert "correct-horse" not in text


def test_a_burst(host: Host) -> None:
    """A single request that writes more than journald takes of a unit that is not ours."""
    began = host.check_output("date +%s")
    host.check_output(f"{ASK} --fail 'http://127.0.0.1/exercise/log/500000/?lines=20000'")
    count = "journalctl --sync; journalctl --quiet --output=cat {} --since=@{} | grep --count '{}'"
    assert host.check_output(count.format("--unit='shop@*'", began, '"message": "5[0-9]*"')) == "20000"
    # With journald's default, the more room there is on the disk, the more lines pass.
    host.check_output("systemd-run --quiet --wait --unit=flood sh -c 'seq 600001 700000'")
    assert int(host.check_output(count.format("--unit=flood", began, "^6[0-9]*$"))) < 100_000


def test_the_journal_has_its_limit(host: Host) -> None:
    """journald says so when it opens its files, once it keeps them on the disk as an ordinary host does."""
    host.check_output("mkdir -p /var/log/journal && systemctl restart systemd-journald && journalctl --flush")
    said = host.check_output(
        "journalctl --quiet --output=cat --unit=systemd-journald | grep 'System Journal' | tail -n 1"
    )
    assert re.search(r"max 1(\.0)?G", said), said
