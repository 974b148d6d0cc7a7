"""The facts of a play after a build: those that the build returned, or those gathered again from the host."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase
from ansible_collections.pitcrew.django.plugins.action.refuse import Refused
from ansible_collections.pitcrew.django.plugins.action.release import ActionModule

FACTS = {"pitcrew_site": {"release": "r1"}}
ASKED = {"pitcrew_site": {"release": "r1 as the host says"}}

Build = Callable[..., tuple[dict[str, Any], list[tuple[str, dict[str, Any]]]]]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Build by the action, whose modules give these answers; give its own, and which modules were asked what."""
    archive = tmp_path / "source.tar.gz"
    archive.write_bytes(b"packed")

    def built(release: dict[str, Any], facts: dict[str, Any] | None = None, check: bool = False) -> Any:
        asked = []
        answers = {"release": release, "site_facts": facts or {"ansible_facts": ASKED}}

        def execute(_action: ActionModule, name: str, module_args: dict[str, Any], **_: Any) -> dict[str, Any]:
            asked.append((name.rpartition(".")[2], module_args))
            return dict(answers[asked[-1][0]])

        action = ActionModule.__new__(ActionModule)
        arguments = {"archive": str(archive), "path": "/srv/shop/releases/r1", "user": "shop", "files": ["/etc/key"]}
        action._task = SimpleNamespace(args=arguments, check_mode=check, no_log=False, _parent=None)
        action._display = SimpleNamespace(display=lambda *_, **__: None)
        action._connection = SimpleNamespace(_shell=SimpleNamespace(tmpdir=None))
        with monkeypatch.context() as patch:
            patch.setattr(ActionBase, "run", lambda *_: {})
            patch.setattr(ActionModule, "_execute_module", execute)
            return action.run(), asked

    return built


def packed(facts: dict[str, Any]) -> str:
    """As the module gives them."""
    return base64.b64encode(json.dumps(facts).encode()).decode()


def test_what_the_build_has_brought_becomes_facts(build: Build) -> None:
    """No further visit."""
    answer, asked = build({"changed": True, "facts": packed(FACTS)})
    assert answer == {"changed": True, "ansible_facts": FACTS}
    assert [name for name, _arguments in asked] == ["release"]
    assert asked[0][1]["content"] == base64.b64encode(b"packed").decode()


@pytest.mark.parametrize(
    "facts",
    [packed(FACTS).replace("c", "********", 1), "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER", ""],
    ids=["a secret in it", "a secret that it is", "none"],
)
def test_where_characters_of_a_secret_were_cut_out_the_host_is_asked(build: Build, facts: str) -> None:
    answer, asked = build({"changed": True, "facts": facts})
    assert answer["ansible_facts"] == ASKED
    assert asked[1] == ("site_facts", {"name": "shop", "root": "/srv/shop", "files": ["/etc/key"], "python": None})


def test_a_host_that_cannot_be_asked_fails_the_build(build: Build) -> None:
    with pytest.raises(AnsibleActionFail, match="no /proc/meminfo"):
        build({"changed": True}, facts={"failed": True, "msg": "site_facts: no /proc/meminfo"})


def test_a_release_that_is_refused(build: Build) -> None:
    with pytest.raises(Refused, match=r"^refused$"):
        build({"failed": True, "msg": "refused"})


@pytest.mark.parametrize(("answer", "check"), [({"failed": True}, False), ({"changed": True}, True)])
def test_a_build_that_crashed_or_was_none_brings_no_facts(build: Build, answer: dict[str, Any], check: bool) -> None:
    found, asked = build(answer, check=check)
    assert found == answer
    assert len(asked) == 1
