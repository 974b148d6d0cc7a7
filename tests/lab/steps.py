"""How long the steps of `make test` take: measured while they run, reported at the end, used to order the next run.

    molecule ... | steps.py watch       echo the output, and append how long each of molecule's actions took
    steps.py report RESULTS BEGAN       print the table, the longest chain and the counts; keep the durations
    steps.py order NAME...              print the names, the longest of the last run first

bin/step writes the results: one line per step, with the fields of `Step` separated by tabs.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Step", "chain", "columns", "main", "order", "table", "watch"]

# The durations of the last run on this machine, or else those of the maintainers' machine.
MEASURED = (Path(".cache/durations"), Path("tests/lab/durations"))
LOGS = Path(".cache/logs")
# A line that molecule prints about an action, on a terminal and elsewhere.
MOLECULE = re.compile(r"(?:➜ (?P<action>\w+):|> (?P<plain>\w+)\]) Execut(?P<what>ing|ed)\b(?! Test)")
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# molecule's names of the actions, and those in the table; an action that is not listed counts in the total only.
ACTIONS = {
    "create": "create",
    "prepare": "prep",
    "check": "check",
    "converge": "deploy",
    "idempotence": "again",
    "verify": "verify",
    "side_effect": "reboot",
    "destroy": "end",
}


@dataclass(frozen=True)
class Step:
    """One step: its name, start and end (epoch seconds), counts of tests, and durations of its actions (seconds)."""

    name: str
    began: float
    ended: float
    passed: int
    failed: int
    actions: Mapping[str, float]

    @property
    def seconds(self) -> float:
        """Return how long it took."""
        return self.ended - self.began

    @classmethod
    def read(cls, line: str) -> Step:
        """Read a line of the results."""
        name, began, ended, passed, failed, actions = line.rstrip("\n").split("\t")
        took = dict(pair.split("=") for pair in actions.split())
        return cls(
            name,
            float(began),
            float(ended),
            int(passed),
            int(failed),
            {action: float(took[action]) for action in took},
        )


def watch(lines: Iterable[str], clock: Iterable[float]) -> Iterable[str]:
    """Yield the lines of molecule, then one with the durations of its actions: `Actions: create=4.6 verify=12.0`."""
    took: dict[str, float] = {}
    action, began = "", 0.0
    for line, now in zip(lines, clock, strict=False):
        yield line
        if found := MOLECULE.search(COLOUR.sub("", line)):
            if action:
                took[action] = took.get(action, 0.0) + now - began
            action, began = ((found["action"] or found["plain"]) if found["what"] == "ing" else ""), now
    yield "Actions: " + " ".join(f"{name}={seconds:.1f}" for name, seconds in took.items()) + "\n"


def chain(steps: Sequence[Step]) -> list[Step]:
    """Return the steps that the run waited for: the last to end, the last to end before that one began, and so on."""
    found: list[Step] = []
    rest = list(steps)
    while rest:
        last = max(rest, key=lambda step: step.ended)
        found.insert(0, last)
        rest = [step for step in rest if step.ended <= last.began + 0.5 and step is not last]
    return found


def columns(steps: Iterable[Step]) -> list[str]:
    """Return the names of the actions that any of the steps has, in the order of the table."""
    seen = {action for step in steps for action in step.actions}
    return [action for action in ACTIONS if action in seen]


def table(steps: Sequence[Step]) -> list[str]:
    """Return the lines of the table: one per step, the longest first, in seconds."""
    shown = columns(steps)
    lines = [f"{'seconds':16}{'total':>7}" + "".join(f"{ACTIONS[action]:>7}" for action in shown)]
    for step in sorted(steps, key=lambda step: -step.seconds):
        took = (f"{step.actions[action]:7.0f}" if action in step.actions else 7 * " " for action in shown)
        lines.append(f"{step.name.removeprefix('scenario-'):16}{step.seconds:7.0f}{''.join(took)}".rstrip())
    return lines


def order(names: Iterable[str], durations: Mapping[str, float]) -> list[str]:
    """Sort names so that the step that took longest comes first; steps never measured come before all others."""
    return sorted(names, key=lambda name: -durations.get(name, float("inf")))


def _minutes(seconds: float) -> str:
    return f"{seconds // 60:.0f} min {seconds % 60:02.0f} s"


def _report(results: Path, began: float) -> int:
    steps = [Step.read(line) for line in results.read_text(encoding="utf-8").splitlines()]
    ended = max((step.ended for step in steps), default=began)
    longest = chain(steps)
    waits = ", ".join(f"{step.name} {step.seconds:.0f}" for step in longest)
    print("", *table(steps), "", sep="\n")
    print(f"The longest chain, {_minutes(sum(step.seconds for step in longest))}: {waits}")
    print(f"All of it: {_minutes(ended - began)}")
    _keep_durations({step.name: step.seconds for step in steps})
    passed, failed = sum(step.passed for step in steps), sum(step.failed for step in steps)
    print("", *_failures(steps), f"{passed} passed, {failed} failed", sep="\n")
    # A run that tested nothing proves nothing.
    return 1 if failed or not passed else 0


def _failures(steps: Iterable[Step]) -> Iterable[str]:
    """Yield the failed steps, each with the tests that failed in it, as pytest's summary names them."""
    for step in steps:
        if step.failed:
            log = LOGS / f"{step.name}.log"
            text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            tests = dict.fromkeys(re.findall(r"^((?:FAILED|ERROR) \S.*)$", text, re.MULTILINE))
            yield f"{step.name} failed"
            yield from (f"    {test[:300]}" for test in tests)


def _durations() -> dict[str, float]:
    """Give what each step took; an incomplete line, as a cut-off run may leave it, is ignored."""
    text = next((file.read_text(encoding="utf-8") for file in MEASURED if file.exists()), "")
    return {name: float(seconds) for name, seconds in re.findall(r"^([\w.-]+)\t(\d+)$", text, re.MULTILINE)}


def _keep_durations(took: Mapping[str, float]) -> None:
    """Write down what the steps of this run took, and leave what is known of others."""
    known = {**_durations(), **took}
    MEASURED[0].parent.mkdir(exist_ok=True)
    lines = (f"{name}\t{seconds:.0f}\n" for name, seconds in sorted(known.items()))
    MEASURED[0].write_text("".join(lines), encoding="utf-8")


def _now() -> Iterable[float]:
    while True:
        yield time.monotonic()


def main(words: Sequence[str]) -> int:
    """Run the command given by the arguments; return the exit status."""
    match words:
        case ["watch"]:
            for line in watch(sys.stdin, _now()):
                print(line, end="", flush=True)
            return 0
        case ["report", results, began]:
            return _report(Path(results), float(began))
        case ["order", *names]:
            print(*order(names, _durations()))
            return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
