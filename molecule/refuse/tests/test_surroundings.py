"""A host or a network that fails a deploy: the message names the cause, and the previous release keeps serving.

Nothing half made is left, and the next deploy needs no repair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from deploys import Play, Source
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

Deploy = Callable[..., Play]

# Nobody listens at the port of "discard".
NOWHERE = "https://127.0.0.1:9"
# What no release has had yet, so that its packages have to be fetched and installed.
MORE = {"site_python_packages": ["whitenoise==6.9.0"]}


@pytest.fixture(scope="module")
def variables(deploy: Deploy, source: Source) -> dict[str, Any]:
    """Variables with which the repository of this test is deployed."""
    variables = {"site_source_directory": "", "site_git_url": str(source.directory)}
    deploy(**variables).succeeded()
    return variables


def state(host: Host) -> dict[str, str]:
    """What runs, what is kept, and what is on the disk."""
    return {
        "links": host.check_output("cd /srv/shop && ls -l --time-style=+ live live/ releases venvs slots"),
        "files": host.check_output("cd /srv/shop/live && find . -maxdepth 1 -type f -exec sha256sum {} + | sort"),
        "history": host.check_output("cat /srv/shop/history"),
        "failed": host.check_output("systemctl list-units --failed --no-legend --plain"),
    }


@contextmanager
def unchanged(host: Host, answering: Callable[[], str]) -> Iterator[None]:
    """See that the block leaves the host as it was, and the site answering."""
    before = answering(), state(host)
    yield
    assert (answering(), state(host)) == before


@contextmanager
def mounted(host: Host, options: str, directory: str) -> Iterator[None]:
    """Mount something over a directory for the time of the block."""
    host.check_output(f"mount {options} {directory}")
    try:
        yield
    finally:
        host.check_output(f"umount {directory}")


@contextmanager
def with_little_room(host: Host, directory: str, megabytes: int) -> Iterator[None]:
    """Have the directory on a disk of its own that holds what is there, and little more."""
    host.check_output(f"cp -a {directory} /var/tmp/kept")
    size = int(host.check_output("du -sm /var/tmp/kept | cut -f1")) + megabytes
    try:
        with mounted(host, f"-t tmpfs -o size={size}m tmpfs", directory):
            host.check_output(f"cp -a /var/tmp/kept/. {directory}")
            yield
    finally:
        host.check_output("rm -rf /var/tmp/kept")


def test_the_disk_is_full(
    deploy: Deploy, variables: dict[str, Any], source: Source, host: Host, answering: Callable[[], str]
) -> None:
    """While packages are installed: what was begun is gone afterwards."""
    source.commit()
    with with_little_room(host, "/srv/shop/venvs", 12):
        with unchanged(host, answering):
            play = deploy(**variables, **MORE).refused()
        print(play.end)
        assert "No space left on device" in play.words
        assert "The disk of the host is full" in play.words
        assert "is refused, the site is unchanged" in play.words


@pytest.mark.parametrize("directory", ["releases", "slots"])
def test_a_directory_is_read_only(
    deploy: Deploy, variables: dict[str, Any], source: Source, host: Host, answering: Callable[[], str], directory: str
) -> None:
    """As a file system is after an error of its disk."""
    source.commit()
    path = f"/srv/shop/{directory}"
    with unchanged(host, answering), mounted(host, f"--bind -o ro {path}", path):
        play = deploy(**variables).refused()
    print(play.end)
    assert "Read-only file system" in play.words
    assert "Traceback" not in play.output


@pytest.mark.parametrize("installer", ["uv", "pip"])
def test_the_package_index_cannot_be_reached(
    deploy: Deploy, variables: dict[str, Any], host: Host, answering: Callable[[], str], installer: str
) -> None:
    """The cure is on the screen, and after it the installer's own words."""
    with unchanged(host, answering):
        play = deploy(**variables, **MORE, site_installer=installer, site_package_index=f"{NOWHERE}/simple").refused()
    print(play.end)
    assert "Connection refused" in play.output
    assert "Set site_package_index to an index that it reaches" in play.words
    assert "is refused, the site is unchanged" in play.words


def test_the_git_server_cannot_be_reached(
    deploy: Deploy, variables: dict[str, Any], host: Host, answering: Callable[[], str]
) -> None:
    """The host is not even asked."""
    with unchanged(host, answering):
        play = deploy(**{**variables, "site_git_url": f"{NOWHERE}/shop.git"}).refused()
    print(play.end)
    assert "site_git_url" in play.words
    assert f"{NOWHERE}/shop.git" in play.words


@pytest.fixture
def python_of(host: Host) -> Callable[[int], str]:
    """Give a Python on the host for which it is another day; what runs there already goes by the right time."""
    host.check_output("apt-get install --yes --quiet faketime")

    def install(days: int) -> str:
        path = "/usr/local/bin/python-of-another-time"
        # Only what the clock shows: a deadline of the program is none of the calendar's.
        program = f'#!/bin/sh\nFAKETIME_DONT_FAKE_MONOTONIC=1 exec faketime -f {days:+}d /usr/bin/python3 "$@"\n'
        host.check_output("printf %%s %s > %s && chmod 755 %s", program, path, path)
        seconds = host.check_output("%s -c 'import time; print(int(time.time()))'; date +%%s", path).split()
        assert abs(int(seconds[0]) - int(seconds[1]) - 86400 * days) < 60
        return path

    return install


def test_the_clock_of_the_host_is_wrong(
    deploy: Deploy,
    variables: dict[str, Any],
    source: Source,
    host: Host,
    answering: Callable[[], str],
    python_of: Callable[[int], str],
) -> None:
    """A week ahead, then a week behind, then right: each deploy goes live, and leaves nothing to do."""
    for days in (7, -7):
        wrong = {"ansible_python_interpreter": python_of(days)}
        commit = source.commit()
        deploy(**variables, **wrong).succeeded()
        assert answering().startswith(commit[:12])
        assert set(deploy(**variables, **wrong).succeeded().changed.values()) == {0}
        assert set(deploy(**variables).succeeded().changed.values()) == {0}
    commit = source.commit()
    deploy(**variables).succeeded()
    assert answering().startswith(commit[:12])
    assert set(deploy(**variables).succeeded().changed.values()) == {0}


def test_afterwards(
    deploy: Deploy, variables: dict[str, Any], source: Source, host: Host, answering: Callable[[], str]
) -> None:
    """A good release goes live without any repair, with the packages that could not be had."""
    source.commit()
    before = answering()
    deploy(**variables, **MORE).succeeded()
    assert answering() != before
    assert host.file("/srv/shop/live/release/venv/lib").exists
