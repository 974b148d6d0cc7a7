"""Hundreds of bad values, over every documented variable of every role.

Each is refused, with the variable named; or it is harmless: every file that it reaches has the lines, the directives
and the quotes that it has anyway.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.complaints import Complaint
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.specification import read_roles
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.validation import (
    PlayVariables,
    validate,
    validate_on_host,
)
from test_templates import COMMON, PLAN, ROOT, play_renders, template

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
BAD = {
    "str": TEXTS,
    "int": WHOLE,
    "float": PARTS,
    "bool": FLAGS,
    "list": LISTS,
    "dict": MAPPINGS,
    "raw": [*LISTS, 7, None, {"a": 1}],
}

# What is nginx's by its purpose: nginx tests it before it takes it.
FREE = "nginx_extra_directives"
# Two variables that belong together.
TOGETHER = {
    "site_tls_key": {"site_tls_certificate": "/etc/ssl/shop.pem"},
    "site_tls_certificate": {"site_tls_key": "/etc/ssl/shop.key"},
    "site_source_directory": {"site_git_url": ""},
    "site_package": {"site_git_url": ""},
}
FILES = {
    "site": template("nginx", "site.conf.j2"),
    "host": template("nginx", "host.conf.j2"),
    "unit": template("site", "slot.service.j2"),
    "boot": template("site", "boot.service.j2"),
    "gunicorn": template("gunicorn", "gunicorn.conf.py.j2"),
    "uwsgi": template("uwsgi", "uwsgi.ini.j2"),
    "exporters": template("monitoring", "nginx.conf.j2"),
    "prometheus": template("monitoring", "prometheus.yml.j2"),
    "rules": template("monitoring", "rules.yml.j2"),
    "daemon": template("monitoring", "daemon.conf.j2").replace("') }}", "', template_vars={'name': 'prometheus'}) }}"),
}
BASE = {
    **COMMON,
    "site_git_url": "https://git.example.com/shop.git",
    # So that other hosts read the exporters.
    "monitoring_export_directory": "exported",
}
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
ROLES = read_roles(ROOT / "roles")
CASES = [
    (name, value)
    for name, option in ROLES.options.items()
    for value in BAD[option.type]
    if value not in option.choices and value != option.default
]


def variables(kind: str) -> dict[str, Any]:
    """Give the defaults, or the vars, of all roles."""
    texts = (path.read_text() for path in sorted(ROOT.glob(f"roles/*/{kind}/main.yml")))
    return {name: value for text in texts for name, value in (yaml.safe_load(text) or {}).items()}


DEFAULTS, VARS = variables("defaults"), variables("vars")


def complaints(**variables: Any) -> list[Complaint]:
    """Validate a site that is valid except for these variables."""
    values = PlayVariables({**DEFAULTS, **BASE, **variables})
    found, _warning = validate(ROLES, values)
    server = variables.get("site_server", "gunicorn")
    return found or validate_on_host(ROLES, values, FACTS, server, "/var/lib/shop", 1)[0]


def judged(name: str, value: Any) -> list[Complaint]:
    """Judge a value with whatever it needs to have an effect."""
    server = "uwsgi" if name.startswith("uwsgi") else "gunicorn"
    return complaints(**{"site_server": server, **TOGETHER.get(name, {}), name: value})


def accepted() -> list[dict[str, Any]]:
    """Put the values that are not refused into as few sites as they fit in, each variable once in each."""
    sites: list[dict[str, Any]] = []
    for name, value in CASES:
        if name != FREE and not judged(name, value):
            site = next((site for site in sites if name not in site), {})
            if not site:
                sites.append(site)
            site[name] = value
    return sites


ACCEPTED = accepted()
# All variables and no tasks of the roles.
PLAY = [
    {
        "hosts": "all",
        "gather_facts": False,
        # Not as vars_files, which Ansible reads anew for each task of each host.
        "vars": {**VARS, "role_path": str(ROOT / "roles/site")},
        "tasks": [
            {"name": "Say what the hosts are", "ansible.builtin.set_fact": {"cacheable": True, **FACTS}},
            *PLAN,
            {
                "name": "Tell",
                "ansible.builtin.debug": {"msg": "{{ files | to_json | b64encode }}"},
                "vars": {"files": FILES},
            },
        ],
    }
]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """The files of a good site under each server, and of each site of accepted values."""
    sites: dict[str, dict[str, Any]] = {server: {"site_server": server} for server in ("gunicorn", "uwsgi")}
    sites.update({f"accepted{number}": site for number, site in enumerate(ACCEPTED)})
    all_said = {name: {**DEFAULTS, **BASE, **site} for name, site in sites.items()}
    return play_renders(tmp_path_factory.mktemp("bad"), PLAY, all_said)


def skeleton(text: str) -> list[tuple[str, ...]]:
    """Reduce a file to what its program makes of it: the first word of each line, and all that divides or ends."""
    found = []
    for line in text.splitlines():
        bare = re.sub(r"\"[^\"]*\"|'[^']*'", '""', line.strip())
        found.append((*re.findall(r"^[\w-]+", bare), *re.findall(r"[;{}#\"']", bare)))
    return found


def test_there_are_hundreds_of_cases() -> None:
    assert len(CASES) > 500
    assert {name for name, _value in CASES} == ROLES.options.keys()
    assert 5 < len(ACCEPTED) < 20


@pytest.mark.parametrize("server", ["gunicorn", "uwsgi"])
def test_a_good_site_has_nothing_wrong(server: str) -> None:
    """Otherwise no refusal here would prove anything."""
    assert complaints(site_server=server) == []


@pytest.mark.parametrize(("name", "value"), CASES, ids=[f"{name}={str(value)[:24]!r}" for name, value in CASES])
def test_a_bad_value_is_refused_with_its_variable(name: str, value: Any) -> None:
    """Or it is among the values that are rendered below."""
    found = judged(name, value)
    lines = [str(complaint) for complaint in found]
    if found:
        assert any(line.startswith(name) for line in lines), lines
        assert all(line.isprintable() and len(line) < 1000 for line in lines)
    else:
        assert name == FREE or any(value == site.get(name) for site in ACCEPTED)


@pytest.mark.parametrize("number", range(len(ACCEPTED)))
def test_an_accepted_value_is_harmless(files: dict[str, dict[str, str]], number: int) -> None:
    """Every file has the same shape as that of a good site."""
    for file, text in files[f"accepted{number}"].items():
        assert skeleton(text) == skeleton(files["gunicorn"][file]), (file, ACCEPTED[number])


@pytest.mark.parametrize("server", ["gunicorn", "uwsgi"])
def test_good_values_reach_the_files(files: dict[str, dict[str, str]], server: str) -> None:
    """Otherwise nothing in this file would prove anything."""
    assert "shop.example.com" in files[server]["site"]


def test_the_roles_are_read_as_ansible_reads_them() -> None:
    """The room knows every variable that a role documents."""
    documented: set[str] = set()
    for path in sorted(Path(ROOT).glob("roles/*/meta/argument_specs.yml")):
        for point in yaml.safe_load(path.read_text())["argument_specs"].values():
            documented.update(point["options"])
    assert documented == ROLES.options.keys()
