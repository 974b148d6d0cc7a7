"""What of a play reaches its validation, with Ansible itself: values, names, hosts, and how complaints are printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[4]

SITE = {
    "site_name": "shop",
    "site_domains": ["shop.example.com"],
    "site_settings_module": "shop.settings",
    "site_source_directory": "/srv/source",
}
FACTS = {
    "pitcrew_capacity": {"cpus": 2, "memory_mb": 4096, "somaxconn": 4096},
    "pitcrew_site": {"home": None, "absent": []},
}
# Brings the variables of the roles, and does nothing.
ROLE: dict[str, Any] = {
    "name": "Have the roles' variables",
    "ansible.builtin.import_role": {"name": "pitcrew.django.nginx"},
    "when": False,
}
MONITORING = {"name": "pitcrew.django.monitoring", "tasks_from": "validate"}
VALIDATE: dict[str, Any] = {"name": "Validate", "pitcrew.django.site_inputs": {}}
PLAN: dict[str, Any] = {
    "name": "Plan",
    "pitcrew.django.site_inputs": {"facts": FACTS, "server": "gunicorn", "home": "/var/lib/shop", "hosts": 2},
}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a play of a few tasks over two hosts; files are of YAML, by their path."""
    collection = tmp_path / "collections/ansible_collections/pitcrew/django"
    collection.parent.mkdir(parents=True)
    collection.symlink_to(ROOT)

    def ran(
        tasks: list[dict[str, Any]], *options: str, files: dict[str, Any] | None = None, **play: Any
    ) -> subprocess.CompletedProcess[str]:
        hosts = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
        written = {
            # Collected refusals are whole in the result; others are printed, folded.
            "hosts.yml": {
                "django": {
                    "hosts": {"web1": hosts, "web2": hosts},
                    "vars": {**SITE, "__site_collects_refusals": True},
                }
            },
            "play.yml": [{"hosts": "all", "gather_facts": False, "tasks": tasks, **play}],
            **(files or {}),
        }
        for name, content in written.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return subprocess.run(
            [sys.executable, "-m", "ansible", "playbook", "--inventory=hosts.yml", "play.yml", *options],
            cwd=tmp_path,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(tmp_path),
                "LC_ALL": "C.UTF-8",
                "ANSIBLE_HOME": str(tmp_path / "home"),
                "ANSIBLE_COLLECTIONS_PATH": str(tmp_path / "collections"),
            },
            capture_output=True,
            text=True,
            check=False,
        )

    return ran


def refusal(done: subprocess.CompletedProcess[str], host: str = "web1") -> list[str]:
    """Give the lines that a host was refused with."""
    assert done.returncode == 2, done.stdout + done.stderr
    [found] = re.findall(rf"^fatal: \[{host}\]: FAILED! => (\{{.*\}})$", done.stdout, re.MULTILINE)
    message: str = json.loads(found)["msg"]
    return message.removeprefix("Task failed: ").splitlines()


def test_names_are_those_that_a_user_has_set(run: Run) -> None:
    """Wherever that is; neither what the roles themselves bring, nor what tasks have found out."""
    done = run(
        [
            {"name": "Set", "ansible.builtin.set_fact": {"site_workerz": 1, "site_plan": {}}},
            {"name": "Ask", "ansible.builtin.command": "true", "register": "site_domainz"},
            ROLE,
            {**VALIDATE, "vars": {"site_relase": "x"}},
        ],
        '--extra-vars={"site_worker": 3}',
        files={
            "group_vars/django.yml": {"site_heath_path": "/"},
            "host_vars/web1.yml": {"uwsgi_setting": {}},
            "more.yml": {"nginx_extra_directive": ""},
        },
        vars={"site_user": "deploy", "gunicorn_verson": "1"},
        vars_files=["more.yml"],
    )
    names = [line.partition(":")[0] for line in refusal(done)]
    assert names == [
        "gunicorn_verson",
        "nginx_extra_directive",
        "site_heath_path",
        "site_relase",
        "site_user",
        "site_worker",
        "uwsgi_setting",
    ]
    assert "uwsgi_setting" not in "".join(refusal(done, "web2"))


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "imported"])
def test_another_role_of_the_play_has_the_name_of_a_computed_variable(run: Run, listed: bool) -> None:
    """Its value would be ours, in that role too; what else the role sets is its own affair."""
    files = {
        "roles/intranet/defaults/main.yml": {"site_root": "/srv/intranet", "site_motto": "fast"},
        "roles/intranet/vars/main.yml": {"site_state": "/var/intranet", "site_workerz": 3},
    }
    role = {"name": "Intranet", "ansible.builtin.import_role": {"name": "intranet"}}
    tasks = [ROLE, VALIDATE] if listed else [ROLE, role, VALIDATE]
    done = run(tasks, files=files, **({"roles": ["intranet"]} if listed else {}))
    assert [line.partition("; ")[::2] for line in refusal(done)] == [
        (
            "site_root: cannot be set: a site is in /srv, in a directory with its name",
            "set site_name, or rename it if it is a variable of your own",
        ),
        (
            "site_state: cannot be set: a site writes to /var/lib, to a directory with its name",
            "set site_name, or rename it if it is a variable of your own",
        ),
    ]
    assert "site_motto" not in done.stdout + done.stderr


def test_unknown_names_are_warned_of_once(run: Run) -> None:
    done = run([ROLE, VALIDATE], "--extra-vars=site_motto=fast site_name=Shop")
    assert (done.stdout + done.stderr).count("[WARNING]: site_motto: pitcrew.django has no such variable.") == 1
    done = run(
        VALIDATE, '--extra-vars={"site_motto": "fast", "site_name": "Shop", "site_custom_variables": ["site_motto"]}'
    )
    assert "has no such variable" not in done.stdout + done.stderr


def test_values_are_evaluated_each_by_itself(run: Run) -> None:
    """What cannot be evaluated is a complaint of its variable, and all the others are reported too."""
    done = run(
        [ROLE, VALIDATE],
        files={"group_vars/all.yml": {"site_git_ref": "{{ branch }}", "word": "fast"}},
        vars={"site_domains": ["{{ word }} food"], "site_secrets": "hunter2", "site_health_path": None},
    )
    assert refusal(done) == [
        'site_domains: "fast food" is not a host name; write it as in shop.example.com or *.example.com, without '
        "scheme, port, path or white space",
        "site_git_ref: cannot be evaluated: 'branch' is undefined; correct the template, or define what it needs",
        "site_secrets: the value (not shown) is not a mapping; write one, as in {NAME: value}",
        'site_health_path: null is not allowed; leave it out for its default, "/"',
    ]
    assert "hunter2" not in done.stdout + done.stderr


def test_what_is_encrypted_is_judged_too(run: Run, tmp_path: Path) -> None:
    (tmp_path / "password").write_text("correct horse")
    encrypted = subprocess.run(
        [sys.executable, "-m", "ansible", "vault", "encrypt_string", "--vault-password-file=password", "two\nlines"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    done = run(
        [ROLE, VALIDATE],
        "--vault-password-file=password",
        files={"group_vars/all.yml": f"site_health_path: {encrypted}\n"},
    )
    assert refusal(done) == [
        r'site_health_path: "two\nlines" is not a path on the site; write it as in /healthz/',
    ]


def test_hosts_are_compared_once(run: Run) -> None:
    """By the first of the play."""
    done = run([ROLE, VALIDATE], files={"host_vars/web2.yml": {"site_git_ref": "{{ 'ne' ~ 'xt' }}"}})
    (sentence,) = refusal(done)
    assert sentence.startswith('site_git_ref: is "" on web1 and "next" on web2, but the hosts of a play get one source')
    assert "fatal: [web2]" not in done.stdout


def test_a_plan_comes_back(run: Run) -> None:
    """With the numbers of a command line, which are texts; both hosts share the database."""
    tell = {"name": "Tell", "ansible.builtin.debug": {"msg": "{{ found.plan.workers }} x {{ found.plan.inputs }}"}}
    done = run([ROLE, {**PLAN, "register": "found"}, tell], "--extra-vars=site_workers=3 site_threads=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 x {" in done.stdout
    assert "'db_hosts': 2" in done.stdout


def test_what_the_host_refuses(run: Run) -> None:
    taken = {**FACTS, "pitcrew_site": {"home": "/home/shop", "absent": []}}
    arguments = {**PLAN["pitcrew.django.site_inputs"], "facts": taken}
    done = run([ROLE, {**PLAN, "pitcrew.django.site_inputs": arguments}], "--extra-vars=site_workers=4000")
    first, second = refusal(done)
    assert first.startswith('site_name: "shop" is already an account on this host')
    assert second.startswith("site_workers: (4096 MB - 410 MB reserve) = 3686 MB cannot hold")


def test_a_host_without_a_site(run: Run) -> None:
    """Only the variables of the roles that are named count, wherever they come from."""
    done = run(
        [
            {"name": "Have its variables", "ansible.builtin.import_role": MONITORING, "when": False},
            {
                "name": "Validate",
                "pitcrew.django.site_inputs": {"roles": ["monitoring"], "required": ["monitoring_password"]},
            },
        ],
        "--extra-vars=monitoring_intervall=5 site_name=",
        files={"host_vars/web2.yml": {"monitoring_password": "0123456789abcdef", "monitoring_port": 0}},
    )
    names = [line.partition(":")[0] for line in refusal(done)]
    assert names == ["monitoring_password", "monitoring_intervall"]
    names = [line.partition(":")[0] for line in refusal(done, "web2")]
    assert names == ["monitoring_port", "monitoring_intervall"]


def test_templates_of_files(run: Run) -> None:
    """They lie beside the playbook or the inventory; one that is missing is named before anything is changed."""
    files = {"a.py": {"template": "a.py.j2"}, "b.py": {"template": "b.py.j2"}, "c.py": {"template": "c.py.j2"}}
    done = run(
        [ROLE, VALIDATE],
        files={
            "group_vars/django.yml": {"site_files": files, "site_build": ["nmp"]},
            "a.py.j2": "A = 1\n",
            "templates/b.py.j2": "B = 1\n",
        },
    )
    assert [line.partition(":")[0] for line in refusal(done)] == ["site_build[0]", 'site_files["c.py"].template']


def test_processes_are_planned_and_become_units(run: Run) -> None:
    """What may exist once only has a unit on the first host of the site, even if a run is limited to another."""
    processes = {
        "worker": {"preset": "celery", "application": "shop"},
        "beat": {"preset": "celery_beat", "application": "shop"},
    }
    keep = {"name": "Keep", "ansible.builtin.set_fact": {"site_plan": "{{ found.plan }}"}}
    tell = {
        "name": "Tell",
        "ansible.builtin.debug": {"msg": "{{ __site_process_units | map(attribute='exec') | list | to_json }}"},
    }
    tasks = [ROLE, {**PLAN, "register": "found"}, keep, tell]
    worker = "python -m celery --app=shop worker --loglevel=INFO --hostname=shop-worker.%i@%%h --concurrency=2"
    beat = "python -m celery --app=shop beat --loglevel=INFO --schedule=/var/lib/shop/beat-schedule --pidfile="
    for options, told in (((), {"web1": [worker, beat], "web2": [worker]}), (("--limit=web2",), {"web2": [worker]})):
        done = run(tasks, "--extra-vars=" + json.dumps({"site_processes": processes}), *options)
        assert done.returncode == 0, done.stdout + done.stderr
        found = re.findall(r'^ok: \[(web\d)\] => \{\n    "msg": (".+")\n\}$', done.stdout, re.MULTILINE)
        assert {host: json.loads(json.loads(units)) for host, units in found} == told


def test_a_site_without_processes_has_no_units(run: Run) -> None:
    """And its plan has both keys that templates read."""
    keep = {"name": "Keep", "ansible.builtin.set_fact": {"site_plan": "{{ found.plan }}"}}
    tell = {
        "name": "Tell",
        "ansible.builtin.debug": {
            "msg": "{{ [__site_process_units, site_plan.processes, site_plan.background] | to_json }}"
        },
    }
    done = run([ROLE, {**PLAN, "register": "found"}, keep, tell], "--limit=web1")
    nothing = {"memory_mb": 0.0, "cpu_share": 0.0, "database_connections": 0, "command_mb": 325}
    [found] = re.findall(r'^    "msg": (".+")$', done.stdout, re.MULTILINE)
    assert json.loads(json.loads(found)) == [[], {}, nothing]
