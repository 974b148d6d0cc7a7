"""What a user may set for background processes: each slip is named, with its cure, and all at once."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.background import (
    check_prefixes,
    check_unit_names,
)
from ansible_collections.pitcrew.django.plugins.plugin_utils.site_inputs.relations import check_relations
from test_site_variables import complaints as of_a_whole_site

CELERY = {"preset": "celery", "application": "shop"}
EITHER = "write it as in {command: python manage.py sendalerts}, or as in {preset: rq, queues: [default]}"


def complaints(**processes: Any) -> list[str]:
    return [str(complaint) for complaint in check_relations({"site_processes": processes})]


@pytest.mark.parametrize(
    "processes",
    [
        {},
        {
            "worker": {**CELERY, "concurrency": 4, "queues": ["default", "mail"], "count": 2, "drain": 3600},
            "beat": {"preset": "celery_beat", "application": "shop.celery:app", "single": True},
            "alerts": {"command": "python manage.py sendalerts", "memory_mb": 90.5, "database_connections": 0},
        },
        {"rq": {"preset": "rq", "queues": ["high", "low-2"], "count": 2, "startsecs": 1, "arguments": "--verbosity 2"}},
        {"rq": {"preset": "rq", "concurrency": 1, "arguments": "--with-scheduler"}, "x": {"preset": "rq_scheduler"}},
        {"huey": {"preset": "huey", "concurrency": 2, "arguments": "-k process --flush-locks"}},
        {"d": {"preset": "dramatiq", "threads": 4}, "p": {"preset": "procrastinate", "queues": ["a.b"]}},
        {"q": {"preset": "django_q", "concurrency": 4}, "t": {"preset": "django_tasks", "queues": ["*"]}},
        {
            "shell": {"command": "sh -c 'a && b > c'"},
            "own": {"command": "./run"},
            "once": {"command": "a", "single": True},
        },
        {"a": {"command": "true", "count": None, "queues": None, "drain": "60"}},
    ],
)
def test_nothing_wrong_with_processes(processes: dict[str, Any]) -> None:
    assert complaints(**processes) == []


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ("celery", f'"celery" is not a mapping; {EITHER}'),
        (None, f"null is not a mapping; {EITHER}"),
        ({}, f"has neither a command nor a preset; {EITHER}"),
        ({"command": ""}, f"has neither a command nor a preset; {EITHER}"),
        ({"command": "true", "preset": "rq"}, f"has both a command and a preset; {EITHER}"),
        ({"command": "true", "cuont": 2}, '"cuont" is not one of its keys; did you mean count?'),
        ({"command": "true", "user": "root"}, '"user" is not one of its keys; they are command, preset, application,'),
    ],
)
def test_a_process_as_a_whole(process: Any, expected: str) -> None:
    (sentence,) = complaints(x=process)
    assert sentence.startswith(f'site_processes["x"]: {expected}')


@pytest.mark.parametrize(
    ("process", "expected"),
    [
        ({"preset": "celry"}, 'preset: there is no preset "celry"; did you mean celery?'),
        ({"preset": "arq"}, 'preset: there is no preset "arq"; did you mean rq?'),
        (
            {"preset": "taskiq"},
            'preset: there is no preset "taskiq"; the presets are celery, celery_beat, rq, rq_scheduler',
        ),
        ({"preset": ["rq"]}, 'preset: ["rq"] is not text; write it as text, in quotes'),
        (
            {"preset": "celery"},
            "application: is not set, and the preset celery needs it; set the module of Celery's application, as in "
            "application: shop",
        ),
        ({"preset": "celery_beat"}, "application: is not set, and the preset celery_beat needs it"),
        (
            {"preset": "celery", "application": "shop/celery.py"},
            'application: "shop/celery.py" is not the module of an application of Celery; write it as in shop or '
            "shop.celery:app",
        ),
        (
            {"preset": "django_q"},
            "concurrency: is not set, and the preset django_q needs it; set it to the number of workers in Q_CLUSTER "
            "of the settings, which alone decides",
        ),
        (
            {"preset": "django_tasks", "concurrency": 2},
            "concurrency: 2 has no effect with the preset django_tasks; set count: each worker has one task at a time",
        ),
        ({"preset": "rq", "threads": 2}, "threads: 2 has no effect with the preset rq; leave it out"),
        ({"preset": "rq", "application": "shop"}, 'application: "shop" has no effect with the preset rq; leave it out'),
        (
            {"preset": "celery_beat", "application": "shop", "queues": ["a"]},
            'queues: ["a"] has no effect with the preset celery_beat; leave it out',
        ),
        (
            {"preset": "celery_beat", "application": "shop", "concurrency": 2},
            "concurrency: 2 has no effect with the preset celery_beat; leave it out",
        ),
        (
            {"preset": "huey", "queues": ["a"]},
            'queues: ["a"] has no effect with the preset huey; leave it out: the queue is that of HUEY in the settings',
        ),
        (
            {"preset": "rq_scheduler", "queues": ["a"]},
            'queues: ["a"] has no effect with the preset rq_scheduler; set argum',
        ),
        ({"preset": "rq", "queues": "high"}, 'queues: "high" is not a list; write one, as in [high]'),
        ({"preset": "rq", "queues": ["a b"]}, 'queues: "a b" is not the name of a queue; write it as in default'),
        ({"preset": "rq", "queues": ["a,b"]}, 'queues: "a,b" is not the name of a queue'),
        ({"preset": "rq", "queues": ["--burst"]}, 'queues: "--burst" is not the name of a queue'),
        ({"preset": "rq", "queues": [3]}, "queues[0]: 3 is not text"),
        ({"preset": "rq", "count": 0}, "count: 0 is below 1; for no process, leave it out"),
        ({"preset": "rq", "count": 101}, "count: 101 is above 100"),
        ({"preset": "rq", "count": "two"}, 'count: "two" is not a whole number; write one, such as 4'),
        ({"preset": "rq", "count": 1.5}, "count: 1.5 is not a whole number"),
        ({"preset": "rq", "concurrency": 0}, "concurrency: 0 is below 1; set how many tasks a unit has at a time"),
        ({"preset": "rq", "drain": 0}, "drain: 0 is below 1; set for how many seconds it may finish what it has begun"),
        ({"preset": "rq", "drain": 86401}, "drain: 86401 is above 86400"),
        ({"preset": "rq", "startsecs": 0}, "startsecs: 0 is below 1"),
        ({"preset": "rq", "startsecs": 301}, "startsecs: 301 is above 300"),
        ({"preset": "rq", "memory_mb": 0}, "memory_mb: 0 is below 1; set the memory of one unit, in MB"),
        ({"preset": "rq", "memory_mb": "1G"}, 'memory_mb: "1G" is not a number; write one, such as 1'),
        ({"preset": "rq", "database_connections": -1}, "database_connections: -1 is below 0"),
        ({"preset": "rq", "single": 1}, "single: 1 is neither true nor false"),
        ({"command": "true", "single": True, "count": 2}, "count: 2 units of a process that is single; leave it out"),
        (
            {"preset": "celery_beat", "application": "shop", "count": 2},
            "count: 2 units of a process with the preset celery_beat, which is single; leave it out",
        ),
        ({"preset": "rq_scheduler", "count": 3}, "count: 3 units of a process with the preset rq_scheduler, which is"),
        ({"command": ["python", "a"]}, 'command: ["python", "a"] is not text; write it as text, in quotes'),
        (
            {"command": "echo 'a"},
            'command: "echo \'a" has an error in its quotes (No closing quotation); close each quote that is opened',
        ),
        ({"command": "  "}, f'command: " " names no program; {EITHER}'),
        ({"command": "'' a"}, f"command: \"'' a\" names no program; {EITHER}"),
        ({"command": "-u a"}, 'command: "-u a" begins with an option; begin with the program'),
        (
            {"command": "A=1 python a.py"},
            'command: "A=1 python a.py" begins with a variable, and no shell reads it; set site_environment',
        ),
        (
            {"command": "cd web && ./run"},
            'command: "cd web && ./run" has "&&", and no shell reads it; write a single command, or '
            "sh -c 'cd web && ./run'",
        ),
        ({"command": "a > b"}, 'command: "a > b" has ">", and no shell reads it'),
        (
            {"command": "true", "concurrency": 2},
            "concurrency: 2 has no effect on a command; write it in the command; if the plan should count it, set "
            "memory_mb and database_connections",
        ),
        ({"command": "true", "arguments": "-v"}, 'arguments: "-v" has no effect on a command'),
        ({"preset": "rq", "arguments": "--name 'a"}, 'arguments: "--name \'a" has an error in its quotes'),
        (
            {**CELERY, "arguments": "-B"},
            'arguments: -B in "-B" contradicts the preset; make it a process of its own, with pre',
        ),
        (
            {**CELERY, "arguments": "--beat -E"},
            'arguments: --beat in "--beat -E" contradicts the preset; make it a process',
        ),
        (
            {**CELERY, "arguments": "--concurrency=4"},
            'arguments: --concurrency in "--concurrency=4" contradicts the preset; set concurrency, which the '
            "plan counts",
        ),
        ({**CELERY, "arguments": "-c4"}, 'arguments: -c in "-c4" contradicts the preset; set concurrency'),
        (
            {**CELERY, "arguments": "--detach"},
            'arguments: --detach in "--detach" contradicts the preset; leave it out: syst',
        ),
        (
            {**CELERY, "arguments": "-n a@b"},
            'arguments: -n in "-n a@b" contradicts the preset; leave it out: each slot has',
        ),
        (
            {"preset": "rq", "arguments": "--burst"},
            'arguments: --burst in "--burst" contradicts the preset; leave it out:',
        ),
        (
            {"preset": "rq", "concurrency": 2, "arguments": "--with-scheduler"},
            'arguments: --with-scheduler in "--with-scheduler" is not an option of a pool, and concurrency is 2; set '
            "count instead of concurrency",
        ),
        ({"preset": "huey", "arguments": "-w 4"}, 'arguments: -w in "-w 4" contradicts the preset; set concurrency'),
        (
            {"preset": "dramatiq", "arguments": "--worker-shutdown-timeout 5"},
            'arguments: --worker-shutdown-timeout in "--worker-shutdown-timeout 5" contradicts the preset; set drain, '
            "in seconds",
        ),
    ],
)
def test_a_part_of_a_process(process: dict[str, Any], expected: str) -> None:
    (sentence,) = complaints(x=process)
    assert sentence.startswith(f'site_processes["x"].{expected}')


@pytest.mark.parametrize("name", ["Rq", "2nd", "a-b", "a b", "", "_a", "a" * 32, "é", 3])
def test_a_name_that_names_no_unit(name: Any) -> None:
    (sentence,) = [str(found) for found in check_relations({"site_processes": {name: {"command": "true"}}})]
    assert sentence.endswith(
        "cannot name a unit; begin with a lower-case letter and use at most 31 lower-case letters, digits and _"
    )


@pytest.mark.parametrize("name", ["boot", "liveness", "waiting"])
def test_a_name_that_the_site_has_already(name: str) -> None:
    assert complaints(**{name: {"command": "true"}}) == [
        f'site_processes: "{name}" is the name of a unit that the site has anyway; rename it'
    ]


def test_a_name_of_a_process_and_a_schedule() -> None:
    values = {"site_processes": {"mail": {}, "beat": {}}, "site_schedules": {"mail": {}, "clean": {}}}
    assert [str(found) for found in check_unit_names(values)] == [
        'site_processes, site_schedules: both have "mail"; rename one of them'
    ]


def test_a_unit_with_the_name_of_another_site() -> None:
    """Also the second unit of a process has a name."""
    processes = {"rq": {"preset": "rq", "count": 2}, "beat": {"command": "true"}}
    found = [str(one) for one in check_prefixes("shop", processes, ["shop-beat", "shop-rq-2", "shop-rq-3"])]
    assert found == [
        'site_processes["rq"]: its unit would have the name of the site shop-rq-2, which is on this host; rename '
        "the process",
        'site_processes["beat"]: its unit would have the name of the site shop-beat, which is on this host; rename the '
        "process",
    ]


def test_processes_are_no_input_of_the_plan_alone() -> None:
    found = check_relations({"site_plan_inputs": {"processes": {"rq": {}}}})
    assert [str(one) for one in found] == [
        "site_plan_inputs: processes is not only for the plan; set site_processes instead"
    ]


def test_all_at_once_in_a_whole_site() -> None:
    found = of_a_whole_site(
        site_processes={"Worker": {"preset": "celery", "count": 0}, "b": {"command": "a 'b"}},
        site_processes_cpu_share=0.95,
        site_plan_inputs={"processes_cpu_share": 0.5},
    )
    assert [sentence.partition(":")[0] for sentence in found] == [
        "site_processes",
        'site_processes["Worker"].count',
        'site_processes["Worker"].application',
        'site_processes["b"].command',
        "site_processes_cpu_share",
        "site_plan_inputs",
    ]
    assert "expected a number from 0.01 to 0.9, got 0.95" in found[4]
    assert found[5].endswith("set site_processes_cpu_share instead")


def test_secrets_in_commands() -> None:
    """They would be in unit files and in the list of processes; they are named, and not shown."""
    values = {
        "site_processes": {
            "bot": {"command": "python manage.py bot --token=hunter2-hunter2 --channel shop"},
            "worker": {**CELERY, "arguments": "--broker redis://:s3cret-word@db/0"},
        },
        "site_schedules": {"report": {"command": "report hunter2-hunter2", "calendar": "daily"}},
        "site_command": "manage.py bot --once --token hunter2-hunter2",
        "site_secrets": {"BOT_TOKEN": "hunter2-hunter2", "SHORT": "shop", "NUMBER": 12345678},
        "site_secret_settings": {"BROKER": "redis://:s3cret-word@db/0", "DATABASES": {"default": {}}},
    }
    rest = "and every user of the host can read commands; leave it out, and have the command read it from its "
    rest += "environment or from the settings"
    assert [str(complaint) for complaint in check_relations(values)] == [
        f'site_processes["bot"].command: has the value of BOT_TOKEN in site_secrets, {rest}',
        f'site_processes["worker"].arguments: has the value of BROKER in site_secret_settings, {rest}',
        f'site_schedules["report"].command: has the value of BOT_TOKEN in site_secrets, {rest}',
        f"site_command: has the value of BOT_TOKEN in site_secrets, {rest}",
    ]
