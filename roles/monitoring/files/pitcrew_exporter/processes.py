# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Merge the metrics that the processes of a slot count, as prometheus_client does for several processes.

Its files are copied first, as far as they are in order: prometheus_client trusts them.
"""

from __future__ import annotations

import os
import re
import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.multiprocess import MultiProcessCollector

from pitcrew_exporter.catalogue import PROCESSES
from pitcrew_exporter.suspicion import Suspicious, names_in, opened_directory, opened_file

__all__ = ["Families", "merged", "worker_pids"]

NAME = re.compile(r"(counter|histogram|summary|gauge_(live)?(all|sum|min|max|mostrecent))_[A-Za-z0-9.-]{1,64}\.db")
WORKER = re.compile(r"worker-(\d{1,6})\.pid")
METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*")
SUFFIXES = {
    "counter": ("_total",),
    "gauge": ("",),
    "histogram": ("_bucket", "_sum", "_count"),
    "summary": ("_sum", "_count"),
}
OURS = {(description.name.removesuffix("_total"), description.type) for description in PROCESSES}

# What one slot may have: 60 workers that count 100 routes each, the most that ours count.
MAX_BYTES = 64 << 20
MAX_ENTRIES = 400_000
MAX_SAMPLES = 50_000
MAX_KEY = 8192
HEAD = 8
INTEGER = struct.Struct("i")
VALUE = 16


class Families:
    """The metrics of all processes of all slots, by name."""

    def __init__(self) -> None:
        self._by_name: dict[str, Metric] = {}

    def __iter__(self) -> Iterator[Metric]:
        return iter(sorted(self._by_name.values(), key=lambda metric: metric.name))

    def add(self, metrics: Iterable[Metric]) -> list[str]:
        """Add those of a slot; return what is wrong with those that have been left out."""
        problems = []
        for metric in metrics:
            family = self._by_name.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
            if family.type != metric.type:
                problems.append(f"{metric.name} is a {metric.type}, and a {family.type} elsewhere on this host")
            else:
                family.samples += metric.samples
        return problems


def merged(run: int, site: str, slot: str) -> tuple[list[Metric], list[str]]:
    """Return the metrics of a slot with labels for site and slot, and what is wrong with what has been left out.

    C(run) is the slot's runtime directory. Raises FileNotFoundError if its processes count nothing.
    """
    problems: list[str] = []
    with (
        opened_directory("metrics", run) as directory,
        tempfile.TemporaryDirectory(dir=os.environ.get("RUNTIME_DIRECTORY")) as copies,
    ):
        files = _copied(directory, Path(copies), problems)
        found = list(_merge(files, problems))
    if sum(len(metric.samples) for metric in found) > MAX_SAMPLES:
        raise Suspicious(f"there are more than {MAX_SAMPLES} time series")
    return [metric for metric in found if _is_in_order(metric, site, slot, problems)], problems


def worker_pids(run: int) -> dict[int, str]:
    """Return the name of each worker by its process id, as the workers of a slot have noted it; often not all have."""
    found: dict[int, str] = {}
    try:
        with opened_directory("metrics", run) as directory:
            for name in names_in(directory):
                if match := WORKER.fullmatch(name):
                    with opened_file(name, directory) as file:
                        text = os.pread(file, 16, 0).strip()
                    if text.isdigit():
                        found[int(text)] = match.group(1)
    except (FileNotFoundError, Suspicious):  # The other part of the metrics reports it.
        pass
    return found


def _copied(directory: int, copies: Path, problems: list[str]) -> list[str]:
    """Copy the used part of each file that is in order; return the paths of the copies."""
    files, size, entries = [], 0, 0
    for name in names_in(directory):
        if not name.endswith(".db"):
            continue
        try:
            if not NAME.fullmatch(name):
                raise Suspicious(f"{name!r} is not a name of prometheus_client")
            with opened_file(name, directory) as file:
                data = _used(file, name, MAX_BYTES - size)
            entries += _count(data, name)
        except FileNotFoundError:
            continue
        except Suspicious as problem:
            problems.append(str(problem))
            continue
        size += len(data)
        if entries > MAX_ENTRIES:
            raise Suspicious(f"there are more than {MAX_ENTRIES} values")
        if data:
            copy = copies / name
            copy.write_bytes(data)
            files.append(str(copy))
    return files


def _used(file: int, name: str, limit: int) -> bytes:
    """Return the part of a file that is in use; files are larger, and sparse."""
    head = os.pread(file, HEAD, 0)
    if not head:  # It has just been created.
        return b""
    if len(head) < HEAD:
        raise Suspicious(f"{name!r} is cut short")
    [used] = INTEGER.unpack_from(head)
    if used == 0:
        return b""
    if not HEAD <= used <= limit:
        raise Suspicious(f"{name!r} claims {used} bytes")
    data = os.pread(file, used, 0)
    if len(data) < used:
        raise Suspicious(f"{name!r} is cut short")
    return data


def _count(data: bytes, name: str) -> int:
    """Count the entries; each is a length, a key, padding to a multiple of 8, a value and a time."""
    position, count = HEAD, 0
    while position < len(data):
        if position + INTEGER.size > len(data):
            raise Suspicious(f"{name!r} is damaged")
        [length] = INTEGER.unpack_from(data, position)
        if not 0 < length <= MAX_KEY:
            raise Suspicious(f"{name!r} is damaged")
        position += INTEGER.size + length + 8 - (length + INTEGER.size) % 8 + VALUE
        count += 1
    if position > len(data) > 0:
        raise Suspicious(f"{name!r} is damaged")
    return count


def _merge(files: list[str], problems: list[str]) -> Iterable[Metric]:
    """Merge the files; if that fails, those of them that can be merged."""
    try:
        return MultiProcessCollector.merge(files)
    except Exception:
        return MultiProcessCollector.merge([file for file in files if _can_be_merged(file, problems)])


def _can_be_merged(file: str, problems: list[str]) -> bool:
    try:
        MultiProcessCollector.merge([file])
    except Exception as error:
        problems.append(f"{Path(file).name!r} is damaged: {type(error).__name__}")
        return False
    return True


def _is_in_order(metric: Metric, site: str, slot: str, problems: list[str]) -> bool:
    """Whether a metric is one that Prometheus accepts, and not one of ours by its name; add labels to its samples.

    A label of the same name is renamed, as Prometheus does when it scrapes.
    """
    try:
        if not isinstance(metric.name, str) or not METRIC.fullmatch(metric.name):
            raise Suspicious(f"{metric.name!r} is not the name of a metric")
        if metric.name.startswith("pitcrew_") and (metric.name, metric.type) not in OURS:
            raise Suspicious(f"{metric.name} has the name of a metric of the exporter")
        names = {metric.name + suffix for suffix in SUFFIXES[metric.type]}
        metric.documentation = str(metric.documentation)
        samples, known = [], set()
        for sample in metric.samples:
            labels = {
                (f"exported_{name}" if name in ("site", "slot") else name): sample.labels[name]
                for name in sample.labels
            }
            texts = all(isinstance(text, str) and LABEL.fullmatch(text) for text in labels)
            if sample.name not in names or not texts or not all(isinstance(text, str) for text in labels.values()):
                raise Suspicious(f"{metric.name} has a sample or a label that it cannot have")
            labels |= {"site": site, "slot": slot}
            key = (sample.name, *sorted(labels.items()))
            if key not in known:
                known.add(key)
                samples.append(sample._replace(labels=labels))
    except Suspicious as problem:
        problems.append(str(problem)[:200])
        return False
    metric.samples = samples
    return True
