"""Fixtures of this scenario: the kinds of tests/projects, deployed to the hosts of this lab."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from form import LONG
from kind import Case
from kinds import CASES
from testinfra.host import Host
from trial import Outcome, Trials

TRIALS = pytest.StashKey[Trials]()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep each case on its own host, and for the long form those that only it tries."""

    def wanted(item: pytest.Item) -> bool:
        case = getattr(item, "callspec", None) and item.callspec.params.get("case")
        if not isinstance(case, Case):
            return True
        host = item.callspec.params.get("_testinfra_host")
        here = not isinstance(host, Host) or host.backend.get_hostname() == case.kind.host
        return here and (LONG or case.server not in case.kind.long)

    config.hook.pytest_deselected(items=[item for item in items if not wanted(item)])
    items[:] = [item for item in items if wanted(item)]


@pytest.fixture(scope="session")
def trials(
    request: pytest.FixtureRequest, inventory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Trials]:
    """The deploys of all cases that this run asks for."""
    names = {item.callspec.params["case"].name for item in request.session.items if "case" in item.fixturenames}
    chosen = [case for case in CASES if case.name in names]
    trials = Trials(inventory.resolve(), tmp_path_factory.mktemp("kinds"), chosen)
    request.config.stash[TRIALS] = trials
    yield trials
    trials.stop()


@pytest.fixture
def outcome(trials: Trials, case: Case, host: Host) -> Outcome:
    """What became of the case."""
    return trials.outcome(case.name)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell how long each kind took."""
    trials = config.stash.get(TRIALS, None)
    if trials is not None:
        terminalreporter.section("seconds that each kind took")
        for name, seconds in sorted(trials.seconds.items(), key=lambda took: -took[1]):
            terminalreporter.write_line(f"{seconds:6.1f}  {name}")
