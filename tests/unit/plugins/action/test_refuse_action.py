"""Actions that run a module and print its refusal: each runs the module of its name; a crash is not a refusal."""

from __future__ import annotations

import importlib
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase
from ansible_collections.pitcrew.django.plugins.action.refuse import ModuleAction, Refused

PLUGINS = "ansible_collections.pitcrew.django.plugins"
REFUSAL = {
    "failed": True,
    "msg": "Release r2 is refused: it is. Deploy r3.\n\nTraceback",
    "holder": {"operator": "anna"},
}


def action(name: str, answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> tuple[ModuleAction, list[str]]:
    """An action whose module gives this answer, and what it displays."""
    kind = importlib.import_module(f"{PLUGINS}.action.{name}").ActionModule
    made: ModuleAction = kind.__new__(kind)
    shown: list[str] = []
    made._task = SimpleNamespace(args={"root": "/srv/shop"}, no_log=False, _parent=None)
    made._display = SimpleNamespace(display=lambda text, **_: shown.append(text))

    def execute(_action: ActionBase, module: str, module_args: dict[str, Any], **_: Any) -> dict[str, Any]:
        assert module == f"pitcrew.django.{name}"
        assert module_args == {"root": "/srv/shop"}
        assert importlib.import_module(f"{PLUGINS}.modules.{name}").DOCUMENTATION
        return dict(answer)

    monkeypatch.setattr(ActionBase, "run", lambda *_: {})
    monkeypatch.setattr(ActionBase, "_execute_module", execute)
    return made, shown


@pytest.mark.parametrize("name", ["switch", "verify", "migrations", "nginx", "run"])
def test_a_refusal_is_told(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made, shown = action(name, REFUSAL, monkeypatch)
    with pytest.raises(Refused) as refused:
        made.run(task_vars={"inventory_hostname": "web1"})
    assert shown == ["web1: Release r2 is refused: it is. Deploy r3.\n\nTraceback\n\n"]
    assert refused.value.message == "Release r2 is refused: it is."
    assert refused.value.result["holder"] == {"operator": "anna"}


@pytest.mark.parametrize(
    "answer",
    [{"changed": True, "msg": "done"}, {"failed": True}, {"failed": True, "msg": "no JSON", "module_stdout": "Killed"}],
    ids=["a success", "a crash", "a module that was killed"],
)
def test_anything_else_is_left_to_ansible(answer: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    made, shown = action("switch", answer, monkeypatch)
    assert made.run(task_vars={}) == answer
    assert not shown


def test_what_a_command_has_written_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it is folded or quoted; a command that has written nothing shows nothing."""
    made, shown = action("run", {"changed": True, "output": "  a table\n" + "x" * 200 + "\n"}, monkeypatch)
    made.run(task_vars={})
    assert shown == ["  a table\n" + "x" * 200 + "\n\n"]
    made, shown = action("run", {"changed": True, "output": ""}, monkeypatch)
    made.run(task_vars={})
    assert shown == []
