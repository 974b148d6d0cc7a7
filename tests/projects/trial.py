"""Deploy kinds to the hosts of a lab, one after the other on each host, and note what became of each."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import testinfra
import yaml
from deploys import Play
from kind import Case, Live
from kinds import KINDS
from screen import masked, message, play_on_a_screen
from startproject import write_project
from testinfra.host import Host

__all__ = ["Outcome", "Trials"]

# What a refused deploy leaves as it was: what runs, what starts at boot, what nginx serves, which releases are kept.
SERVES = {
    "sites": "ls -d /srv/*/live /srv/*/slots/*; readlink /srv/*/live",
    "releases": "ls -d /srv/*/releases/*",
    "units": "cd /etc/systemd/system && find . -name '*@*' -o -name '*-boot*' | sort | xargs --no-run-if-empty ls -d",
    "nginx": "systemctl is-active nginx; find /etc/nginx -type f | sort | xargs --no-run-if-empty sha256sum",
    "failed": "systemctl list-units --failed --no-legend --plain",
}
# One that is refused before anything is changed leaves all of this, too.
TOUCHES = {
    "accounts": "cat /etc/passwd /etc/group",
    "directories": "ls -d /srv/* /opt/* /var/lib/* /etc/nginx /etc/systemd/system/*",
    "locks": "grep --files-with-matches operator /run/pitcrew*",
    "packages": "dpkg --get-selections",
}
# As long as Django asks for.
KEY = f"{50 * 'k'} 0123456789"


@dataclass(frozen=True)
class Outcome:
    """What became of a case."""

    play: Play
    # The message for a person, without what differs from run to run.
    message: str
    # What the deploy changed of what a refusal leaves as it was.
    serves: dict[str, tuple[str, str]]
    touched: dict[str, tuple[str, str]]
    # What is wrong with the answers to visitors, with the journal, and with ports.
    complaints: list[str]


class Trials:
    """The deploys of some cases, begun at once."""

    def __init__(self, inventory: Path, directory: Path, cases: Iterable[Case]) -> None:
        self.inventory = inventory
        self.directory = directory
        self.attempts: dict[str, Future[dict[str, Outcome]]] = {}
        self.seconds: dict[str, float] = {}
        self.pools: dict[str, ThreadPoolExecutor] = {}
        for group in groups(with_needs(cases)):
            name = group[0].kind.host
            pool = self.pools.setdefault(name, ThreadPoolExecutor(1, thread_name_prefix=name))
            self.attempts.update(dict.fromkeys((case.name for case in group), pool.submit(self.attempt, group)))

    def outcome(self, name: str) -> Outcome:
        """Wait for the deploy of a case, and return what became of it."""
        return self.attempts[name].result()[name]

    def stop(self) -> None:
        """Forget the deploys that have not begun."""
        for pool in self.pools.values():
            pool.shutdown(cancel_futures=True)

    def attempt(self, group: Sequence[Case]) -> dict[str, Outcome]:
        """Deploy the cases of a group at once, and look at what came of each."""
        case = joined(group)
        host = testinfra.get_host(f"ansible://{case.kind.host}?ansible_inventory={self.inventory}")
        start = time.monotonic()
        proposed = proposal(self.outcome(case.kind.upon).play.output) if case.kind.merges_proposal else {}
        inventory, source = self.write(case, proposed)
        inspected = self.inspect(case, inventory) if case.kind.inspected else None
        if case.kind.before:
            host.check_output(case.kind.before)
        try:
            before = look(host)
            began = time.time()
            if inspected and inspected.returncode:
                play = inspected
            else:
                play = play_on_a_screen(
                    f"pitcrew.django.{case.kind.playbook}",
                    f"--inventory={self.inventory}",
                    f"--inventory={inventory}",
                    PATH=path(inventory),
                )
                play = replace(play, output=(inspected.output if inspected else "") + play.output)
            after = look(host)
            domain = case.variables["site_domains"][0]
            complaints = {member.name: list(self.complaints(member, domain, host, began)) for member in group}
        finally:
            if case.kind.after:
                host.check_output(case.kind.after)
        self.seconds[" + ".join(complaints)] = time.monotonic() - start
        changed = {what: (before[what], after[what]) for what in before if before[what] != after[what]}
        places = {str(source): "/home/you/mysite", str(Path(__file__).parents[2]): "/home/you/pitcrew.django"}
        outcome = Outcome(
            play=play,
            message=masked(message(play.output, with_warnings=isinstance(case.kind.expect, Live)), places),
            serves={what: changed[what] for what in changed if what in SERVES},
            touched=changed,
            complaints=[],
        )
        return {name: replace(outcome, complaints=found) for name, found in complaints.items()}

    def write(self, case: Case, proposed: Mapping[str, Any] | None = None) -> tuple[Path, Path]:
        """Write the project and the inventory as the user has them; return their places."""
        home = self.directory / case.name
        source = home / "mysite"
        write_project(case.kind, source)
        variables = {"site_source_directory": str(source), **case.variables, **(proposed or {})}
        if case.kind.git:
            variables["site_git_url"] = variables.pop("site_source_directory")
        self.write_inventory(home / "hosts.yml", case, variables)
        return home / "hosts.yml", source

    def write_inventory(self, file: Path, case: Case, variables: Mapping[str, Any]) -> None:
        """Write an inventory of the case's host with some variables."""
        group = {"django": {"hosts": {case.kind.host: None}, "vars": dict(variables)}}
        file.write_text(yaml.safe_dump(group, allow_unicode=True), encoding="utf-8")

    def inspect(self, case: Case, inventory: Path) -> Play:
        """Have inspect propose an inventory, knowing the name and the domain only, and make it that of the deploy."""
        variables = yaml.safe_load(inventory.read_text(encoding="utf-8"))["django"]["vars"]
        told = ("site_name", "site_domains", "site_source_directory", "site_git_url")
        file = inventory.with_name("proposed.yml")
        play = play_on_a_screen(
            "pitcrew.django.inspect",
            variables={
                **{name: variables[name] for name in told if name in variables},
                "site_inspect_file": str(file),
                "site_inspect_settings": case.kind.asks_django,
            },
            PATH=path(inventory),
        )
        if play.returncode == 0:
            proposed = filled_in(yaml.safe_load(file.read_text(encoding="utf-8"))["django"]["vars"])
            self.write_inventory(inventory, case, merged(proposed, variables))
        return play

    def complaints(self, case: Case, domain: str, host: Host, began: float) -> Iterator[str]:
        """Visit the site, then read its journal and look at the host's ports; yield what is not as expected."""
        address = host.ansible.get_variables()["lab_address"]
        for visit in case.kind.expect.visits:
            if complaint := visit.objection(address, domain):
                yield complaint
        unit = shlex.quote(f"{case.kind.site_name}@*")
        for words in getattr(case.kind.expect, "journal", ()):
            journal = host.check_output(
                f"journalctl --sync; journalctl --unit={unit} --since=@{int(began)} --output=cat --quiet"
            )
            if words not in journal:
                yield f"{words!r} is missing in the journal:\n{journal[-3000:]}"
        for port in getattr(case.kind.expect, "closed", ()):
            if host.run(f"ss --listening --tcp --numeric | grep -q ':{port} '").rc == 0:
                yield f"something listens on port {port}"


def with_needs(cases: Iterable[Case]) -> list[Case]:
    """Put before each case the one that its site has to have been deployed as; each once."""
    found: dict[str, Case] = {}

    def add(case: Case) -> None:
        if case.kind.upon:
            add(Case(KINDS[case.kind.upon], KINDS[case.kind.upon].servers[0]))
        found.setdefault(case.name, case)

    for case in cases:
        add(case)
    return list(found.values())


def groups(cases: Iterable[Case]) -> list[list[Case]]:
    """Put the cases together that are deployed as one project."""
    found: dict[tuple[str, str], list[Case]] = {}
    for case in cases:
        found.setdefault((case.kind.together or case.name, case.server), []).append(case)
    return list(found.values())


def joined(group: Sequence[Case]) -> Case:
    """Return a case that has the lines and variables of all cases of a group."""
    first, *others = group
    kind = first.kind
    for other in (case.kind for case in others):
        kind = replace(
            kind,
            settings=kind.settings + other.settings,
            urls=kind.urls + other.urls,
            requirements=kind.requirements + other.requirements,
            variables={**kind.variables, **other.variables},
            reshape=both(kind.reshape, other.reshape),
            asks_django=kind.asks_django or other.asks_django,
        )
    return Case(kind, first.server)


def path(inventory: Path) -> str:
    """Return where programs are: those that a kind has put into bin/, beside its project, come first."""
    return f"{inventory.parent / 'bin'}:{os.environ['PATH']}"


def both(first: Callable[[Path], None] | None, second: Callable[[Path], None] | None) -> Callable[[Path], None] | None:
    """Make two changes to a project, one after the other."""
    if first is None or second is None:
        return first or second

    def change(project: Path) -> None:
        first(project)
        second(project)

    return change


def filled_in(value: Any) -> Any:
    """Put a key of one's own where a proposed inventory asks for something."""
    if isinstance(value, dict):
        return {name: filled_in(part) for name, part in value.items()}
    if isinstance(value, list):
        return [filled_in(part) for part in value]
    return re.sub(r"<fill in: [^>]*>", KEY, value) if isinstance(value, str) else value


def merged(proposed: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """Add variables of one's own to a proposed inventory: a key to a mapping of it, or another value."""
    both = {name: {**proposed[name], **own[name]} for name in own if isinstance(proposed.get(name), dict)}
    return {**proposed, **own, **both}


def proposal(output: str) -> dict[str, Any]:
    """Return the variables that a refusal proposes for the inventory, with a key of one's own where it asks for one."""
    lines = output.partition("To merge into the inventory:\n")[2].partition("\n\n")[0]
    return yaml.safe_load(re.sub(r'"<the output of .*>"', f'"{KEY}"', lines)) or {}


def look(host: Host) -> dict[str, str]:
    """What is on the host that a refusal leaves as it was."""
    commands = {**SERVES, **TOUCHES}
    script = "\n".join(f"echo '== {name}'; ({command}) 2>/dev/null" for name, command in commands.items())
    found = host.run(script).stdout.split("== ")[1:]
    return dict(part.split("\n", 1) for part in found)
