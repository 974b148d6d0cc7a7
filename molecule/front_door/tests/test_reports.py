"""A report is lines of text, the same for every callback, on a screen of 80 columns."""

from __future__ import annotations

from pathlib import Path

import pytest
from kind import Case
from kinds import KINDS
from screen import parts, play_on_a_screen
from testinfra.host import Host
from trial import Trials

testinfra_hosts = ["ansible://web"]

# The report as the filter makes it, into a file, after the plan in the same run.
KEPT = """
- ansible.builtin.import_playbook: pitcrew.django.plan
- hosts: django
  gather_facts: false
  tasks:
    - ansible.builtin.copy:
        content: "{{ site_plan | pitcrew.django.capacity_report }}"
        dest: "{{ report }}"
        mode: "0644"
      delegate_to: localhost
      become: false
      vars:
        ansible_python_interpreter: "{{ ansible_playbook_python }}"
"""


@pytest.mark.parametrize("result_format", ["json", "yaml"])
def test_the_plan_is_text(result_format: str, host: Host, inventory: Path, tmp_path: Path) -> None:
    """Line by line what the filter pitcrew.django.capacity_report returns, and none of it folded."""
    case = Case(KINDS["untouched"], "gunicorn")
    hosts, _source = Trials(inventory, tmp_path, []).write(case)
    (tmp_path / "plan.yml").write_text(KEPT, encoding="utf-8")
    play = play_on_a_screen(
        tmp_path / "plan.yml",
        f"--inventory={inventory}",
        f"--inventory={hosts}",
        variables={"report": str(tmp_path / "report")},
        ANSIBLE_CALLBACK_RESULT_FORMAT=result_format,
    ).succeeded()
    print(play.output)
    report = (tmp_path / "report").read_text(encoding="utf-8").rstrip().splitlines()
    shown = [text.splitlines() for _heading, text in parts(play.output)]
    assert len(report) > 5
    assert [line for line in report if len(line) > 80] == []
    assert any(report == lines[start : start + len(report)] for lines in shown for start in range(len(lines)))
