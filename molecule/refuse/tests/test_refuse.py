"""Six bad releases, some under either server: each is refused with its cause and leaves nothing behind.

Neither a restart nor a reboot brings it up.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest
from deploys import Play, Source
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

BROKEN_MIGRATION = """
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("workshop", "0002_first_products")]
    operations = [migrations.RunSQL("ALTER TABLE no_such_table ADD COLUMN colour text")]
"""
MIDDLEWARE = """
from django.http import HttpResponse
MIDDLEWARE.insert(0, "shop.settings.wrong_answer")
def wrong_answer(get_response):
    return lambda request: HttpResponse("wrong", status=500)
"""


SILENT = """
LOGGING = {"version": 1, "disable_existing_loggers": True, "handlers": {}, "root": {"handlers": []}}
"""
FAILING = """
MIDDLEWARE.insert(0, "shop.settings.failing")
def failing(get_response):
    def middleware(request):
        raise LookupError("no bicycle")
    return middleware
"""

# So that the test need not wait for a minute.
PATIENCE = {"site_boot_timeout": 8, "site_health_patience": 2}


@dataclass(frozen=True)
class Bad:
    """A bad release: what it changes, and the words that the message has to contain."""

    name: str
    changes: dict[str, str]
    cause: str
    # Under the other server than the one that serves it fails in that one's own way.
    servers: tuple[str, ...] = ("gunicorn", "uwsgi")
    # Those of them that only the long form tries.
    long: tuple[str, ...] = ()
    # What the journal shows of it.
    journal: str = ""


BAD = [
    Bad(
        "raises in wsgi.py",
        {"shop__settings": SILENT, "shop__wsgi": 'raise RuntimeError("no wheels")'},
        "its processes exited right after their start (status ",
        journal="RuntimeError: no wheels",
    ),
    Bad("raises in urls.py", {"shop__urls": 'raise RuntimeError("no spokes")'}, "no spokes"),
    # Under uWSGI, "raises in every view" shows the same and more.
    Bad("returns 500", {"shop__settings": MIDDLEWARE}, "returned 500 instead of 200", long=("uwsgi",)),
    Bad(
        "raises in every view",
        {"shop__settings": f"{SILENT}\n{FAILING}"},
        "returned 500 instead of 200",
        journal="LookupError: no bicycle",
    ),
    Bad(
        "answers 400 to its own host",
        {"shop__settings": 'ALLOWED_HOSTS = ["elsewhere.test"]'},
        "ALLOWED_HOSTS",
        ("gunicorn",),
    ),
    Bad("never becomes ready", {"shop__wsgi": "import time; time.sleep(3600)"}, "(site_boot_timeout)"),
    Bad(
        "fails to migrate",
        {"workshop__migrations__0003_broken": BROKEN_MIGRATION},
        "no such table: no_such_table",
        ("gunicorn",),
    ),
]


def state(host: Host) -> dict[str, str]:
    """All that decides what runs, now and after a boot."""
    commands = {
        "links": "cd /srv/shop && ls -l --time-style=+ live live/ live/public releases",
        "files": "cd /srv/shop/live && find . -maxdepth 1 -type f -exec sha256sum {} + | sort",
        "units": "cd /etc/systemd/system && sha256sum shop@$(basename $(readlink /srv/shop/live))* shop-boot*",
        "boot": "ls -l --time-style=+ /etc/systemd/system/multi-user.target.wants/ | grep shop",
        "nginx": "sha256sum /etc/nginx/nginx.conf /etc/nginx/conf.d/*",
        "failed": "systemctl list-units --failed --no-legend --plain",
    }
    return {name: host.check_output(command) for name, command in commands.items()}


@pytest.fixture(scope="module")
def good(deploy: Callable[..., Play], source: Source, host: Host, answering: Callable[[], str]) -> dict[str, str]:
    """A release that serves, from the repository that the bad ones are committed to."""
    deploy(**PATIENCE, site_source_directory="", site_git_url=str(source.directory)).succeeded()
    return {"release": answering(), **state(host)}


@pytest.mark.parametrize(
    ("bad", "server"),
    [
        pytest.param(bad, server, id=f"{bad.name}, {server}", marks=[pytest.mark.long] if server in bad.long else [])
        for bad in BAD
        for server in bad.servers
    ],
)
def test_bad_release(
    bad: Bad,
    server: str,
    good: dict[str, str],
    deploy: Callable[..., Play],
    source: Source,
    host: Host,
    live: Callable[[], str],
    answering: Callable[[], str],
) -> None:
    """The play fails with the cause on the screen; all else is as it was, and stays so after a restart."""
    source.commit(**bad.changes)
    try:
        play = deploy(
            **PATIENCE, site_server=server, site_source_directory="", site_git_url=str(source.directory)
        ).refused()
    finally:
        source.revert()
    print(play.end)
    assert bad.cause in play.words
    assert "is refused" in play.words
    if bad.journal:
        sentence, _title, journal = play.words.partition("The journal of shop@")
        assert bad.cause in sentence
        assert "Traceback (most recent call last):" in journal
        assert bad.journal in journal
    assert {"release": answering(), **state(host)} == good
    other = {"blue": "green", "green": "blue"}[live()]
    assert not host.file(f"/srv/shop/slots/{other}").exists
    assert not host.file(f"/etc/systemd/system/shop@{other}.service").exists
    host.check_output("systemctl restart shop@%s", live())
    assert answering() == good["release"]


def test_a_refused_release_can_be_kept(
    good: dict[str, str], deploy: Callable[..., Play], source: Source, host: Host, answering: Callable[[], str]
) -> None:
    """The command that the refusal names runs its manage.py; the next deploy that succeeds removes it."""
    commit = source.commit(shop__settings=MIDDLEWARE)
    variables = {**PATIENCE, "site_source_directory": "", "site_git_url": str(source.directory)}
    play = deploy(**variables, site_keep_refused=True).refused()
    print(play.end)
    source.revert()
    [directory] = {
        word
        for word in play.end.split()
        if word.startswith(f"/srv/shop/releases/{commit[:12]}") and word.count("/") == 4
    }
    assert not host.file(f"{directory}/release.json").exists
    assert answering() == good["release"]
    text = play.end[play.end.index("sudo systemd-run") :]
    command = text[: text.index("manage.py check")].replace("\\\n", " ").replace("sudo ", "").replace("--pty", "--pipe")
    found = host.run(" ".join(command.split()) + " manage.py check")
    assert "no issues" in found.stderr + found.stdout, found
    assert host.check_output("systemctl list-units --failed --no-legend --plain") == good["failed"]
    deploy(
        **variables, site_environment={**host.ansible.get_variables()["site_environment"], "COLOUR": "blue"}
    ).succeeded()
    assert not host.file(directory).exists
    deploy(**variables).succeeded()


def test_reboot(good: dict[str, str], reboot: Callable[[], Play], answering: Callable[[], str]) -> None:
    """After all of them, what starts with the host is the good release."""
    reboot()
    assert answering() == good["release"]


def test_good_release_afterwards(
    deploy: Callable[..., Play], source: Source, answering: Callable[[], str], good: dict[str, str]
) -> None:
    """A good release goes live without any repair."""
    source.commit()
    deploy(site_source_directory="", site_git_url=str(source.directory)).succeeded()
    assert answering() != good["release"]


def test_rollback(playbook: Callable[..., Play], answering: Callable[[], str], good: dict[str, str]) -> None:
    """And back: the release before answers again."""
    playbook("rollback").succeeded()
    assert answering() == good["release"]
