"""What several processes log at once is kept over ten rotations of everything; the way that is refused loses lines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

LINES, BATCH, ROTATIONS = 100_000, 100, 10
LOG = "/var/log/nginx/shop.access.log"
# Two rules as an administrator writes them: WatchedFileHandler creates its next file itself, or logrotate does.
RULE = """/var/lib/shop/{name}.log {{
    su shop shop
    daily
    rotate 14
    compress
    delaycompress
    missingok
    {create}
}}
"""
# Requests as fast as eight visitors send them; whenever another part has been answered, each log is rotated.
STORM = """
set -eu
cd /root
printf '%s' "$1" > watched.conf
printf '%s' "$2" > created.conf
stdbuf -oL curl --silent --parallel --parallel-max 8 --output /dev/null --write-out '%{{http_code}}\\n' \
    --header 'Host: shop.test' \
    'http://127.0.0.1/exercise/log/[0-{last}:{batch}]/?lines={batch}&to=journal,watched,created,timed' > answers &
visitors=$!
for rotation in $(seq {rotations}); do
    while test $(wc -l < answers) -lt $((rotation * {part})); do sleep 0.05; done
    logrotate --force --state own.state watched.conf
    logrotate --force --state own.state created.conf || true
    logrotate --force --state nginx.state /etc/logrotate.d/nginx
    journalctl --rotate
done
wait $visitors
sort answers | uniq -c
"""
# Counts numbers, and how many differ; the journal has them in JSON.
COUNT = """
import json, sys
found = []
for line in sys.stdin:
    if line.startswith("{"):
        record = json.loads(line)
        line = record["message"] if record["logger"] == "exercise.journal" else ""
    if line.strip().isdigit() and int(line) < int(sys.argv[1]):
        found.append(int(line))
print(json.dumps([len(found), len(set(found))]))
"""


@dataclass(frozen=True)
class Storm:
    """The host after the storm, when it began, and the statuses of all answers as `uniq -c` counts them."""

    host: Host
    began: int
    answers: list[str]

    def journal(self) -> str:
        """The command that reads what the site has written to the journal."""
        return f"journalctl --sync; journalctl --quiet --output=cat --unit='shop@*' --since=@{self.began}"

    def count(self, command: str) -> list[int]:
        """Count the numbers that a command prints, and how many of them differ."""
        return json.loads(self.host.check_output(f"({command}) | python3 -c '{COUNT}' {LINES}"))

    def requests(self) -> list[dict[str, Any]]:
        """The lines of nginx, from all of its files."""
        return [json.loads(line) for line in self.host.check_output(f"zcat -f {LOG}*").splitlines()]


@pytest.fixture(scope="module")
def storm(host: Host) -> Storm:
    """Let visitors cause all lines, and rotate all logs meanwhile."""
    began = int(host.check_output("date +%s"))
    script = STORM.format(last=LINES - BATCH, batch=BATCH, rotations=ROTATIONS, part=LINES // BATCH // (ROTATIONS + 1))
    rules = [RULE.format(name="watched", create="nocreate"), RULE.format(name="created", create="create")]
    answers = host.run("timeout 420 sh -c %s storm %s %s", script, *rules)
    assert answers.rc == 0, answers.stderr
    print(f"seconds: {int(host.check_output('date +%s')) - began}")
    print(answers.stderr)
    return Storm(host, began, answers.stdout.split("\n"))


def test_every_visitor_is_answered(storm: Storm) -> None:
    """Rotating keeps nobody waiting for long."""
    assert [line.split() for line in storm.answers if line] == [[str(LINES // BATCH), "200"]]


def test_the_journal_keeps_every_line(storm: Storm) -> None:
    """Each once, although journald rotates its files, too."""
    assert storm.count(storm.journal()) == [LINES, LINES]


def test_a_watched_file_keeps_every_line(storm: Storm) -> None:
    """Each once, over ten rotations by logrotate."""
    # On a busy machine, nothing may be written after the last one.
    assert len(storm.host.check_output("ls /var/lib/shop/watched.log*").split()) >= ROTATIONS
    assert storm.count("zcat -f /var/lib/shop/watched.log*") == [LINES, LINES]


def test_a_watched_file_that_logrotate_creates(storm: Storm) -> None:
    """Each line once as well, unless logrotate finds twice a file that a process has just created: it sets it aside."""
    aside = storm.host.run("ls /var/lib/shop/created.log*.backup").stdout.split()
    lines, distinct = storm.count("zcat -f /var/lib/shop/created.log*")
    print(f"logrotate with create: {LINES - distinct} of {LINES} lines lost, files set aside: {len(aside)}")
    assert lines == distinct
    assert distinct == LINES or aside


def test_the_way_that_is_refused_loses_lines(storm: Storm) -> None:
    """TimedRotatingFileHandler, once a second: each process takes the file away from the others.

    In Debian 12, it removes what another process has just renamed: no file is ever deleted there on purpose. In
    Debian 13 (Python 3.13), the others go on writing to the file that one of them has renamed, for as long as they
    run; here that one keeps three, so what the others write now is in none.
    """
    wanted, numbers = LINES, f"^[0-9]{{1,{len(str(LINES)) - 1}}}$"
    if storm.host.run("/usr/bin/python3 -c 'import sys; exit(sys.version_info < (3, 13))'").rc == 0:
        wanted, numbers = 400, f"^{LINES * 2 // 1000}[0-9]{{3}}$"
        storm.host.check_output(
            "curl --silent --fail --parallel --parallel-max 8 --output /dev/null --header 'Host: shop.test' "
            f"'http://127.0.0.1/exercise/log/[{LINES * 2}-{LINES * 2 + 390}:10]/?lines=10&to=timed'"
        )
    kept = int(storm.host.check_output(f"cat /var/lib/shop/timed.log* | grep -E '{numbers}' | sort -u | wc -l"))
    print(f"TimedRotatingFileHandler of 4 processes lost {wanted - kept} of {wanted} lines")
    assert kept < wanted


def test_nginx_keeps_every_request(storm: Storm) -> None:
    """Each once, over ten rotations by the distribution's rule, in files that the distribution's readers can read."""
    paths = [request["path"] for request in storm.requests()]
    wanted = {f"/exercise/log/{first}/" for first in range(0, LINES, BATCH)}
    assert sorted(path for path in paths if path in wanted) == sorted(wanted)
    files = storm.host.check_output(f"stat --format '%U:%G %a' {LOG}*").splitlines()
    # A file that is empty is not rotated: on a busy machine that may be the last one.
    assert len(files) >= ROTATIONS
    assert set(files) == {"www-data:adm 640"}
