"""Works on a lab host for a benchmark: sizes and restarts a slot's server, and reads what it uses.

Sent there by lab.py and run as root. Reads one JSON object a line, [name, arguments], and answers each with one.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

CGROUPS = Path("/sys/fs/cgroup")
PATIENCE = 60.0


def run(*words: str) -> str:
    """Run a command; return what it prints, or raise with what it complained of."""
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()[-2000:] or done.stdout.strip()[-2000:]}")
    return done.stdout.strip()


def property_of(unit: str, name: str) -> str:
    """Ask systemd."""
    return run("systemctl", "show", "--value", f"--property={name}", unit)


def live(site: str) -> dict[str, str]:
    """Name the slot that serves, its unit, its directory and its release."""
    slot = (Path("/srv") / site / "live").resolve()
    return {"unit": f"{site}@{slot.name}.service", "slot": str(slot), "release": str((slot / "release").resolve())}


def serve(unit: str, files: dict[str, str], drop_in: str, workers: int) -> float:
    """Restart the unit with these files; return the seconds until all its workers are there."""
    for name, text in files.items():
        path = Path(name)
        original = path.with_name(path.name + ".deployed")
        if path.exists() and not original.exists():
            shutil.copy2(path, original)
        path.write_text(text)
        if original.exists():
            shutil.copymode(original, path)
        else:
            path.chmod(0o644)
    place = Path("/run/systemd/system") / f"{unit}.d" / "benchmark.conf"
    place.parent.mkdir(parents=True, exist_ok=True)
    if not place.exists() or place.read_text() != drop_in:
        place.write_text(drop_in)
        run("systemctl", "daemon-reload")
    began = time.monotonic()
    run("systemctl", "restart", unit)
    while (found := len(_processes(unit)) - 1) < workers:
        if time.monotonic() > began + PATIENCE:
            raise RuntimeError(f"{unit} has {found} of {workers} workers after {PATIENCE:.0f} s")
        time.sleep(0.05)
    booted = time.monotonic() - began
    _count_apart(unit)
    return booted


def _version_1() -> Path | None:
    """Give the directory of the controller that counts CPU time, where control groups are those of version 1."""
    return next(
        (path for path in (CGROUPS / "cpuacct", CGROUPS / "cpu,cpuacct") if (path / "cpuacct.usage").exists()), None
    )


def _count_apart(unit: str) -> None:
    """Make the kernel count the CPU time of a unit; systemd does where control groups are those of version 2."""
    if controller := _version_1():
        group = controller / "benchmark"
        group.mkdir(exist_ok=True)
        for pid in _processes(unit):
            (group / "cgroup.procs").write_text(str(pid))


def _processes(unit: str) -> list[int]:
    """List the main process and its children."""
    main = property_of(unit, "MainPID")
    return [int(main), *map(int, run("sh", "-c", f"pgrep --parent {main} || true").split())]


def _seconds(unit: str) -> float:
    """Read the CPU time of a unit, or of the whole host for an empty name."""
    if controller := _version_1():
        return int((controller / ("benchmark" if unit else ".") / "cpuacct.usage").read_text()) / 1e9
    group = property_of(unit, "ControlGroup").lstrip("/") if unit else "."
    return int(re.findall(r"usage_usec (\d+)", (CGROUPS / group / "cpu.stat").read_text())[0]) / 1e6


def cpu(unit: str = "") -> dict[str, float]:
    """Return seconds of CPU of the host and of a unit, and the seconds for which the host's quota stopped it."""
    found = {"host": _seconds(""), "unit": _seconds(unit) if unit else 0.0, "throttled": 0.0}
    for path in (CGROUPS / name / "cpu.stat" for name in ("cpu", "cpu,cpuacct", ".")):
        if path.exists():
            for name, part in re.findall(r"throttled_(time|usec) (\d+)", path.read_text()):
                found["throttled"] = int(part) / (1e9 if name == "time" else 1e6)
    return found


def memory(unit: str) -> list[dict[str, float]]:
    """Return pid, parent, and MB of memory of each process of a unit: its own (uss), its part of all (pss)."""
    main, *workers = _processes(unit)
    found = []
    for pid in [main, *workers]:
        rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        kb = {name: int(size) for name, size in re.findall(r"^(\w+): +(\d+) kB$", rollup, re.MULTILINE)}
        own = kb["Private_Clean"] + kb["Private_Dirty"]
        found.append(
            {
                "pid": pid,
                "is_main": pid == main,
                "uss": own / 1024,
                "pss": kb["Pss"] / 1024,
                "rss": kb["Rss"] / 1024,
            }
        )
    return found


def read(path: str) -> str:
    """Return a file; the deployed one where it was replaced."""
    deployed = Path(path + ".deployed")
    return (deployed if deployed.exists() else Path(path)).read_text()


COMMANDS = {"run": run, "live": live, "serve": serve, "cpu": cpu, "memory": memory, "read": read}


def main() -> None:
    """Run commands until there are no more."""
    for line in sys.stdin:
        name, arguments = json.loads(line)
        reply: dict[str, Any]
        try:
            words = arguments if isinstance(arguments, list) else []
            names = arguments if isinstance(arguments, dict) else {}
            reply = {"result": COMMANDS[name](*words, **names)}  # type: ignore[operator]
        except Exception as problem:
            reply = {"problem": f"{type(problem).__name__}: {problem}"}
        print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
