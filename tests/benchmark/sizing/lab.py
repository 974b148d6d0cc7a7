"""The lab of the sizing benchmarks: hosts, a deploy by the collection's own playbook, and who works on the hosts."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from .cells import Cell

HERE = Path(__file__).parent
BENCHMARKS = HERE.parent
ROOT = BENCHMARKS.parents[1]
DATABASE = BENCHMARKS / "database.yml"

__all__ = ["BENCHMARKS", "DATABASE", "ROOT", "Agent", "Lab", "Server", "Shape", "say"]


def say(sentence: str) -> None:
    """Print at once, with the time."""
    print(f"{time.strftime('%H:%M:%S')} {sentence}", flush=True)


def login(variables: Mapping[str, Any]) -> list[str]:
    """Give the words that log in to a host by SSH; a command is to follow."""
    return [
        "ssh",
        *variables["ansible_ssh_common_args"].split(),
        "-oControlMaster=no",
        f"-i{variables['ansible_ssh_private_key_file']}",
        f"-p{variables['ansible_port']}",
        f"{variables['ansible_user']}@{variables['ansible_host']}",
    ]


class Agent:
    """agent.py at work on a host, as root."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        program = (HERE / "agent.py").read_text(encoding="utf-8")
        self.process = subprocess.Popen(
            [*login(variables), f"sudo python3 -u -c {shlex.quote(program)}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, command: str, *words: Any, **arguments: Any) -> Any:
        """Run a command there; return its result. Raises RuntimeError with what went wrong on the host."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps([command, arguments or list(words)]) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"The agent ended while it was to do: {command}.")
        reply = json.loads(line)
        if "problem" in reply:
            raise RuntimeError(f"{command}: {reply['problem']}")
        return reply["result"]

    def close(self) -> None:
        """Let it end."""
        assert self.process.stdin
        self.process.stdin.close()
        self.process.wait(timeout=30)


class Lab:
    """The hosts of an inventory, made at the start and removed at the end; `variables` are those of this run."""

    def __init__(self, name: str, inventory: Path, **variables: Any) -> None:
        self.inventory = ROOT / ".cache" / name / "inventory"
        self.inventory.mkdir(parents=True, exist_ok=True)
        # create.yml writes beside the inventory, which must not be the sources.
        for part in inventory.iterdir():
            link = self.inventory / part.name
            link.unlink(missing_ok=True)
            link.symlink_to(part)
        (self.inventory / "run.yml").write_text(yaml.safe_dump({"all": {"vars": variables}}))
        self.log = ROOT / ".cache" / name / "ansible.log"
        self.agents: dict[str, Agent] = {}

    def play(self, playbook: str | Path, *options: str) -> None:
        """Run a playbook; end the benchmark with the end of its output if it fails."""
        done = subprocess.run(
            ["ansible-playbook", f"--inventory={self.inventory}", str(playbook), *options],
            cwd=ROOT,
            env={**os.environ, "ANSIBLE_NOCOLOR": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            check=False,
        )
        with self.log.open("a", encoding="utf-8") as log:
            log.write(done.stdout)
        if done.returncode:
            raise RuntimeError(f"{playbook} failed; {self.log} has it all:\n{done.stdout[-3000:]}")

    def __enter__(self) -> Self:
        # So that the hosts are removed by whatever ends the benchmark.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
        self.play(ROOT / "tests/lab/destroy.yml")
        try:
            self.play(ROOT / "tests/lab/create.yml")
        except BaseException:
            self.play(ROOT / "tests/lab/destroy.yml")
            raise
        runtime = yaml.safe_load((self.inventory / "runtime.yml").read_text())["lab"]
        self.hosts = {name: {**runtime["vars"], **variables} for name, variables in runtime["hosts"].items()}
        return self

    def __exit__(self, *exception: object) -> None:
        for agent in self.agents.values():
            agent.process.kill()
        self.play(ROOT / "tests/lab/destroy.yml")

    def agent(self, host: str) -> Agent:
        """Return who works on a host."""
        if host not in self.agents:
            self.agents[host] = Agent(self.hosts[host])
        return self.agents[host]

    def ssh(self, host: str, *command: str, **options: Any) -> None:
        """Run a command on a host as root; `options` are those of subprocess.run. Raises CalledProcessError."""
        subprocess.run([*login(self.hosts[host]), "sudo", *command], check=True, **options)

    def address(self, host: str) -> str:
        """Return the host's own address."""
        return str(self.hosts[host]["lab_address"])


def ask(**task: Any) -> dict[str, Any]:
    """Let load.py do a task, in a process of its own; return the outcome."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmark.sizing.load"],
        cwd=ROOT,
        input=json.dumps(task),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The load client failed:\n{done.stderr[-2000:]}")
    return dict(json.loads(done.stdout))


@dataclass(frozen=True)
class Machine:
    """What the whole machine did by now, in seconds of CPU: `busy` by CPU, and what it was kept from."""

    busy: tuple[float, ...]
    steal: float
    pressure: float
    own: float
    at: float

    def since(self, before: Machine) -> dict[str, Any]:
        """Return the difference as a mapping; busy remains by CPU."""
        busy = [now - then for now, then in zip(self.busy, before.busy, strict=True)]
        rest = {name: value - getattr(before, name) for name, value in asdict(self).items() if name != "busy"}
        return {"busy": busy, **rest}


def machine() -> Machine:
    """Read /proc/stat and /proc/pressure/cpu."""
    tick = os.sysconf("SC_CLK_TCK")
    busy, steal = [], 0.0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *numbers = line.split()
        if name.startswith("cpu") and name != "cpu":
            user, nice, system, _idle, _iowait, irq, softirq, stolen = map(int, numbers[:8])
            busy.append((user + nice + system + irq + softirq) / tick)
            steal += stolen / tick
    pressure = 0.0
    try:
        some = Path("/proc/pressure/cpu").read_text().splitlines()[0]
        pressure = int(some.rsplit("=", 1)[1]) / 1e6
    except OSError:
        pass
    times = os.times()
    own = times.user + times.system + times.children_user + times.children_system
    return Machine(tuple(busy), steal, pressure, own, time.monotonic())


@dataclass(frozen=True)
class Shape:
    """CPUs of the host, and on which of the machine they and everything else are."""

    cpus: float

    @property
    def apart(self) -> bool:
        """Whether the site has its CPUs for itself."""
        return self.cpus <= 1 and (os.cpu_count() or 1) > 1

    @property
    def site_cpus(self) -> tuple[int, ...]:
        """CPUs of the machine on which the site runs."""
        return (0,) if self.apart else tuple(range(os.cpu_count() or 1))

    @property
    def other_cpus(self) -> tuple[int, ...]:
        """CPUs of the machine on which the database and the client run."""
        return tuple(range(1, os.cpu_count() or 1)) if self.apart else self.site_cpus

    def variables(self) -> dict[str, Any]:
        """Tell the inventory."""
        return {
            "web_cpus": self.cpus,
            "web_cpuset": ",".join(map(str, self.site_cpus)),
            "db_cpuset": ",".join(map(str, self.other_cpus)),
        }


class Server:
    """A site on a host: restarted with other sizes, put under load, and watched meanwhile."""

    def __init__(self, lab: Lab, host: str, name: str, shape: Shape) -> None:
        self.name, self.shape, self.address = name, shape, lab.address(host)
        self.web, self.db = lab.agent(host), lab.agent("db")
        self.site = self.web("live", name)
        self.base = self.web("read", f"{self.site['slot']}/gunicorn.conf.py")

    def serve(self, cell: Cell, **more: Any) -> float:
        """Restart the site's own slot with another size and `more` settings; nothing else of the deploy changes."""
        slot, unit = self.site["slot"], self.site["unit"]
        # systemd would stop starting a unit that is restarted every few seconds.
        drop_in = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nCPUAccounting=yes\nTasksMax=infinity\n"
        if cell.server == "uwsgi":
            settings = {
                "http-socket": f"/run/{unit.removesuffix('.service').replace('@', '-')}/app.sock",
                "chmod-socket": 660,
                "module": f"{self.name}.wsgi:application",
                "processes": cell.processes,
                "threads": cell.threads,
                "listen": 1024,
            }
            flags = ("master", "enable-threads", "need-app", "die-on-term", "vacuum", "disable-logging", "strict")
            text = "\n".join(["[uwsgi]", *(f"{k} = {v}" for k, v in settings.items()), *(f"{k} = true" for k in flags)])
            files = {f"{slot}/uwsgi.ini": text + "\n"}
            drop_in += f"ExecStart=\nExecStart={self.site['release']}/venv/bin/uwsgi --ini {slot}/uwsgi.ini\n"
        else:
            settings = {
                "worker_class": "sync" if cell.threads == 1 else "gthread",
                "workers": cell.processes,
                "threads": cell.threads,
                "worker_connections": cell.connections or cell.threads,
                # No worker is recycled in the middle of a measurement.
                "max_requests": 0,
                **more,
            }
            added = "\n".join(f"{name} = {value!r}" for name, value in settings.items())
            files = {f"{slot}/gunicorn.conf.py": f"{self.base}\n# The benchmark's.\n{added}\n"}
        return float(self.web("serve", unit=unit, files=files, drop_in=drop_in, workers=cell.processes))

    def ask(self, way: str, seconds: float, **task: Any) -> dict[str, Any]:
        """Put a load on the site; give the outcome with what it cost and what else went on."""
        before, used = machine(), self._used()
        outcome = ask(
            way=way,
            seconds=seconds,
            address=self.address,
            host=f"{self.name}.test",
            cpus=self.shape.other_cpus,
            **task,
        )
        now, using = machine(), self._used()
        spent = {name: using[name] - used[name] for name in used}
        return {**outcome, **self._surroundings(now, before, spent), **spent}

    def _used(self) -> dict[str, float]:
        web, db = self.web("cpu", self.site["unit"]), self.db("cpu")
        return {"web": web["host"], "unit": web["unit"], "throttled": web["throttled"], "db": db["host"]}

    def _surroundings(self, now: Machine, before: Machine, spent: Mapping[str, float]) -> dict[str, float]:
        """Tell how much of the site's CPUs others took, and how much the machine did not get at all."""
        passed = now.since(before)
        available = passed["at"] * len(self.shape.site_cpus)
        known = spent["web"] if self.shape.apart else spent["web"] + spent["db"] + passed["own"]
        busy = sum(passed["busy"][cpu] for cpu in self.shape.site_cpus)
        return {
            "foreign": max(0.0, busy - known) / available,
            "steal": passed["steal"] / passed["at"],
            "pressure": passed["pressure"] / passed["at"],
        }
