"""Bad input ends a play before the first change on the host, with a sentence: the variable, its value, the cure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from deploys import Play, Source
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]


@dataclass(frozen=True)
class Bad:
    """Variables that cannot work, and what has to be on the screen."""

    name: str
    variables: dict[str, Any]
    words: tuple[str, ...] = field(default=())


BAD = [
    Bad(
        "no source",
        {"site_source_directory": ""},
        ("site_git_url, site_source_directory: neither is set", "exactly one of them"),
    ),
    Bad("two sources", {"site_git_url": "https://example.com/shop.git"}, ("exactly one of them",)),
    Bad(
        "a directory that is not there",
        {"site_source_directory": "/no/such/directory"},
        ("site_source_directory", "'/no/such/directory'", "name one that is"),
    ),
    Bad(
        "a list among the packages",
        {"site_python_packages": ["--requirement=../requirements.txt"]},
        ("site_python_packages", "is an option", "set site_requirements"),
    ),
    Bad(
        "a source and a package",
        {"site_package": "shop==2.4.*"},
        ("site_source_directory, site_package: both are set", "exactly one of them"),
    ),
    Bad("unknown server", {"site_server": "apache"}, ("site_server", "apache", "gunicorn")),
    Bad(
        "a domain with a space",
        {"site_domains": ["shop test"]},
        ("site_domains", '"shop test"', "shop.example.com"),
    ),
    Bad(
        "a domain with a newline",
        {"site_domains": ["shop.test\nserver_name evil"]},
        ("site_domains", "shop.test\\nserver_name evil", "shop.example.com"),
    ),
    Bad("no domain", {"site_domains": []}, ("site_domains", "add one")),
    Bad("no workers", {"site_workers": 0}, ("site_workers", "0")),
    Bad("workers in words", {"site_workers": "many"}, ("site_workers", "many")),
    Bad(
        "settings that are not there",
        {"site_settings_module": "shop.setings"},
        ("site_settings_module", "'shop.setings'", "shop/setings.py"),
    ),
    Bad(
        "a project that is not there",
        {"site_project_directory": "web"},
        ("site_project_directory", "'web'", "manage.py"),
    ),
    Bad(
        "more workers than fit",
        {"site_workers": 40},
        ("site_workers", "workers=40", "MB"),
    ),
    Bad(
        "half a certificate",
        {"site_tls_certificate": "/etc/ssl/shop.pem"},
        ("site_tls_key: is not set, but site_tls_certificate is", "set both"),
    ),
    Bad("a name for no user", {"site_name": "Shop!"}, ("site_name", '"Shop!"', "lower-case letters")),
    Bad(
        "no settings",
        {"site_settings_module": None},
        ("site_settings_module: is not set", "site_settings_module: shop.settings"),
    ),
    Bad("a list for a text", {"site_health_path": ["/"]}, ("site_health_path", "is not text", '["/"]')),
    Bad("no version", {"gunicorn_version": "27; reboot"}, ("gunicorn_version", "27; reboot", "27.0.1")),
    Bad(
        "a setting of the slot",
        {"gunicorn_settings": {"bind": "0.0.0.0:80"}},
        ("gunicorn_settings", "bind", "leave it out"),
    ),
    Bad(
        "two options in one",
        {"site_server": "uwsgi", "uwsgi_settings": {"env": "A=1\nuid = root"}},
        ("uwsgi_settings", "uid = root", "remove it"),
    ),
    Bad("a share of nothing", {"site_capacity_share": 0}, ("site_capacity_share", "0")),
    Bad("a name with a letter too few", {"site_heath_path": "/"}, ("site_heath_path", "did you mean site_health_path")),
    Bad("a name that is ours", {"site_user": "deploy"}, ("site_user: cannot be set", "set site_name")),
    Bad(
        "three bad variables",
        {"site_server": "apache", "site_workers": "many", "site_health_status": 20},
        ("site_server", "site_workers", "site_health_status"),
    ),
    Bad(
        "two things that only the host can tell",
        {"site_workers": 40, "site_tls_certificate": "/etc/ssl/no.pem", "site_tls_key": "/etc/ssl/no.key"},
        ("site_workers", 'site_tls_certificate: "/etc/ssl/no.pem" is not on the host', "site_tls_key"),
    ),
]


def state(host: Host) -> str:
    """Everything on the host that a deploy would change."""
    return host.check_output(
        "ls -d /srv/* /etc/nginx /etc/systemd/system/shop* /opt/* /var/lib/shop 2>/dev/null;"
        "cat /etc/passwd; dpkg --get-selections | sha256sum"
    )


@pytest.mark.parametrize("bad", BAD, ids=[bad.name for bad in BAD])
def test_bad_input(bad: Bad, deploy: Callable[..., Play], host: Host) -> None:
    """Refused in words, and the host is as it was."""
    before = state(host)
    play = deploy(**bad.variables).refused()
    print(play.end)
    for word in bad.words:
        assert word in play.words
    assert set(play.changed.values()) <= {0}
    assert state(host) == before


def test_unreachable_revision(deploy: Callable[..., Play], source: Source, host: Host) -> None:
    """A revision that the repository does not have."""
    before = state(host)
    play = deploy(site_source_directory="", site_git_url=str(source.directory), site_git_ref="no-such-branch").refused()
    assert "site_git_ref: 'no-such-branch'" in play.words
    assert "push it, or name another" in play.words
    assert state(host) == before


def test_unreachable_repository(deploy: Callable[..., Play], host: Host) -> None:
    """A repository that does not answer."""
    before = state(host)
    play = deploy(site_source_directory="", site_git_url="https://127.0.0.1:9/shop.git").refused()
    assert "site_git_url: 'https://127.0.0.1:9/shop.git' cannot be fetched" in play.words
    assert state(host) == before


def test_plan_of_a_small_host(playbook: Callable[..., Play], host: Host) -> None:
    """A host of half a CPU and 512 MB is planned as that, not as the machine beneath, and nothing is changed on it."""
    before = state(host)
    play = playbook("plan").succeeded()
    assert "0.5 CPU" in play.output
    assert "512 MB" in play.output
    assert set(play.changed.values()) == {0}
    assert state(host) == before


def test_numbers_of_a_command_line(playbook: Callable[..., Play]) -> None:
    """They come as texts, whatever was meant."""
    arguments = (
        "site_workers=1",
        "site_threads=3",
        "site_capacity_share=0.9",
        "site_database_connections=40",
        "site_request_timeout=20",
    )
    play = playbook("plan", *(f"--extra-vars={one}" for one in arguments)).succeeded()
    assert "this plan 1 x 3" in play.words
