"""What a deploy says and does: nothing twice, nothing in check mode, no secret on the screen."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from deploys import Play, Source
from testinfra.host import Host

testinfra_hosts = ["ansible://django"]

SECRET = "a key that only this test host knows"


def test_check_mode_predicts_nothing(deploy: Callable[..., Play]) -> None:
    """On a host that is as it should be."""
    assert set(deploy("--check", "--diff").succeeded().changed.values()) == {0}


def test_check_mode_shows_what_would_change(deploy: Callable[..., Play], host: Host) -> None:
    """The variable, but not the secret; and nothing is done."""
    environment = host.ansible.get_variables()["site_environment"]
    before = host.file("/srv/shop/live").linked_to
    play = deploy(
        "--check",
        "--diff",
        site_environment={**environment, "COLOUR": "blue"},
        site_secrets={"SECRET_KEY": "another key that nobody may see, quite long so that Django is content"},
    ).succeeded()
    assert '+COLOUR="blue"' in play.output
    assert "secrets: differ, not shown" in play.output
    assert "that nobody may see" not in play.output
    assert SECRET not in play.output
    assert host.file("/srv/shop/live").linked_to == before


def test_new_code_and_then_nothing(
    deploy: Callable[..., Play], playbook: Callable[..., Play], source: Source, host: Host
) -> None:
    """A new release goes live in the other slot; the run after it changes nothing; rollback returns to the first."""
    first = host.file("/srv/shop/live").linked_to, host.file("/srv/shop/live/release").linked_to
    repository: dict[str, Any] = {"site_source_directory": "", "site_git_url": str(source.directory)}
    play = deploy("-vvv", "--diff", **repository).succeeded()
    assert SECRET not in play.output
    second = host.file("/srv/shop/live").linked_to, host.file("/srv/shop/live/release").linked_to
    assert second[0] != first[0]
    assert second[1] != first[1]
    assert set(deploy(**repository).succeeded().changed.values()) == {0}
    playbook("rollback").succeeded()
    assert host.file("/srv/shop/live/release").linked_to == first[1]
    assert set(deploy().succeeded().changed.values()) == {0}


def test_a_large_source(deploy: Callable[..., Play], source: Source, answering: Callable[[], str]) -> None:
    """It goes to the host as a file of its own; a small one is among the words of the build."""
    commit = source.commit(shop__large=f"# {secrets.token_hex(1_500_000)}")
    deploy(site_source_directory="", site_git_url=str(source.directory)).succeeded()
    assert answering().startswith(commit[:12])
    source.revert()


def test_a_proxy_without_its_release(deploy: Callable[..., Play], source: Source, host: Host) -> None:
    """With newer code that was not built, nginx goes on serving the files of the site that is live."""
    source.commit()
    before = host.file("/etc/nginx/conf.d/shop.conf").content_string
    play = deploy("--tags=proxy", site_source_directory="", site_git_url=str(source.directory)).succeeded()
    assert set(play.changed.values()) == {0}
    assert host.file("/etc/nginx/conf.d/shop.conf").content_string == before


@pytest.mark.parametrize("kind", ["branch", "tag", "commit"])
def test_git_references(deploy: Callable[..., Play], source: Source, kind: str) -> None:
    """A branch, a tag and a commit name the revision that would be deployed."""
    source.git("checkout", "--quiet", "-B", "next/one")
    commit = source.commit()
    source.git("tag", "--force", "v1.0")
    source.git("checkout", "--quiet", "main")
    reference = {"branch": "next/one", "tag": "v1.0", "commit": commit}[kind]
    play = deploy(
        "--check",
        "--diff",
        site_source_directory="",
        site_git_url=str(source.directory),
        site_git_ref=reference,
    )
    assert f"+release: {commit[:12]}" in play.succeeded().output


def test_the_last_visit(deploy: Callable[..., Play], host: Host) -> None:
    """With nothing of nginx left to do, the switch verifies and gives the site back, unless the tags say otherwise."""
    deploy().succeeded()
    for options, freed in (((), True), (("--skip-tags=verify",), False), (("--tags=switch",), False)):
        play = deploy("-v", *options).succeeded()
        assert bool(re.search(r"\bfreed\b", play.output)) is freed, options
        assert host.run("grep --quiet operator /run/pitcrew-shop.lock").rc != 0, options


@pytest.mark.parametrize("what", ["a file that nginx has not read", "nginx stopped"])
def test_nginx_that_an_earlier_run_left_behind(deploy: Callable[..., Play], host: Host, what: str) -> None:
    """A run that was cut off between file and reload is made up for by the next one, and then nothing is left to do."""
    deploy().succeeded()
    host.check_output("touch /etc/nginx/conf.d/shop.conf" if what.startswith("a file") else "systemctl stop nginx")
    assert set(deploy().succeeded().changed.values()) == {1}
    assert host.service("nginx").is_running
    assert set(deploy().succeeded().changed.values()) == {0}


def test_new_code_takes_no_reload_of_systemd(
    deploy: Callable[..., Play], source: Source, host: Host, answering: Callable[[], str]
) -> None:
    """It stalls visitors for longer than a start. Once both slots have the unit that is wanted, they keep it."""
    variables = {
        "site_source_directory": "",
        "site_git_url": str(source.directory),
        # A line of the unit that neither slot has yet.
        "site_boot_timeout": 61,
    }
    question = "systemctl show --property=UnitsLoadTimestampMonotonic --value"
    releases, reloads = [answering()], [host.check_output(question)]
    for _ in range(4):
        source.commit()
        deploy(**variables).succeeded()
        releases.append(answering())
        reloads.append(host.check_output(question))
    assert len(set(releases)) == 5
    assert reloads[0] != reloads[2] == reloads[3] == reloads[4]
