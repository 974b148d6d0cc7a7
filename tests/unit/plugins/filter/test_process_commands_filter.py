"""What a release has to judge of the commands beside its web processes."""

from __future__ import annotations

from ansible_collections.pitcrew.django.plugins.filter.process_commands import FilterModule

process_commands = FilterModule().filters()["process_commands"]


def test_each_process_once_and_each_schedule() -> None:
    """In the order of the inventory, with the variable that has the command."""
    units = [
        {"process": "rq", "prefix": "shop-rq", "words": ["rq", "worker", "--name=shop-rq"]},
        {"process": "rq", "prefix": "shop-rq-2", "words": ["rq", "worker", "--name=shop-rq-2"]},
        {"process": "alerts", "prefix": "shop-alerts", "words": ["python", "manage.py", "sendalerts"]},
    ]
    schedules = [{"schedule": "clean", "words": ["python", "manage.py", "clearsessions"], "calendar": "daily"}]
    assert process_commands(units, schedules) == [
        {"variable": 'site_processes["rq"]', "words": ["rq", "worker", "--name=shop-rq"]},
        {"variable": 'site_processes["alerts"]', "words": ["python", "manage.py", "sendalerts"]},
        {"variable": 'site_schedules["clean"].command', "words": ["python", "manage.py", "clearsessions"]},
    ]
    assert process_commands([]) == []
