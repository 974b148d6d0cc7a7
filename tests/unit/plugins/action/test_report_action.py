"""What a person reads of a report and of a refusal, with each of the stdout callbacks; and what a program gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

TEXT = """\
host  state            workers
web1  active           9 of 9
web2  start-limit-hit  "none"

! web2: it is 100 % \\n down\
"""
OUTPUT = """\
Traceback (most recent call last):
  File "/srv/shop/urls.py", line 3

KeyError: 'shop'\
"""
SENTENCES = "Release r2 is refused, release r1 keeps serving: KeyError: 'shop'. Set site_environment, and deploy again."

PLAYBOOK = [
    {
        "hosts": "web1",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {"name": "Show it", "pitcrew.django.report": {"text": TEXT}},
            {"name": "Hide it", "pitcrew.django.report": {"text": "a secret"}, "no_log": True},
            {"name": "Refuse it", "pitcrew.django.refuse": {"text": f"{SENTENCES}\n\n{OUTPUT}"}},
        ],
    }
]

# Stands for those of other collections, which are not installed here: all write JSON through Ansible's display.
JSON_CALLBACK = """
import json
from ansible.plugins.callback import CallbackBase

class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "jsonl"

    def show(self, result, **_):
        self._display.display(json.dumps(result._result))

    v2_runner_on_ok = v2_runner_on_failed = show
"""

RESCUE = {
    "hosts": "web1",
    "connection": "local",
    "gather_facts": False,
    "tasks": [
        {
            "name": "Try",
            "block": [{"name": "Have the role refuse", "ansible.builtin.import_role": {"name": "refusing"}}],
            "rescue": [
                {
                    "name": "Tell",
                    "pitcrew.django.report": {"text": "rescued: {{ ansible_failed_result.text | join('|') }}"},
                },
                {"name": "Refuse again", "pitcrew.django.refuse": {"text": "Nothing helps."}},
            ],
        }
    ],
}

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run the playbook with these settings of Ansible; return what it writes, to stderr where that is asked for."""
    tasks = tmp_path / "roles/refusing/tasks/main.yml"
    tasks.parent.mkdir(parents=True)
    tasks.write_text(json.dumps([PLAYBOOK[0]["tasks"][2]]))
    (tmp_path / "play.yml").write_text(json.dumps(PLAYBOOK))
    (tmp_path / "rescue.yml").write_text(json.dumps([RESCUE]))
    (tmp_path / "jsonl.py").write_text(JSON_CALLBACK)
    kept = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}

    def play(*options: str, stderr: bool = False, name: str = "play.yml", **settings: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "-i", "web1,", *options, str(tmp_path / name)],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={
                **kept,
                "COLUMNS": "80",
                "ANSIBLE_COLLECTIONS_PATH": os.environ.get("PYTHONPATH", ""),
                "ANSIBLE_CALLBACK_PLUGINS": str(tmp_path),
                "ANSIBLE_HOME": str(tmp_path),
                **settings,
            },
        )
        assert done.returncode == 2, done.stdout + done.stderr
        return done.stderr if stderr else done.stdout

    return play


PEOPLE = {
    "default": {},
    "default, yaml": {"ANSIBLE_CALLBACK_RESULT_FORMAT": "yaml"},
    "default, failures only": {"ANSIBLE_DISPLAY_OK_HOSTS": "no", "ANSIBLE_DISPLAY_SKIPPED_HOSTS": "no"},
    "minimal": {"ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.minimal"},
    "oneline": {"ANSIBLE_STDOUT_CALLBACK": "oneline"},
}


@pytest.mark.parametrize("settings", PEOPLE.values(), ids=PEOPLE)
def test_a_person_reads_lines(run: Run, settings: dict[str, str]) -> None:
    """A report as it is, and a refusal once: the sentences, then the output; the result repeats the headline only."""
    output = run(**settings)
    assert f"\n{TEXT}\n\n" in f"\n{output}"
    assert "a secret" not in output
    told, _, rest = output.partition(
        "web1: Release r2 is refused, release r1 keeps serving: KeyError: 'shop'. Set\n"
        f"site_environment, and deploy again.\n\n{OUTPUT}\n\n"
    )
    assert rest, told
    assert "deploy again" not in rest
    assert "Release r2 is refused, release r1 keeps serving" in rest
    for twice in ("[ERROR]", "Origin:", "Traceback", "Task failed"):
        assert twice not in told + rest


def test_lines_stay_lines_in_colour(run: Run) -> None:
    """Also where each is coloured."""
    output = run(ANSIBLE_FORCE_COLOR="true")
    assert TEXT in output
    assert all(f"\x1b[0;31m{line}\x1b[0m" in output for line in OUTPUT.splitlines() if line)


def test_a_refusal_is_where_failures_are(run: Run) -> None:
    output = run(ANSIBLE_DISPLAY_FAILED_STDERR="true", stderr=True)
    assert OUTPUT in output
    assert "fatal: [web1]" in output


def test_a_program_gets_nothing_but_json(run: Run) -> None:
    """Every line is an object, with all the text in it; what is secret is in none."""
    shown, hidden, refused = (json.loads(line) for line in run(ANSIBLE_STDOUT_CALLBACK="jsonl").splitlines())
    assert shown["text"] == TEXT.split("\n")
    assert "text" not in hidden
    assert (refused["msg"], refused["details"]) == (SENTENCES, OUTPUT.split("\n"))


def test_a_play_that_collects_refusals_gets_all_sentences(run: Run) -> None:
    """The callback prints them; the output is not printed then."""
    output = run("--extra-vars", json.dumps({"__site_collects_refusals": True}))
    failed: dict[str, Any] = json.loads(output.partition("fatal: [web1]: FAILED! => ")[2].partition("\n")[0])
    assert failed == {"changed": False, "msg": SENTENCES, "details": OUTPUT.split("\n")}
    assert output.count("KeyError: 'shop'. Set") == 1


def test_a_rescue_gets_the_whole_text(run: Run) -> None:
    """It is printed for people as ever; what has no rescue has the headline only in its result."""
    output = run(name="rescue.yml")
    assert f"\n\n{OUTPUT}\n\n" in output
    assert "rescued: " + "|".join([SENTENCES, "", *OUTPUT.split("\n")]) in output
    assert '"text"' not in run()
