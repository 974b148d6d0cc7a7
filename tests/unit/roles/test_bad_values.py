"""Hundreds of bad values, over every documented variable of every role.

Each is a host of one inventory and gets as far as the plan, which comes before the first change of a host. There it is
refused, with the variable named; or it is harmless: every file that it reaches has the lines, the directives and the
quotes that it has anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from form import LONG
from test_templates import COMMON, ROOT, play_renders, template

# The first four of each differ in kind; the others are for the long form.
TEXTS: list[Any] = [
    "two\nlines",
    "a;b",
    "$(reboot)",
    ["x"],
    "",
    "a}b{",
    "a'b",
    'a"b',
    "%n #",
    "../../etc",
    "\u202eb",
    "x" * 3000,
]
WHOLE: list[Any] = ["1; reboot", -1, 1.5, True, "many", "", 10**15, [1]]
PARTS: list[Any] = ["much", -0.5, 1e15, True, "", [1]]
FLAGS: list[Any] = ["perhaps", 2, [True], {"a": 1}]
LISTS: list[Any] = ["x", ["two\nlines"], ["$(reboot)"], [["x"]], {"a": 1}, ["a;b"], ["x" * 3000]]
MAPPINGS: list[Any] = ["x", {"two\nlines": "x"}, {"a;b": "x"}, {"A=B": 1}, ["a"], {"": "x"}]
BAD = {"str": TEXTS, "int": WHOLE, "float": PARTS, "bool": FLAGS, "list": LISTS, "dict": MAPPINGS}

# What is text or a structure of the user's own by its purpose: nginx, Django or the site judge it.
FREE = {
    "nginx_extra_directives": "directives of nginx, which nginx tests before it takes them",
    "site_settings": "Django's, written as JSON",
    "site_secret_settings": "Django's, written as JSON",
}
# How the plan calls what the play translates back for people.
ALIASES = {
    "site_database_connections": "db_connections",
    "site_request_timeout": "max_request_s",
    "site_plan_inputs": "plan",
}
# Two variables that belong together.
TOGETHER = {
    "site_tls_key": {"site_tls_certificate": "/etc/ssl/shop.pem"},
    "site_tls_certificate": {"site_tls_key": "/etc/ssl/shop.key"},
}
FILES = {
    "site": template("nginx", "site.conf.j2"),
    "host": template("nginx", "host.conf.j2"),
    "unit": template("site", "slot.service.j2"),
    "boot": template("site", "boot.service.j2"),
    "gunicorn": template("gunicorn", "gunicorn.conf.py.j2"),
    "uwsgi": template("uwsgi", "uwsgi.ini.j2"),
}
BASE = {**COMMON, "site_git_url": "https://git.example.com/shop.git"}
FACTS = {
    "pitcrew_capacity": {"cpus": 2, "memory_mb": 8192, "somaxconn": 4096},
    "pitcrew_site": {
        "release": "r1",
        "releases": {"r1": {"static": "static", "media": "media", "public": {}}},
        "nginx": {
            "installed": True,
            "version": 1022001,
            "ipv6": True,
            "tls_sites": [],
            "default_servers": {},
            "addresses": [],
        },
        "home": None,
        "absent": [],
        "packages": [],
    },
}


def options() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every documented variable of every role with its specification."""
    for path in sorted(ROOT.glob("roles/*/meta/argument_specs.yml")):
        for entry in yaml.safe_load(path.read_text())["argument_specs"].values():
            yield from entry["options"].items()


def cases() -> dict[str, tuple[str, Any]]:
    """Name each bad value of each variable."""
    found = [
        (name, value)
        for name, option in options()
        for value in BAD[option["type"]][: None if LONG else 4]
        if value not in option.get("choices", ()) and value != option.get("default")
    ]
    return {f"case{number}": case for number, case in enumerate(found)}


CASES = cases()


def said(name: str, value: Any) -> dict[str, Any]:
    """Say the value with whatever it needs to have an effect. It is no template, whatever it looks like."""
    server = "uwsgi" if name.startswith("uwsgi") else "gunicorn"
    return {**DEFAULTS, **BASE, "site_server": server, **TOGETHER.get(name, {}), name: value}


# What uWSGI 2.0.30 knows for starting uWSGI, for new code in a running process, and for what the slot has.
OPTIONS_OF_THE_SLOT = [
    *("emperor", "fallback-config", "zerg", "zerg-pool", "zerg-server", "zergpool"),
    *("fs-brutal-reload", "fs-reload", "master-fifo", "touch-chain-reload", "touch-mules-reload", "touch-reload"),
    *("touch-spoolers-reload", "touch-workers-reload"),
    *("py-auto-reload", "py-autoreload", "python-auto-reload", "python-autoreload"),
    *("file", "module", "wsgi", "wsgi-file", "http-socket", "socket", "uwsgi-socket"),
    *("chdir", "daemonize", "daemonize2", "home", "master", "pyhome", "venv", "virtualenv"),
]
# Values that would do as such, with the sentence that refuses them; None where they are no fault.
JUDGED: dict[str, tuple[dict[str, Any], str | None]] = {
    "options_of_the_slot": (
        {"site_server": "uwsgi", "uwsgi_settings": dict.fromkeys(OPTIONS_OF_THE_SLOT, "x")},
        f"uwsgi_settings: {', '.join(OPTIONS_OF_THE_SLOT)} is the slot's own, or has no place in one; "
        "see docs/servers.md.",
    ),
    "options_for_logs": ({"site_server": "uwsgi", "uwsgi_settings": {"touch-logreopen": "/run/x"}}, None),
    "inputs_with_a_variable": (
        {"site_plan_inputs": {"server": "uwsgi", "cpu_ms": 9, "max_request_s": 5}},
        "site_plan_inputs: server, max_request_s would be known to the plan alone; "
        "say site_server, site_request_timeout instead.",
    ),
    "overrides_that_are_hidden": (
        {"site_settings": {"DEBUG": False}, "site_secrets": {"PYTHONPATH": "/opt/lib"}},
        "site_secrets: PYTHONPATH would hide site_settings and site_secret_settings from the process; "
        "set it in site_environment.",
    ),
    "nothing_to_hide": ({"site_secrets": {"PYTHONPATH": "/opt/lib"}}, None),
    "inputs_without_one": ({"site_plan_inputs": {"cpu_ms": 9, "db_hosts": 3}}, None),
}

ROLES = ("site", "release", "gunicorn", "uwsgi", "nginx")


def variables(kind: str) -> dict[str, Any]:
    """Give the defaults, or the vars, of all roles."""
    texts = ((ROOT / "roles" / role / kind / "main.yml").read_text() for role in ROLES)
    return {name: value for text in texts for name, value in (yaml.safe_load(text) or {}).items()}


DEFAULTS, VARS = variables("defaults"), variables("vars")
TELL = {"name": "Tell", "ansible.builtin.debug": {"msg": "{{ {'found': found} | to_json | b64encode }}"}}
# The variables of the roles, and of their tasks only what judges: hundreds of hosts would skip all others one by one.
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        # Not as vars_files, which Ansible reads anew for each task of each host.
        "vars": {**VARS, "role_path": str(ROOT / "roles/site")},
        "tasks": [
            {"name": "Say what the hosts are", "ansible.builtin.set_fact": {"cacheable": True, **FACTS}},
            {
                "name": "See how far it gets",
                "block": [
                    {
                        "name": "Judge",
                        "ansible.builtin.import_tasks": str(ROOT / "roles/site/tasks/judge.yml"),
                        # Here each host is a case of its own.
                        "vars": {"__site_differing": []},
                    },
                    {"name": "Plan", "ansible.builtin.set_fact": {"site_plan": "{{ __site_plan }}"}},
                    {**TELL, "vars": {"found": FILES}},
                ],
                "rescue": [{**TELL, "vars": {"found": "{{ ansible_failed_result.msg | string }}"}}],
            },
        ],
    }
]


def skeleton(text: str) -> list[tuple[str, ...]]:
    """Reduce a file to what its program makes of it: the first word of each line, and all that divides or ends."""
    found = []
    for line in text.splitlines():
        bare = re.sub(r"\"[^\"]*\"|'[^']*'", '""', line.strip())
        found.append((*re.findall(r"^[\w-]+", bare), *re.findall(r"[;{}#\"']", bare)))
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What became of each case: a sentence, or the files."""
    good = {f"good_{server}": {**DEFAULTS, **BASE, "site_server": server} for server in ("gunicorn", "uwsgi")}
    hosts = {case: said(*CASES[case]) for case in CASES}
    judged = {case: {**DEFAULTS, **BASE, **variables} for case, (variables, _sentence) in JUDGED.items()}
    answers = play_renders(tmp_path_factory.mktemp("bad"), PLAY, {**good, **hosts, **judged})
    return {case: answer["found"] for case, answer in answers.items()}


def test_there_are_hundreds_of_cases() -> None:
    assert len(CASES) >= (500 if LONG else 150)
    assert {name for name, _value in CASES.values()} == {name for name, _option in options()}


def test_good_values_reach_the_files(found: dict[str, Any]) -> None:
    """Or nothing of this file would say anything."""
    for server in ("gunicorn", "uwsgi"):
        assert "shop.example.com" in found[f"good_{server}"]["site"], found[f"good_{server}"]


@pytest.mark.parametrize("case", CASES, ids=[f"{name}={str(value)[:24]!r}" for name, value in CASES.values()])
def test_a_bad_value_is_refused_or_harmless(found: dict[str, Any], case: str) -> None:
    name, value = CASES[case]
    outcome = found[case]
    if isinstance(outcome, str):
        assert any(word in outcome for word in (name.removeprefix("site_"), ALIASES.get(name, name))), outcome
        assert len(outcome) < 5000
    elif name not in FREE:
        good = found[f"good_{'uwsgi' if name.startswith('uwsgi') else 'gunicorn'}"]
        for file, text in outcome.items():
            assert skeleton(text) == skeleton(good[file]), (file, value)


@pytest.mark.parametrize("case", JUDGED)
def test_what_is_a_fault_by_a_rule(found: dict[str, Any], case: str) -> None:
    """The sentence is all there is, or the files are."""
    _variables, sentence = JUDGED[case]
    outcome = found[case]
    assert outcome == sentence if sentence else isinstance(outcome, dict), outcome
