"""What is documented is what there is: role specifications and defaults, names, and the modules' options."""

from __future__ import annotations

import functools
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible.plugins.action import ActionBase

ROOT = Path(__file__).resolve().parents[3]
ROLES = sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/argument_specs.yml"))
MODULES = sorted(path.stem for path in ROOT.glob("plugins/modules/*.py"))
PLUGINS = "ansible_collections.pitcrew.django.plugins"


@functools.cache
def load(path: Path) -> dict[str, Any]:
    """Read a file of variables; one that is not there has none."""
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def options(role: str) -> dict[str, Any]:
    """Give the options of all entry points of a role."""
    entry_points = load(ROOT / "roles" / role / "meta/argument_specs.yml")["argument_specs"]
    return {name: option for entry in entry_points.values() for name, option in entry.get("options", {}).items()}


def defaults(role: str) -> dict[str, Any]:
    """Give the defaults of a role."""
    return load(ROOT / "roles" / role / "defaults/main.yml")


# Ansible does not ask an action whether it supports check mode: it always runs.
ON_CONTROL_NODE = dict.fromkeys(("proposal", "refuse", "report", "report_page", "source", "site_inputs"), True)
OPTIONS = [(role, name) for role in ROLES for name in sorted(options(role))]
DEFAULTS = [(role, name) for role in ROLES for name in sorted(defaults(role))]

IS_OF_TYPE = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "float": lambda value: isinstance(value, float),
    "bool": lambda value: isinstance(value, bool),
    "list": lambda value: isinstance(value, list),
    "dict": lambda value: isinstance(value, dict),
    # Text or a list, which a rule of its own tells apart.
    "raw": lambda value: isinstance(value, str),
}


# Playbooks


@pytest.mark.parametrize("playbook", sorted(ROOT.glob("playbooks/*.yml")), ids=lambda path: path.stem)
def test_a_playbook_has_no_tasks_of_ansible_s_own_validation(playbook: Path) -> None:
    """The roles report themselves what Ansible would find, and all of it at once."""
    found = re.findall(r"^ +ansible\.builtin\.import_role:\n((?: +\w+: .+\n)+)", playbook.read_text(), re.MULTILINE)
    assert found
    assert all("rolespec_validate: false" in options for options in found)


# Roles


def test_there_is_something_to_compare() -> None:
    """A moved directory must not turn the tests below into none."""
    assert {"site", "release", "gunicorn", "nginx"} <= set(ROLES)
    assert {"source", "switch", "site_facts", "release", "verify"} <= set(MODULES)
    assert len(OPTIONS) > 40


def test_every_role_has_a_specification() -> None:
    """One that has none is not in any of these lists."""
    assert {path.name for path in (ROOT / "roles").iterdir() if path.is_dir()} == set(ROLES)


@pytest.mark.parametrize(("role", "name"), OPTIONS)
def test_an_option_has_its_default(role: str, name: str) -> None:
    """The same literal in both; without one, a commented example or an empty value shows where to set it."""
    option, there = options(role)[name], defaults(role)
    if "default" in option:
        assert name in there
        assert (type(there[name]), there[name]) == (type(option["default"]), option["default"])
    elif option.get("required"):
        assert name not in there
        assert re.search(rf"^# {name}: \S", (ROOT / f"roles/{role}/defaults/main.yml").read_text(), re.MULTILINE)
    else:
        assert name in there
        assert there[name] is None


@pytest.mark.parametrize(("role", "name"), DEFAULTS)
def test_a_default_is_specified(role: str, name: str) -> None:
    """What can be set is described."""
    assert name in options(role)


@pytest.mark.parametrize(("role", "name"), DEFAULTS)
def test_a_default_is_of_its_type(role: str, name: str) -> None:
    """Ansible checks the values of users, not the defaults of roles."""
    option, value = options(role)[name], defaults(role)[name]
    if value is not None:
        assert IS_OF_TYPE[option["type"]](value)


@pytest.mark.parametrize(("role", "name"), OPTIONS)
def test_an_option_is_described(role: str, name: str) -> None:
    """By a sentence, its type, what a list is made of, and choices that its default is among."""
    option = options(role)[name]
    text = option["description"]
    assert (text if isinstance(text, str) else text[-1]).endswith(".")
    assert option["type"] in IS_OF_TYPE
    assert ("elements" in option) is (option["type"] == "list")
    assert option.get("default") in option.get("choices", [option.get("default")])


@pytest.mark.parametrize("name", ["site_secrets", "site_secret_settings"])
def test_a_secret_is_declared(name: str) -> None:
    """It is never shown, whatever is wrong with it."""
    assert options("site")[name]["no_log"] is True


def names(value: Any, key: str) -> list[str]:
    """Find what is named by a key anywhere in tasks."""
    if isinstance(value, list):
        return [name for item in value for name in names(item, key)]
    if not isinstance(value, dict):
        return []
    here = [value[key]] if isinstance(value.get(key), str) else []
    return here + [name for item in value.values() for name in names(item, key)]


def own_names(role: str) -> set[str]:
    """Name all that a role adds to the variables of a play."""
    directory = ROOT / "roles" / role
    found = set(defaults(role)) | set(load(directory / "vars/main.yml"))
    for path in (*directory.glob("tasks/*.yml"), *directory.glob("handlers/*.yml")):
        tasks = yaml.safe_load(path.read_text())
        found.update(names(tasks, "register"), names(tasks, "loop_var"))
        for task in tasks:
            found.update(task.get("ansible.builtin.set_fact", {}), task.get("vars", {}))
    # The latter is for tasks that run on the control node.
    return found - {"cacheable", "ansible_python_interpreter"}


@pytest.mark.parametrize("role", ROLES)
def test_names_carry_the_role_s_prefix(role: str) -> None:
    """Nothing else enters the namespace that all roles of a play share."""
    assert own_names(role)
    assert [name for name in sorted(own_names(role)) if not re.match(rf"_*{role}_", name)] == []


# Modules


class Declared(Exception):
    """Ends a module as soon as it has declared its arguments."""


def declared(name: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the arguments that a module declares, or the action that does its work on the control node."""
    module = importlib.import_module(f"{PLUGINS}.modules.{name}")
    taken: dict[str, Any] = {}

    def declare(*_self: Any, **arguments: Any) -> None:
        taken.update(arguments)
        raise Declared

    if hasattr(module, "main"):
        monkeypatch.setattr(module, "AnsibleModule", declare)
        run = module.main
    else:
        action = importlib.import_module(f"{PLUGINS}.action.{name}").ActionModule
        monkeypatch.setattr(ActionBase, "run", lambda *_arguments: {})
        monkeypatch.setattr(ActionBase, "validate_argument_spec", declare)
        run = object.__new__(action).run
    with pytest.raises(Declared):
        run()
    return taken


def documented(name: str) -> dict[str, Any]:
    """Give what a module documents, with what it takes from fragments."""
    found: dict[str, Any] = yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{name}").DOCUMENTATION)
    ours = [name for name in found.get("extends_documentation_fragment", []) if name.startswith("pitcrew.django.")]
    for fragment in ours:
        file, _dot, part = fragment.removeprefix("pitcrew.django.").partition(".")
        plugin = importlib.import_module(f"{PLUGINS}.doc_fragments.{file}").ModuleDocFragment
        shared = yaml.safe_load(getattr(plugin, part.upper() or "DOCUMENTATION"))
        found["options"] = {**shared["options"], **found["options"]}
    return found


def flat(options: dict[str, Any], nested: str) -> dict[str, dict[str, Any]]:
    """Bring options and those inside them into one form, by their path."""
    found = {}
    for name, option in options.items():
        found[name] = {
            "type": option.get("type", "str"),
            "required": option.get("required", False),
            "default": option.get("default"),
            "choices": option.get("choices"),
            "elements": option.get("elements"),
            "aliases": option.get("aliases", []),
        }
        inner = flat(option.get(nested) or {}, nested)
        found.update({f"{name}.{path}": value for path, value in inner.items()})
    return found


@pytest.mark.parametrize("name", MODULES)
def test_a_module_takes_what_it_documents(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names, types, defaults, what is required, and choices, also inside of options."""
    taken = flat(declared(name, monkeypatch).get("argument_spec") or {}, "options")
    assert flat(documented(name).get("options") or {}, "suboptions") == taken


@pytest.mark.parametrize("name", MODULES)
def test_a_module_supports_check_mode_as_documented(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Full support is declared to Ansible too, which would skip the module otherwise."""
    taken = declared(name, monkeypatch)
    support = documented(name)["attributes"]["check_mode"]["support"]
    assert (support == "full") is taken.get("supports_check_mode", ON_CONTROL_NODE.get(name))


@pytest.mark.parametrize("name", ["switch", "release"])
def test_secrets_are_not_logged(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither on the host nor on the control node."""
    assert declared(name, monkeypatch)["argument_spec"]["secrets"]["no_log"] is True


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_named_after_its_file(name: str) -> None:
    """And its examples use the name that users type."""
    tasks = yaml.safe_load(importlib.import_module(f"{PLUGINS}.modules.{name}").EXAMPLES)
    assert documented(name)["module"] == name
    assert f"pitcrew.django.{name}" in {key for task in tasks for key in task}
