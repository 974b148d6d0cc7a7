# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a plan is made from: the host, the inputs for the site, and the checks that both must pass.

Every default and every allowed range of the sizing model lives here, once.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Protocol, TypeVar

from .policies import RULES

__all__ = [
    "DEFAULT_SOMAXCONN",
    "LOAD_KINDS",
    "POLICIES",
    "PROFILES",
    "SERVER_OVERHEAD_MS",
    "SERVICE_INPUTS",
    "Host",
    "Inputs",
    "Load",
    "Profile",
    "SizingError",
]

T = TypeVar("T")


class _Rule(Protocol):
    """What a value must be; returns it as a plain number, text or flag, or raises SizingError."""

    def check(self, name: str, value: Any) -> Any: ...


class SizingError(ValueError):
    """No plan can be made: which input is at fault, and why, with its value and the way out."""

    def __init__(self, input_name: str, reason: str) -> None:
        super().__init__(f"{input_name}: {reason}")
        self.input_name = input_name
        self.reason = reason


@dataclass(frozen=True)
class Profile:
    """A workload that stands in for one that has not been measured yet (section 3)."""

    cpu_ms: float
    wait_ms: float


PROFILES: Final[Mapping[str, Profile]] = {
    "cpu": Profile(20, 0),
    "template": Profile(5, 2),
    "orm": Profile(10, 6),
    "mixed": Profile(19, 11),
    "api": Profile(8, 60),
    "slow_api": Profile(8, 250),
}

SERVER_OVERHEAD_MS: Final[Mapping[str, float]] = {"gunicorn": 0.7, "uwsgi": 0.2}
"""CPU time that the server itself spends on one request (section 3)."""

DEFAULT_SOMAXCONN: Final = 4096
"""Longest listen queue by default, of kernels since 5.4."""

POLICIES: Final = ("model", *RULES)
"""Who chooses workers and threads: the model, or a rule of thumb."""

SERVICE_INPUTS: Final = (
    "postgresql_connections",
    "postgresql_reserved",
    "postgresql_databases",
    "postgresql_buffers_mb",
    "redis_mb",
    "redis_cache_mb",
)
"""Inputs of services that share the site's host. A plan without such services does not contain them."""

LOAD_KINDS: Final = ("one", "threads", "pool", "separate")
"""What a background process is made of: one process, threads of it, forked processes, or separate ones."""


@dataclass(frozen=True)
class _Number:
    """A finite number within bounds; `over` excludes the lower bound itself."""

    low: float
    high: float
    whole: bool = False
    over: bool = False

    def check(self, name: str, value: Any) -> float | int:
        kind = "a whole number" if self.whole else "a number"
        low = f"above {self.low:.12g} and" if self.over else f"from {self.low:.12g}"
        expected = f"expected {kind} {low} {'at most' if self.over else 'to'} {self.high:.12g}"
        if isinstance(value, str):
            cast = "int" if self.whole else "float"
            raise SizingError(name, f"{expected}, got the text {value!r}; add `| {cast}` to it")
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise SizingError(name, f"{expected}, got {value!r}")
        too_low = value <= self.low if self.over else value < self.low
        if not math.isfinite(value) or too_low or value > self.high:
            raise SizingError(name, f"{expected}, got {value!r}")
        if self.whole:
            if value != int(value):
                raise SizingError(name, f"{expected}, got {value!r}; add `| int` to round it down")
            return int(value)
        return float(value)


@dataclass(frozen=True)
class _Flag:
    def check(self, name: str, value: Any) -> bool:
        if not isinstance(value, bool):
            cure = "; add `| bool` to it" if isinstance(value, (str, int)) else ""
            raise SizingError(name, f"expected true or false, got {value!r}{cure}")
        return value


@dataclass(frozen=True)
class _Choice:
    choices: tuple[str, ...]

    def check(self, name: str, value: Any) -> str:
        if not isinstance(value, str) or value not in self.choices:
            raise SizingError(name, f"expected one of {', '.join(self.choices)}, got {value!r}")
        return str(value)


def _rules(cls: type) -> dict[str, _Rule]:
    return {f.name: f.metadata["rule"] for f in fields(cls) if "rule" in f.metadata}


def _check(rules: Mapping[str, _Rule], name: str, value: Any, where: str = "") -> Any:
    if name not in rules:
        near = difflib.get_close_matches(str(name), rules, n=1)
        hint = f"did you mean {near[0]}?" if near else f"the inputs are {', '.join(rules)}"
        raise SizingError(f"{where}{name}", f"there is no such input; {hint}")
    return None if value is None else rules[name].check(f"{where}{name}", value)


def _said(default: T, rule: _Rule) -> T:
    # The dataclasses below call field() through this function, which pylint does not see.
    return field(default=default, metadata={"rule": rule})  # pylint: disable=invalid-field-call


def _number(default: T, low: float, high: float, over: bool = False) -> T:
    return _said(default, _Number(low, high, over=over))


def _whole(default: T, low: int, high: int) -> T:
    return _said(default, _Number(low, high, whole=True))


def _choice(default: str, choices: tuple[str, ...]) -> str:
    return _said(default, _Choice(choices))


def _flag(default: bool) -> bool:
    return _said(default, _Flag())


@dataclass(frozen=True, kw_only=True)
class Host:
    """What the host offers, and where each number comes from.

    `cpus` counts the CPUs that its processes can really use: 0.5 under a quota of half a CPU.
    """

    cpus: float = _number(math.nan, 0.01, 65_536)
    memory_mb: float = _number(math.nan, 1, 1e9)
    somaxconn: int | None = _whole(None, 1, 2**31)
    nofile_max: int | None = _whole(None, 1, 2**63)
    cpus_source: str = "cpus"
    memory_source: str = "memory_mb"

    @property
    def has_quota(self) -> bool:
        """Whether the site meets a CPU at full speed, but not all the time: no machine has less than one."""
        return self.cpus < 1

    @classmethod
    def of(cls, values: Mapping[str, Any], cpus_source: str = "cpus", memory_source: str = "memory_mb") -> Host:
        """Check the numbers; both `cpus` and `memory_mb` are required. Raises SizingError."""
        numbers = {
            name: rule.check(name, values[name]) for name, rule in _rules(cls).items() if values.get(name) is not None
        }
        for name in ("cpus", "memory_mb"):
            if name not in numbers:
                raise SizingError(name, "missing; give both cpus and memory_mb, or gathered facts")
        return cls(**numbers, cpus_source=cpus_source, memory_source=memory_source)


@dataclass(frozen=True, kw_only=True)
class Load:
    """A background process beside the web processes: how many units it has, and what one unit is made of.

    `concurrency` is how many tasks one unit has at a time, None if the plan is to choose; each is a thread, or so many
    processes (`processes_per_slot`), of `threads` threads where processes share nothing. Beside a pool there are
    `attendants`, processes that hold the application, too, unless it has a concurrency of one and `runs_alone`.
    `memory_mb` and `database_connections` are those of one unit; None if they follow from the rest.
    """

    name: str
    count: int = _whole(1, 1, 1_000)
    single: bool = _flag(False)
    kind: str = _choice("one", LOAD_KINDS)
    concurrency: int | None = _whole(None, 1, 10_000)
    threads: int = _whole(1, 1, 1_024)
    attendants: int = _whole(0, 0, 100)
    runs_alone: bool = _flag(False)
    processes_per_slot: int = _whole(1, 1, 100)
    attendant_connections: int = _whole(0, 0, 10_000)
    memory_mb: float | None = _number(None, 1, 1e9)
    database_connections: int | None = _whole(None, 0, 1_000_000)

    @classmethod
    def of(cls, name: str, values: Mapping[str, Any]) -> Load:
        """Check the values one by one. Raises SizingError."""
        where = f"processes[{name}]"
        if not isinstance(values, Mapping):
            raise SizingError(where, f"expected a mapping, got {values!r}")
        rules = _rules(cls)
        checked = {key: _check(rules, key, value, f"{where}.") for key, value in values.items()}
        return cls(name=name, **{key: value for key, value in checked.items() if value is not None})

    @property
    def told(self) -> dict[str, Any]:
        """What was set, by its name."""
        return {name: value for name, value in asdict(self).items() if name != "name"}


@dataclass(frozen=True)
class _Loads:
    """A mapping of background processes by their names, as a tuple."""

    def check(self, name: str, value: Any) -> tuple[Load, ...]:
        if not isinstance(value, Mapping):
            raise SizingError(name, f"expected a mapping of names, got {value!r}")
        return tuple(Load.of(str(one), given) for one, given in value.items())


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """Everything that can be set for a site. The names have the units: milliseconds, seconds, MB.

    None means that it is not set: the profile, the host or the model then decides.
    """

    server: str = _choice("gunicorn", ("gunicorn", "uwsgi"))
    interface: str = _choice("wsgi", ("wsgi", "asgi"))

    profile: str = _choice("mixed", tuple(PROFILES))
    cpu_ms: float | None = _number(None, 0, 600_000, over=True)
    wait_ms: float | None = _number(None, 0, 3_600_000)
    cv_cpu: float = _number(1.0, 0, 3)
    cv_wait: float = _number(1.0, 0, 3)
    max_request_s: float = _number(30.0, 0, 86_400, over=True)
    boot_s: float = _number(3.0, 0, 3_600, over=True)
    drain_long_s: float = _number(0.0, 0, 86_400)
    thread_safe: bool = _flag(True)
    free_threaded: bool = _flag(False)

    worker_unique_mb: float = _number(65.0, 0, 1_000_000, over=True)
    worker_shared_mb: float = _number(35.0, 0, 1_000_000)
    thread_mb: float = _number(2.0, 0, 100_000)
    growth_mb: float = _number(30.0, 0, 1_000_000)
    leak_kb_per_request: float | None = _number(None, 0, 1_000_000, over=True)
    master_mb: float = _number(65.0, 0, 1_000_000)
    preload: bool = _flag(True)

    capacity_share: float = _number(1.0, 0, 1, over=True)
    memory_reserve_mb: float | None = _number(None, 0, 1e9)
    reload_overlap: float = _number(2.0, 1, 4)
    db_connections: int | None = _whole(None, 1, 1_000_000)
    db_hosts: int = _whole(1, 1, 100_000)
    db_aliases: int = _whole(1, 1, 100)
    somaxconn: int | None = _whole(None, 1, 2**31)

    postgresql_connections: int | None = _whole(None, 1, 262_143)
    postgresql_reserved: int | None = _whole(None, 0, 262_143)
    postgresql_databases: int | None = _whole(None, 1, 100_000)
    postgresql_buffers_mb: float | None = _number(None, 0, 1e9)
    redis_mb: float | None = _number(None, 1, 1e9)
    redis_cache_mb: float | None = _number(None, 1, 1e9)

    processes: tuple[Load, ...] | None = _said(None, _Loads())
    processes_cpu_share: float = _number(0.2, 0.01, 0.9)

    target_utilisation: float = _number(0.70, 0.05, 0.95)
    slo_p99_ms: float | None = _number(None, 0, 86_400_000, over=True)
    max_queue_s: float = _number(5.0, 0, 3_600, over=True)
    max_threads: int = _whole(64, 1, 1_024)

    policy: str = _choice("model", POLICIES)
    workers: int | None = _whole(None, 1, 100_000)
    threads: int | None = _whole(None, 1, 1_024)
    running_workers: int | None = _whole(None, 1, 100_000)
    running_threads: int | None = _whole(None, 1, 1_024)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Inputs:
        """Check the values one by one, then together. Raises SizingError."""
        rules = _rules(cls)
        checked = {name: _check(rules, name, value) for name, value in values.items()}
        inputs = cls(**{name: value for name, value in checked.items() if value is not None})
        inputs._check_together()
        return inputs

    @classmethod
    def errors(cls, values: Mapping[str, Any]) -> Iterator[SizingError]:
        """Give what is wrong with each input by itself, where `of` would stop at the first."""
        rules = _rules(cls)
        for name, value in values.items():
            try:
                _check(rules, name, value)
            except SizingError as error:
                yield error

    def _check_together(self) -> None:
        if self.server == "uwsgi" and self.interface == "asgi":
            raise SizingError("interface", "uWSGI does not support 'asgi'; use server='gunicorn' or interface='wsgi'")
        if self.server == "uwsgi" and self.free_threaded:
            raise SizingError("free_threaded", "uWSGI needs the interpreter lock; use server='gunicorn'")
        if self.interface == "asgi" and self.threads is not None:
            raise SizingError("threads", f"{self.threads!r} has no effect with 'asgi'; leave it out")
        if not self.thread_safe and (self.threads or 1) > 1:
            raise SizingError("threads", f"{self.threads!r} contradicts thread_safe=false; change one of them")
        for pin in ("workers", "threads"):
            if self.policy != "model" and getattr(self, pin) is not None:
                raise SizingError(
                    pin,
                    f"{getattr(self, pin)!r} and policy={self.policy!r} choose the same thing; leave one of them out",
                )
        if (self.running_workers is None) != (self.running_threads is None):
            missing = "running_threads" if self.running_threads is None else "running_workers"
            raise SizingError(missing, "missing; give running_workers and running_threads, or neither")

        if self.postgresql_connections is None:
            for name in SERVICE_INPUTS:
                if name.startswith("postgresql_") and getattr(self, name) is not None:
                    raise SizingError(
                        name,
                        f"{getattr(self, name)!r} has no effect without postgresql_connections; set that to the "
                        "max_connections of the PostgreSQL on this host, or leave it out",
                    )

    @property
    def known(self) -> dict[str, Any]:
        """All inputs by their names, without those of services, processes and interfaces that it does not have."""
        absent = {name for name in SERVICE_INPUTS if getattr(self, name) is None}
        if not self.processes:
            absent |= {"processes", "processes_cpu_share"}
        if not self.event_loop:
            absent.add("drain_long_s")
        values = {**asdict(self), "processes": {load.name: load.told for load in self.processes or ()}}
        return {name: value for name, value in values.items() if name not in absent}

    @property
    def source(self) -> str:
        """Where the times of a request come from: a profile, the inputs, or one from each."""
        given = (self.cpu_ms is not None) + (self.wait_ms is not None)
        return ("profile", "profile and inputs", "inputs")[given]

    @property
    def cpu_per_request_ms(self) -> float:
        """CPU of the application and of the server for one request."""
        cpu_ms = PROFILES[self.profile].cpu_ms if self.cpu_ms is None else self.cpu_ms
        return cpu_ms + SERVER_OVERHEAD_MS[self.server]

    @property
    def wait_per_request_ms(self) -> float:
        """Time for which one request holds its slot without using a CPU."""
        return PROFILES[self.profile].wait_ms if self.wait_ms is None else self.wait_ms

    @property
    def one_request_per_worker(self) -> bool:
        """Whether a worker may serve one request at a time only."""
        return not self.thread_safe and self.interface == "wsgi"

    @property
    def event_loop(self) -> bool:
        """Whether a worker serves its requests in one event loop instead of in threads."""
        return self.interface == "asgi"

    @property
    def interpreter_lock(self) -> bool:
        """Whether one thread of a process computes at a time."""
        return not self.free_threaded

    @property
    def free(self) -> Inputs:
        """The same with nothing pinned."""
        return replace(self, policy="model", workers=None, threads=None)

    @property
    def is_pinned(self) -> bool:
        """Whether anything but the model chooses the layout."""
        return self != self.free
