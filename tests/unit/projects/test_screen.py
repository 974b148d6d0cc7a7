"""What of a screen is a message, and what in it differs from run to run."""

from __future__ import annotations

from pathlib import Path

import pytest
import screen

REFUSAL = """
PLAY [Deploy the site] *********************************************************

TASK [Pack the source] *********************************************************
[WARNING]: site_contact is no variable of the collection; if it is yours, list
it in site_custom_variables.
ok: [web]

TASK [Switch to the release] ***************************************************
[ERROR]: Task failed: Module failed: It answers 500.
Origin: /home/you/roles/site/tasks/switch.yml:4:3

2 ---
3
4 - name: Switch
    ^ column 3

fatal: [web]: FAILED! =>
    msg: It answers 500.

TASK [Give the site back] ******************************************************
ok: [web]

PLAY RECAP *********************************************************************
web                        : ok=1    changed=0    unreachable=0    failed=1
"""


def test_a_message_has_the_failure_and_perhaps_the_warnings():
    assert screen.message(REFUSAL, with_warnings=True).splitlines()[:6] == [
        "[WARNING]: site_contact is no variable of the collection; if it is yours, list",
        "it in site_custom_variables.",
        "",
        "TASK [Switch to the release]",
        "[ERROR]: Task failed: Module failed: It answers 500.",
        "Origin: /home/you/roles/site/tasks/switch.yml:4:3",
    ]
    assert screen.message(REFUSAL).endswith("    msg: It answers 500.\n")


def test_where_a_task_stands_is_left_out():
    assert screen.masked(screen.message(REFUSAL), {}).splitlines() == [
        "TASK [Switch to the release]",
        "[ERROR]: Task failed: Module failed: It answers 500.",
        "fatal: [web]: FAILED! =>",
        "    msg: It answers 500.",
    ]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Release 3f2a9c1d04ab-1f3e2c is refused", "Release RELEASE is refused"),
        ("/srv/live/venvs/0123456789ab/venv", "/srv/live/venvs/PACKAGES/venv"),
        ("[2026-11-30 10:58:42 +0000] [123] [INFO] up", "[TIME] [PID] [INFO] up"),
        ('  File "urls.py", line 12, in home', '  File "urls.py", line N, in home'),
        ("<object at 0x7f3a2b>", "<object at 0xADDRESS>"),
        ("lib/python3.11/site-packages", "lib/python3.N/site-packages"),
        ("/tmp/x/mysite/settings.py", "/home/you/mysite/settings.py"),
        ("500 instead of 200", "500 instead of 200"),
    ],
)
def test_what_differs_from_run_to_run(text: str, shown: str):
    assert screen.masked(text, {"/tmp/x/mysite": "/home/you/mysite"}) == shown


def test_a_message_is_compared_and_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(screen, "MESSAGES", tmp_path)
    monkeypatch.delenv("MESSAGES", raising=False)
    assert "make messages KIND=two" in screen.objection("two", "a new one\n")
    monkeypatch.setenv("MESSAGES", "write")
    assert screen.objection("two", "a new one\n") == ""
    monkeypatch.delenv("MESSAGES")
    assert screen.objection("two", "a new one\n") == ""
    assert "-a new one\n+another" in screen.objection("two", "another\n")


WIDE = "a sentence of ours that goes on and on and on and on and on, further than a screen is wide"


def test_only_our_sentences_have_to_fit():
    text = f"TASK [Refuse it]\nweb: short\n{WIDE}\n{100 * 'x'}\n\n{WIDE}\nfatal: [web]: {WIDE}\n\n[WARNING]: {WIDE}"
    assert screen.too_wide(text) == [WIDE, f"[WARNING]: {WIDE}"]


def test_a_message_is_told_once():
    told = f"TASK [Refuse it]\nweb: {WIDE}.\n\noutput\n\n"
    assert screen.twice(f'{told}fatal: [web]: FAILED! => {{"msg": "web: {WIDE}"}}\n') == []
    assert screen.twice(f"{told}web: {WIDE}\n") == [f"{WIDE}"]
    assert screen.twice(f"{told}[ERROR]: once more\n") == ["[ERROR]: once more"]


def test_of_a_journal_the_first_error_is_kept():
    error = "Internal Server Error (500): GET /\nTraceback (most recent call last):\nRuntimeError: no spokes\n"
    end = "\nfatal: [web]: FAILED! =>\n"
    for journal, kept in {
        f"Starting gunicorn\n{error}{error}": f"...\n{error}",
        f"[12 lines left out]\n{error}[TIME] [PID] [INFO] Booting\n{error}": f"...\n{error}",
        "Starting gunicorn\n": "...\n",
    }.items():
        assert screen.masked(f"web: refused\n\nThe journal of x@blue:\n{journal}{end}", {}) == (
            f"web: refused\n\nThe journal of x@blue:\n{kept}{end}"
        )


def test_of_a_build_the_error_is_kept():
    says = "error: Failed to build `psycopg2`\n\n"
    for before in ("   [stdout]\n   running egg_info\n\n   [stderr]\n   dist.py:765: old\n   !!\n\n", "   [stdout]\n"):
        assert screen.masked(f"{says}{before}   Error: pg_config not found.\n\n   more\n", {}) == (
            f"{says}         ...\n   Error: pg_config not found.\n\n   more\n"
        )
    without_error = f"{says}   [stdout]\n   running\nhint: more\n"
    assert screen.masked(without_error, {}) == without_error


def test_a_screen_has_80_columns(tmp_path: Path):
    playbook = tmp_path / "play.yml"
    playbook.write_text("- {name: See, hosts: localhost, gather_facts: false, tasks: []}\n")
    play = screen.play_on_a_screen(playbook, "--inventory=localhost,").succeeded()
    assert max(map(len, play.output.splitlines())) in {78, 79, 80}
