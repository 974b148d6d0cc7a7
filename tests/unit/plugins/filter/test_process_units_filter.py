"""The filters for background processes are documented as they are."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible.errors import AnsibleFilterError
from ansible_collections.pitcrew.django.plugins.filter import process_units as module
from ansible_collections.pitcrew.django.plugins.filter import systemd_words as words_module

process_units = module.FilterModule().filters()["process_units"]
systemd_words = words_module.FilterModule().filters()["systemd_words"]

PROCESSES: dict[str, Any] = {
    "worker": {"preset": "celery", "application": "shop"},
    "beat": {"preset": "celery_beat", "application": "shop"},
    "alerts": {"command": "python manage.py sendalerts"},
}


def test_every_key_of_a_unit_is_documented_and_none_besides() -> None:
    """What a template may read is what the documentation lists, and it is plain data."""
    documented = yaml.safe_load(module.RETURN)["_value"]["contains"]
    units = process_units(PROCESSES, site="shop", state="/var/lib/shop")
    assert len(units) == 3
    for unit in units:
        assert set(unit) == set(documented)
    assert json.loads(json.dumps(units)) == units


def test_what_the_plan_has_for_a_process_is_in_its_units() -> None:
    planned = {"worker": {"concurrency": 7, "cpu_weight": 3}}
    units = process_units(PROCESSES, site="shop", state="/var/lib/shop", planned=planned, first_host=False)
    assert [unit["process"] for unit in units] == ["worker", "alerts"]
    assert units[0]["words"][-1] == "--concurrency=7"
    assert (units[0]["cpu_weight"], units[1]["cpu_weight"]) == (3, None)


def test_presets_of_an_application_without_manage() -> None:
    """It is installed from a package; what a user has written stays as it is."""
    processes = {"rq": {"preset": "rq"}, "worker": {"preset": "celery", "application": "shop"}}
    processes["alerts"] = {"command": "python manage.py sendalerts"}
    units = process_units(processes, site="shop", state="/var/lib/shop", has_manage=False)
    assert [unit["exec"].split(" --")[0] for unit in units] == [
        "python -m django rqworker",
        "python -m celery",
        "python manage.py sendalerts",
    ]


def test_a_site_without_processes_has_no_units() -> None:
    assert process_units({}, site="shop", state="/var/lib/shop", planned={}) == []


def test_the_example_of_the_documentation() -> None:
    sample = yaml.safe_load(words_module.RETURN)["_value"]["sample"]
    assert systemd_words('python manage.py report --title "100 % done"') == sample


def test_a_command_that_is_none() -> None:
    with pytest.raises(AnsibleFilterError, match=r"^pitcrew\.django\.systemd_words: No closing quotation$"):
        systemd_words("echo 'a")
    with pytest.raises(AnsibleFilterError, match=r"^pitcrew\.django\.systemd_words: '' is not a command$"):
        systemd_words("")
