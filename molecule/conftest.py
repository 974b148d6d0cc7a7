"""Fixtures that the tests of all scenarios share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from deploys import Play, Source, ansible_playbook
from form import LONG
from testinfra.host import Host

LAB = Path(__file__).parents[1] / "tests/lab"

Deploy = Callable[..., Play]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the hosts that this run has not booted and, in the short form, tests of the long form.

    `@pytest.mark.long` marks a test of the long form; `@pytest.mark.long("uwsgi")` does so on the hosts named only.
    """
    sources = [config.getoption("--ansible-inventory"), str(LAB / "long.yml")]
    inventory = InventoryManager(DataLoader(), sources=sources)
    running = {host.name for host in inventory.list_hosts(os.environ.get("LAB_LIMIT", "all:!long"))}

    def wanted(item: pytest.Item) -> bool:
        asked = item.callspec.params.get("_testinfra_host") if hasattr(item, "callspec") else None
        host = asked.backend.get_hostname() if isinstance(asked, Host) else None
        long = any(not mark.args or host in mark.args for mark in item.iter_markers("long"))
        return (host is None or host in running) and (LONG or not long)

    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = [item for item in items if wanted(item)]


@pytest.fixture(scope="session")
def inventory(request: pytest.FixtureRequest) -> Path:
    """The scenario's inventory."""
    return Path(request.config.getoption("--ansible-inventory"))


@pytest.fixture(scope="module")
def playbook(host: Host, inventory: Path) -> Deploy:
    """Run a playbook of the collection on the test's host: playbook("rollback", "--check", site_workers=4)."""

    def run(name: str, *options: str, **variables: Any) -> Play:
        limit = f"--limit={host.backend.get_hostname()}"
        return ansible_playbook(f"pitcrew.django.{name}", inventory, limit, *options, **variables)

    return run


@pytest.fixture(scope="module")
def deploy(playbook: Deploy) -> Deploy:
    """Deploy to the test's host with variables that override the inventory's: deploy("--check", site_workers=4)."""
    return functools.partial(playbook, "deploy")


@pytest.fixture(scope="module")
def reboot(host: Host, inventory: Path) -> Callable[[], Play]:
    """Reboot the test's host."""
    limit = f"--limit={host.backend.get_hostname()}"
    return lambda: ansible_playbook(LAB / "reboot.yml", inventory, limit).succeeded()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A repository to which the test commits releases of the example project."""
    return Source(tmp_path_factory.mktemp("source") / "shop")


@pytest.fixture(scope="module")
def address(host: Host) -> str:
    """The address of the test's host in the lab."""
    return host.ansible.get_variables()["lab_address"]


@pytest.fixture
def live(host: Host) -> Callable[[], str]:
    """Name the live slot."""
    return lambda: host.file("/srv/shop/live").linked_to.rpartition("/")[2]


@pytest.fixture(scope="module")
def answering(host: Host) -> Callable[[], str]:
    """Name the release that answers through nginx, allowing ten seconds for that after a boot."""
    headers = "curl -fs -o /dev/null -D - -H 'Host: shop.test' http://127.0.0.1/"
    release = f"{headers} | sed -n 's/^X-Pitcrew-Release: //p' | grep ."
    command = f"for try in $(seq 100); do {release} && exit; sleep 0.1; done; exit 1"
    return lambda: host.check_output(command).strip()
