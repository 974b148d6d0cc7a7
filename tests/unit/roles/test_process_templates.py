"""The units of background processes, rendered by Ansible itself, and what else a site with processes has of them."""

from __future__ import annotations

import copy
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from test_templates import PLAY, SITES, play_renders

RQ: dict[str, Any] = {
    "process": "rq",
    "prefix": "shop-rq",
    "exec": 'rq worker "--name=two words" --host=%%h $$HOME',
    "words": ["rq", "worker", "--name=two words", "--host=%h", "$HOME"],
    "kill_signal": "SIGTERM",
    "drain": 900,
    "startsecs": 7,
    "single": False,
    "memory_high_mb": 180,
    "memory_max_mb": 200,
    "tasks_max": 40,
    "cpu_weight": 20,
    "description": "shop: process rq, RQ worker (1 of 2)",
}
BEAT = {**RQ, "process": "beat", "prefix": "shop-beat", "single": True, "kill_signal": "SIGINT"}
UNITS = [RQ, {**RQ, "prefix": "shop-rq-2"}, BEAT]

Rendered = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Rendered:
    """Render two sites that have processes, and one that has none; what the plan has for them is made up."""
    play = copy.deepcopy(PLAY)
    variables = play[0]["tasks"][-1]["vars"]
    variables["__site_process_units"] = f"{{{{ {UNITS} if inventory_hostname != 'without' else [] }}}}"
    variables["rendered"]["processes"] = "{{ __site_processes }}"
    processes = {"site_processes": {"rq": {"command": "rq worker", "count": 2}, "beat": {"command": "beat"}}}
    sites = {"plain": processes, "dash": {**SITES["dash"], **processes}, "without": {}}
    return play_renders(tmp_path_factory.mktemp("processes"), play, sites)


def settings(text: str) -> dict[str, list[str]]:
    """The settings of a unit by name, in the order of their lines."""
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


def test_what_the_switch_is_told(rendered: Rendered) -> None:
    """Of each unit, in the order of the inventory; what the switch decides by is not in the text."""
    told = rendered["plain"]["processes"]
    assert [{name: value for name, value in unit.items() if name != "text"} for unit in told] == [
        {"prefix": "shop-rq", "single": False, "startsecs": 7, "drain": 900},
        {"prefix": "shop-rq-2", "single": False, "startsecs": 7, "drain": 900},
        {"prefix": "shop-beat", "single": True, "startsecs": 7, "drain": 900},
    ]
    assert rendered["without"]["processes"] == []


def test_how_a_process_runs_and_stops(rendered: Rendered) -> None:
    """No shell is in between, its signal is its own, and it has its time to finish."""
    unit = settings(rendered["plain"]["processes"][0]["text"])
    expected = {
        "Description": "shop: process rq, RQ worker (1 of 2), slot %i",
        "Type": "exec",
        "ExecStart": '/usr/bin/env rq worker "--name=two words" --host=%%h $$HOME',
        "KillSignal": "SIGTERM",
        "KillMode": "mixed",
        "TimeoutStopSec": "900",
        "SuccessExitStatus": "130 143",
        "Restart": "always",
        "RestartSec": "5",
        "StartLimitIntervalSec": "0",
        "OOMPolicy": "continue",
        "MemoryHigh": "180M",
        "MemoryMax": "200M",
        "TasksMax": "40",
        "CPUWeight": "20",
        "RuntimeDirectory": "shop-rq-%i",
        "SyslogIdentifier": "shop-rq",
    }
    assert {name: unit[name] for name in expected} == {name: [value] for name, value in expected.items()}
    beat = settings(rendered["plain"]["processes"][2]["text"])
    assert (beat["KillSignal"], beat["RuntimeDirectory"]) == (["SIGINT"], ["shop-beat-%i"])


@pytest.mark.parametrize("site", ["plain", "dash"])
def test_a_process_has_the_surroundings_of_its_slot(rendered: Rendered, site: str) -> None:
    """The same account, release, environment, secrets, state and sandbox as the slot itself; not its limits.

    The journal keeps every line of the web processes. A worker without its broker may write hundreds a second.
    """
    process, slot = settings(rendered[site]["processes"][0]["text"]), settings(rendered[site]["unit"])
    own = {
        *("Description", "Type", "ExecStart", "KillSignal", "TimeoutStopSec", "RestartSec", "StartLimitIntervalSec"),
        *("MemoryHigh", "MemoryMax", "TasksMax", "RuntimeDirectory", "LogRateLimitIntervalSec", "LogRateLimitBurst"),
    }
    assert {name: values for name, values in process.items() if name in slot and name not in own} == {
        name: values
        for name, values in slot.items()
        if name not in {*own, "StartLimitBurst", "TimeoutStartSec", "LimitNOFILE"}
    }
    assert process.keys() - slot.keys() == {"Slice", "CPUWeight", "SuccessExitStatus", "SyslogIdentifier"}
    assert process["WorkingDirectory"][0].endswith("/slots/%i/release/app" + ("/web/shop" if site == "dash" else ""))


def test_the_slice_is_the_one_that_systemd_gives_the_slots(rendered: Rendered) -> None:
    """So that weights are those of siblings; a dash of the site's name is escaped."""
    found = [settings(rendered[site]["processes"][0]["text"])["Slice"] for site in ("plain", "dash")]
    assert found == [["system-shop.slice"], ["system-my\\x2dshop.slice"]]


def test_what_starts_at_boot(rendered: Rendered, tmp_path: Path) -> None:
    """The live slot's processes, as its file names them; a site without processes has the unit that it always had."""
    [_slot, starts] = settings(rendered["plain"]["boot"])["ExecStart"]
    assert starts == (
        "-/usr/bin/xargs --no-run-if-empty --arg-file=/srv/shop/live/processes systemctl start --no-block"
    )
    file = tmp_path / "processes"
    file.write_text("shop-rq@blue.service\nshop-beat@blue.service\n")
    words = starts[1:].replace("/srv/shop/live/processes", str(file)).replace("systemctl", "echo").split()
    done = subprocess.run(words, capture_output=True, text=True, check=True, env={"PATH": os.environ["PATH"]})
    assert done.stdout == "start --no-block shop-rq@blue.service shop-beat@blue.service\n"
    assert rendered["without"]["boot"] == (
        "#\n# Ansible managed\n#\n"
        "# Starts shop at boot, in the slot that the link names. The link alone decides which slot that is.\n\n"
        "[Unit]\nDescription=shop: start the live slot\nRequiresMountsFor=/srv/shop\n"
        "ConditionPathIsSymbolicLink=/srv/shop/live\n\n"
        "[Service]\nType=oneshot\n"
        "# Without waiting: units that the slot is ordered after may be ordered after this one.\n"
        "ExecStart=/bin/sh -c 'exec systemctl start --no-block "
        '"shop@$$(basename "$$(readlink /srv/shop/live)").service"\'\n\n'
        "[Install]\nWantedBy=multi-user.target\n"
    )


def test_what_other_programs_are_told(rendered: Rendered) -> None:
    """The units of each process without the slot; nothing where there is none."""
    assert rendered["plain"]["record"]["processes"] == {"rq": ["shop-rq", "shop-rq-2"], "beat": ["shop-beat"]}
    assert "processes" not in rendered["without"]["record"]
