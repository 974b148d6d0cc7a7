"""Which processes and schedules are proposed beside a site's web processes."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.findings import Finding
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.inspection import Inspection
from ansible_collections.pitcrew.django.plugins.plugin_utils.project.proposal import Proposal
from inspected import PROJECT, inspect, of, proposed, with_settings

CELERY = "from celery import Celery\napp = Celery('shop')\n"
LOOP = "import time\nclass Command:\n    def handle(self):\n        while True:\n            time.sleep(1)\n"
JOB = "class Command:\n    def handle(self):\n        while True:\n            if not work():\n                break\n"
COMMANDS = "shop/management/commands"


def processes(files: dict[str, Any]) -> Any:
    return proposed(inspect(files)).get("site_processes")


def schedules(files: dict[str, Any]) -> Any:
    return proposed(inspect(files)).get("site_schedules")


def questions(inspection: Inspection) -> list[Finding]:
    return [one for one in inspection.findings if one.commented and one.certainty == "question"]


def commented(files: dict[str, Any]) -> dict[str, Any]:
    return {name: one.value[name] for one in questions(inspect(files)) for name in one.value}


# Products


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("celery -A shop worker", {"worker": {"preset": "celery", "application": "shop"}}),
        (
            "celery --app=shop.tasks:app worker -l info -Q high,low -c4 --without-gossip -n w@%h",
            {
                "worker": {
                    "preset": "celery",
                    "application": "shop.tasks",
                    "queues": ["high", "low"],
                    "concurrency": 4,
                    "arguments": "--without-gossip",
                }
            },
        ),
        (
            "celery -A shop worker -B --concurrency $WORKERS",
            {
                "worker": {"preset": "celery", "application": "shop"},
                "beat": {"preset": "celery_beat", "application": "shop"},
            },
        ),
        (
            "celery -A shop beat -s /tmp/schedule -S shop.beat:Own",
            {"beat": {"preset": "celery_beat", "application": "shop", "arguments": "-S shop.beat:Own"}},
        ),
        ("python manage.py rqworker", {"rq": {"preset": "rq"}}),
        (
            "python manage.py rqworker high default --with-scheduler --job-class a.B",
            {
                "rq": {"preset": "rq", "queues": ["high", "default"], "arguments": "--with-scheduler --job-class a.B"},
            },
        ),
        ("rq worker mail", {"rq": {"preset": "rq", "queues": ["mail"]}}),
        ("rqscheduler --interval 5", {"rq_scheduler": {"preset": "rq_scheduler"}}),
        (
            "./manage.py run_huey -w 4 -k process",
            {"huey": {"preset": "huey", "concurrency": 4, "arguments": "-k process"}},
        ),
        (
            "./manage.py rundramatiq -p 2 --threads 8 -Q default mail --verbosity 1",
            {"dramatiq": {"preset": "dramatiq", "queues": ["default", "mail"], "concurrency": 2, "threads": 8}},
        ),
        (
            "./manage.py procrastinate worker -q mail,default -c 10",
            {"procrastinate": {"preset": "procrastinate", "queues": ["mail", "default"], "concurrency": 10}},
        ),
        (
            "./manage.py qcluster",
            {"django_q": {"preset": "django_q", "concurrency": "<fill in: the number of workers in Q_CLUSTER>"}},
        ),
        (
            "./manage.py qcluster --name mail",
            {"django_q": {"command": "env Q_CLUSTER_NAME=mail python manage.py qcluster"}},
        ),
        ("./manage.py db_worker --queue-name a,b", {"tasks": {"preset": "django_tasks", "queues": ["a", "b"]}}),
    ],
)
def test_workers_of_products(text: str, expected: dict[str, Any]) -> None:
    assert processes({"Procfile": f"web: gunicorn shop.wsgi\nrelease: ./manage.py migrate\nx: {text}\n"}) == expected


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "INSTALLED_APPS += ['django_q']\nQ_CLUSTER = {'workers': 4}\n",
            {"django_q": {"preset": "django_q", "concurrency": 4}},
        ),
        ("INSTALLED_APPS += ['django_rq']\n", {"rq": {"preset": "rq"}}),
        ("INSTALLED_APPS += ['django_rq']\nRQ_QUEUES = {'default': {}}\n", {"rq": {"preset": "rq"}}),
        (
            "INSTALLED_APPS += ['django_rq']\nRQ_QUEUES = {'high': {}, 'default': {'URL': secret()}}\n",
            {"rq": {"preset": "rq", "queues": ["high", "default"]}},
        ),
        ("INSTALLED_APPS += ['huey.contrib.djhuey']\n", {"huey": {"preset": "huey"}}),
        (
            "INSTALLED_APPS += ['huey.contrib.djhuey']\n"
            "HUEY = {'consumer': {'workers': 2, 'worker_type': 'greenlet'}}\n",
            {"huey": {"preset": "huey", "concurrency": 2, "arguments": "-k greenlet"}},
        ),
        ("INSTALLED_APPS += ['django_dramatiq']\n", {"dramatiq": {"preset": "dramatiq"}}),
        ("INSTALLED_APPS += ['procrastinate.contrib.django']\n", {"procrastinate": {"preset": "procrastinate"}}),
        ("INSTALLED_APPS += ['django_tasks_db']\n", {"tasks": {"preset": "django_tasks"}}),
        (
            "INSTALLED_APPS += ['django_tasks', 'django_tasks_db']\n"
            "TASKS = {'default': {'BACKEND': 'django_tasks_db.DatabaseBackend', 'QUEUES': ['default', 'mail']}}\n",
            {"tasks": {"preset": "django_tasks", "queues": ["default", "mail"]}},
        ),
        (
            "TASKS = {'default': {'BACKEND': 'django_tasks_rq.RQBackend'}}\n",
            {"tasks": {"preset": "django_tasks_rq"}},
        ),
        (
            "INSTALLED_APPS += ['django_tasks_db']\n"
            "TASKS = {'default': {'BACKEND': 'django.tasks.backends.immediate.ImmediateBackend'}}\n",
            None,
        ),
        ("INSTALLED_APPS += ['background_task']\n", {"process_tasks": {"command": "python manage.py process_tasks"}}),
    ],
)
def test_workers_of_installed_apps(settings: str, expected: Any) -> None:
    assert proposed(with_settings(settings)).get("site_processes") == expected


# Celery


def test_celery_without_a_file_that_starts_it() -> None:
    inspection = inspect({"shop/celery.py": CELERY})
    assert proposed(inspection)["site_processes"] == {"worker": {"preset": "celery", "application": "shop"}}
    (finding,) = [one for one in inspection.findings if one.variable == "site_processes"]
    assert str(finding) == (
        "the source has an application of Celery, whose tasks need a worker (shop/celery.py, line 2)"
    )


@pytest.mark.parametrize(
    ("file", "application"),
    [("shop/celeryconf.py", "shop.celeryconf"), ("shop/__init__.py", "shop"), ("worker.py", "worker")],
)
def test_the_module_of_celery(file: str, application: str) -> None:
    assert processes({file: CELERY})["worker"]["application"] == application


def test_a_celery_below_a_directory() -> None:
    moved = {name: None for name in PROJECT if name.startswith(("shop/", "manage"))}
    files = {**moved, **{f"web/{name}": PROJECT[name] for name in moved}, "web/shop/celery.py": CELERY}
    assert processes(files) == {"worker": {"preset": "celery", "application": "shop"}}


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ("CELERY_BEAT_SCHEDULE = {'a': {}, 'b': {}}\n", "CELERY_BEAT_SCHEDULE has 2 tasks (shop/settings.py, line 14)"),
        ("CELERYBEAT_SCHEDULE = made()\n", "CELERYBEAT_SCHEDULE has a schedule (shop/settings.py, line 14)"),
    ],
)
def test_a_schedule_of_celery(settings: str, reason: str) -> None:
    inspection = with_settings(settings, **{"shop/celery.py": CELERY})
    assert proposed(inspection)["site_processes"]["beat"] == {"preset": "celery_beat", "application": "shop"}
    assert reason in [str(one) for one in inspection.findings]


def test_no_schedule_of_celery() -> None:
    inspection = with_settings("CELERY_BEAT_SCHEDULE = {}\n", **{"shop/celery.py": CELERY})
    assert list(proposed(inspection)["site_processes"]) == ["worker"]


def test_tasks_that_schedule_themselves() -> None:
    files = {"shop/celery.py": CELERY, "shop/tasks.py": "def setup(sender):\n    sender.add_periodic_task(60, x.s())\n"}
    assert list(processes(files)) == ["worker", "beat"]


@pytest.mark.parametrize(
    ("more", "arguments"),
    [
        ({}, "--scheduler django_celery_beat.schedulers:DatabaseScheduler"),
        (
            {"shop/beat.py": "from django_celery_beat.schedulers import DatabaseScheduler as Base\n\n"
             "class OwnScheduler(BaseDatabaseScheduler):\n    pass\n"},
            "--scheduler shop.beat:OwnScheduler",
        ),
    ],
)  # fmt: skip
def test_a_schedule_in_the_database(more: dict[str, str], arguments: str) -> None:
    files = {"shop/celery.py": CELERY, **more}
    inspection = with_settings("INSTALLED_APPS += ['django_celery_beat']\n", **files)
    assert proposed(inspection)["site_processes"]["beat"]["arguments"] == arguments
    told = "CELERY_BEAT_SCHEDULER = 'a:B'\nINSTALLED_APPS += ['django_celery_beat']\n"
    assert "arguments" not in proposed(with_settings(told, **files))["site_processes"]["beat"]


def test_queues_that_only_routes_name() -> None:
    routes = "CELERY_TASK_ROUTES = {'shop.tasks.mail': {'queue': 'mail'}, 'shop.tasks.*': {'queue': 'slow'}}\n"
    found = proposed(with_settings(routes, **{"shop/celery.py": CELERY}))["site_processes"]
    assert found["worker"]["queues"] == ["celery", "mail", "slow"]
    all_of_them = f"{routes}CELERY_TASK_QUEUES = made()\n"
    found = proposed(with_settings(all_of_them, **{"shop/celery.py": CELERY}))["site_processes"]
    assert "queues" not in found["worker"]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (
            "CELERY_TASK_ALWAYS_EAGER = True\n",
            "CELERY_TASK_ALWAYS_EAGER is True, so tasks run within requests; set it to False in site_settings",
        ),
        (
            "CELERY_ALWAYS_EAGER = os.environ.get('EAGER', 'True') != 'False'\n",
            "CELERY_ALWAYS_EAGER is True, so tasks run within requests; set EAGER in site_environment, then use this",
        ),
        ("CELERY_ENABLED = False\n", "CELERY_ENABLED is False; set it to True in site_settings, then use this"),
        (
            "OPTIONS = {'celery': os.getenv('USE_CELERY', 'no')}\n",
            "USE_CELERY is off by default; set it in site_environment, then use this",
        ),
    ],
)
def test_celery_that_is_switched_off(settings: str, reason: str) -> None:
    inspection = with_settings(settings, **{"shop/celery.py": CELERY})
    assert "site_processes" not in proposed(inspection)
    (finding,) = questions(inspection)
    assert str(finding).startswith(reason)
    assert finding.value == {"worker": {"preset": "celery", "application": "shop"}}


def test_a_worker_whose_application_nobody_names() -> None:
    found = commented({"Procfile": "worker: celery worker\n"})
    assert found == {"worker": {"preset": "celery"}}


# Files that start programs


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"docker-compose.yml": "services:\n  tasks:\n    command: python manage.py alerts\n    restart: always\n"},
            {"alerts": {"command": "python manage.py alerts"}},
        ),
        (
            {"compose.yaml": "services:\n  beat:\n    command: [celery, -A, shop, beat]\n  x:\n    command: true\n"},
            {"beat": {"preset": "celery_beat", "application": "shop"}},
        ),
        (
            {"deploy/queue.service": "[Service]\nRestart=always\nExecStart=/srv/env/bin/celery -A shop \\\n  worker\n"},
            {"worker": {"preset": "celery", "application": "shop"}},
        ),
        (
            {"docker/uwsgi.ini": "attach-daemon = ./manage.py sendalerts --skip-checks\n"},
            {"sendalerts": {"command": "python manage.py sendalerts --skip-checks"}},
        ),
        (
            {"supervisor.conf": "[program:bot]\ncommand=python manage.py run-bot\n"},
            {"run_bot": {"command": "python manage.py run-bot"}},
        ),
        (
            {"start-worker": "#!/bin/bash\nset -e\nexec celery \\\n  --app shop worker \\\n  -l INFO\n"},
            {"worker": {"preset": "celery", "application": "shop"}},
        ),
        (
            {"fly.toml": "[processes]\napp = 'gunicorn shop.wsgi'\nworker = 'python manage.py db_worker'\n"},
            {"tasks": {"preset": "django_tasks"}},
        ),
        (
            {"heroku.yml": "run:\n  web: gunicorn shop.wsgi\n  bot: python manage.py bot\n"},
            {"bot": {"command": "python manage.py bot"}},
        ),
        (
            {"render.yaml": "services:\n- type: worker\n  name: x\n  startCommand: python manage.py run_huey\n"},
            {"huey": {"preset": "huey"}},
        ),
        (
            {"Procfile": "bot: python bots/chat.py --all\n", "bots/chat.py": ""},
            {"bot": {"command": "python bots/chat.py --all"}},
        ),
        (
            {"Procfile": "bot: python -m shop.bot\n", "shop/bot.py": ""},
            {"bot": {"command": "python -m shop.bot"}},
        ),
        # What serves the site, what a deploy runs itself, and what is for development.
        ({"Procfile": "web2: gunicorn shop.wsgi\nx: uvicorn shop.asgi:application\n"}, None),
        ({"supervisor.conf": "[program:a]\ncommand=python manage.py runserver\n"}, None),
        ({"Procfile": "x: python manage.py migrate\n"}, None),
        ({"docker-compose.dev.yml": "services:\n  x:\n    command: celery -A shop worker\n"}, None),
        ({"compose/local/worker": "#!/bin/sh\ncelery -A shop worker\n"}, None),
        ({"docker-compose.yml": "services:\n  redis:\n    image: redis\n    command: redis-server --save ''\n"}, None),
        ({"docker-compose.yml": "services: [\n"}, None),
        ({"deploy/once.service": "[Service]\nType=oneshot\nExecStart=/srv/manage.py clean\n"}, None),
        ({"deploy/shop.service.j2": "[Service]\nRestart=always\nExecStart={{ venv }}/bin/python x\n"}, None),
    ],
)
def test_programs_of_files(files: dict[str, Any], expected: Any) -> None:
    assert processes(files) == expected


def test_the_same_process_is_proposed_once() -> None:
    files = {
        "shop/celery.py": CELERY,
        "Procfile": "worker: celery -A shop worker -l info\nalerts: ./manage.py alerts\n",
        "docker-compose.yml": (
            "services:\n  worker:\n    command: celery -A shop worker -c 2\n"
            "  alerts:\n    command: python manage.py alerts\n    restart: always\n"
        ),
    }
    assert processes(files) == {
        "worker": {"preset": "celery", "application": "shop"},
        "alerts": {"command": "python manage.py alerts"},
    }


def test_several_workers_of_one_product() -> None:
    text = "worker: celery -A shop worker -Q celery\nmail-worker: celery -A shop worker -Q mail\n"
    assert processes({"Procfile": text}) == {
        "worker": {"preset": "celery", "application": "shop", "queues": ["celery"]},
        "mail_worker": {"preset": "celery", "application": "shop", "queues": ["mail"]},
    }


def test_names_are_those_of_processes() -> None:
    files = {"Procfile": "boot: python manage.py boot\n2nd: python manage.py 2nd-Job\n", "shop/celery.py": CELERY}
    assert list(processes(files)) == ["worker", "boot_2", "nd_job"]


# What cannot be known


def test_a_service_that_may_be_a_job() -> None:
    compose = "services:\n  tasks:\n    command: python manage.py {name}\n"
    files = {"docker-compose.yml": compose.format(name="crunch"), f"{COMMANDS}/crunch.py": JOB}
    assert processes(files) is None
    assert commented(files) == {"crunch": {"command": "python manage.py crunch"}}
    loops = {"docker-compose.yml": compose.format(name="watch"), f"{COMMANDS}/watch.py": LOOP}
    assert processes(loops) == {"watch": {"command": "python manage.py watch"}}


def test_a_command_with_a_setting_of_its_own() -> None:
    text = (
        "if-env = SMTPD_PORT\nattach-daemon = ./manage.py smtpd --port %(_)\nendif =\nattach-daemon = ./manage.py a\n"
    )
    inspection = inspect({"docker/uwsgi.ini": text})
    assert proposed(inspection)["site_processes"] == {"a": {"command": "python manage.py a"}}
    (finding,) = questions(inspection)
    assert finding.value == {"smtpd": {"command": "python manage.py smtpd --port '<fill in: SMTPD_PORT>'"}}
    assert str(finding) == (
        "uwsgi.ini starts it, only with a setting of its own; is it wanted? (docker/uwsgi.ini, line 2)"
    )


def test_a_command_that_no_file_starts() -> None:
    files = {f"{COMMANDS}/consume.py": LOOP, f"{COMMANDS}/clean.py": JOB, "tests/management/commands/x.py": LOOP}
    assert processes(files) is None
    assert commented(files) == {"consume": {"command": "python manage.py consume"}}


def test_what_is_not_a_program_of_the_site() -> None:
    inspection = inspect({"Procfile": "scss: make watch\n", "crontab": "0 0 * * * root /usr/local/bin/backup.sh\n"})
    assert of(inspection, "process") == [
        "make watch: Procfile starts it as 'scss', but it is no program of the site (Procfile, line 1)",
        "backup.sh: crontab runs it, but it is no program of the site (crontab, line 1)",
    ]


# Schedules


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"deploy/crontab": "# m h\n*/5 * * * * cd /srv && ./manage.py clearsessions >> /tmp/log 2>&1\n"},
            {"clearsessions": {"command": "python manage.py clearsessions", "calendar": "*-*-* *:00/5:00"}},
        ),
        (
            {"etc/cron.txt": "CRON_TZ=Europe/Berlin\n@daily shop /srv/bin/python /srv/manage.py send-mails --all\n"},
            {"send_mails": {"command": "python manage.py send-mails --all", "calendar": "daily Europe/Berlin"}},
        ),
        (
            {"crontab": "0 5 * * * shop /srv/wrapper email-reminders -v 0\n", f"{COMMANDS}/email-reminders.py": ""},
            {
                "email_reminders": {
                    "command": "python manage.py email-reminders -v 0",
                    "calendar": "*-*-* 05:00:00",
                }
            },
        ),
        (
            {
                "deploy/clean.service": "[Service]\nType=oneshot\nExecStart=/srv/venv/bin/python manage.py clean\n",
                "deploy/clean.timer": "[Timer]\nOnCalendar=Mon..Fri 04:00\n",
            },
            {"clean": {"command": "python manage.py clean", "calendar": "Mon..Fri 04:00"}},
        ),
        (
            {"uwsgi.ini": "cron = 59 2 -1 -1 -1 python manage.py clean\n"},
            {"clean": {"command": "python manage.py clean", "calendar": "*-*-* 02:59:00"}},
        ),
        (
            {"app.json": '{"cron": [{"command": "python manage.py clean", "schedule": "@hourly"}]}'},
            {"clean": {"command": "python manage.py clean", "calendar": "hourly"}},
        ),
        (
            {
                "render.yaml": "services:\n- {type: cron, name: x, schedule: '0 3 * * *', "
                "startCommand: python manage.py clean}\n"
            },
            {"clean": {"command": "python manage.py clean", "calendar": "*-*-* 03:00:00 UTC"}},
        ),
        ({"crontab": "# 0 5 * * * ./manage.py clean\n"}, None),
    ],
)
def test_schedules(files: dict[str, Any], expected: Any) -> None:
    assert schedules(files) == expected


@pytest.mark.parametrize(
    ("line", "question"),
    [
        (
            "@reboot ./manage.py clean",
            "when does 'python manage.py clean' run? crontab runs it, but @reboot is not a time",
        ),
        (
            "0 1 * * * ./manage.py clean && ./manage.py report",
            "crontab runs it in one line with others, as './manage.py clean && ./manage.py report'; write a command of "
            "manage.py that does all of it",
        ),
    ],
)
def test_schedules_that_are_questions(line: str, question: str) -> None:
    inspection = inspect({"crontab": f"{line}\n"})
    assert "site_schedules" not in proposed(inspection)
    assert [str(one) for one in inspection.questions] == [f"{question} (crontab, line 1)"]


def test_no_name_that_a_deploy_refuses() -> None:
    """Units of the site have it already: the job gets another one."""
    text = "CRONJOBS = [('0 * * * *', 'shop.jobs.run'), ('5 * * * *', 'shop.jobs.build')]\n"
    assert list(proposed(with_settings(text))["site_schedules"]) == ["run_2", "build_2"]


def test_jobs_of_django_crontab() -> None:
    text = (
        "CRONJOBS = [('*/5 * * * *', 'shop.cron.tick', ['a'], {'loud': True}, '>> /tmp/log'),\n"
        "('0 4 * * *', 'django.core.management.call_command', ['clearsessions']), ('0 0 1 * 1', 'shop.cron.odd')]\n"
    )
    inspection = with_settings(text)
    assert proposed(inspection)["site_schedules"] == {
        "tick": {
            "command": "python manage.py shell -c 'from shop.cron import tick; tick('\"'\"'a'\"'\"', loud=True)'",
            "calendar": "*-*-* *:00/5:00",
        },
        "clearsessions": {"command": "python manage.py clearsessions", "calendar": "*-*-* 04:00:00"},
    }
    (question,) = inspection.questions
    assert str(question).startswith("when does shop.cron.odd run? CRONJOBS has it, but it runs on days 1 of the month")


def test_django_cron() -> None:
    found = proposed(with_settings("INSTALLED_APPS += ['django_cron']\n"))["site_schedules"]
    assert found == {"runcrons": {"command": "python manage.py runcrons", "calendar": "*:0/5"}}


# The inventory


def test_how_it_looks() -> None:
    files = {
        "docker/uwsgi.ini": "attach-daemon = ./manage.py a\nif-env = X\nattach-daemon = ./manage.py smtpd --port %(_)\n"
        "endif =\n",
        "shop/celery.py": CELERY,
    }
    inspection = with_settings("CELERY_ENABLED = False\n", **files)
    proposal = Proposal(inspection, (("site_source_directory", "."),), "shop")
    text = proposal.inventory()
    assert (
        text[text.index("    site_processes:") :]
        == """\
    site_processes:
      # Not found out: CELERY_ENABLED is False; set it to True in site_settings,
      # then use this. The source has an application of Celery, whose tasks need
      # a worker (shop/celery.py, line 2).
      # worker: {preset: celery, application: shop}
      # uwsgi.ini starts it (docker/uwsgi.ini, line 1).
      a: {command: python manage.py a}
      # Not found out: uwsgi.ini starts it, only with a setting of its own; is
      # it wanted? (docker/uwsgi.ini, line 3).
      # smtpd: {command: 'python manage.py smtpd --port ''<fill in: X>'''}
"""
    )
    assert "1 to fill in, 2 questions left" in " ".join(proposal.summary().split())


def test_nothing_but_comments_is_a_comment() -> None:
    inspection = with_settings("CELERY_ENABLED = False\n", **{"shop/celery.py": CELERY})
    text = Proposal(inspection, (("site_source_directory", "."),), "shop").inventory()
    assert "    # site_processes:\n" in text
    assert "site_processes" not in yaml.safe_load(text)["django"]["vars"]


def test_processes_of_the_user_stand_alone() -> None:
    inspection = inspect({"shop/celery.py": CELERY}, site_processes={"mine": {"preset": "celery"}})
    proposal = Proposal(inspection, (("site_source_directory", "."),), "shop", frozenset({"site_processes"}))
    assert "site_processes" not in proposal.inventory()
