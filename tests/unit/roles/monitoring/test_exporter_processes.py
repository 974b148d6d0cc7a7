"""The metrics of a slot's processes are merged, whatever else one of them leaves in their directory."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from exporter_files import Count
from pitcrew_exporter import processes
from pitcrew_exporter.processes import Families, merged, worker_pids
from pitcrew_exporter.suspicion import Suspicious, opened_directory
from prometheus_client import CollectorRegistry, Metric, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

SITE = {"site": "shop", "slot": "blue"}


def read(run: Path) -> tuple[list[Metric], list[str]]:
    """Merge what is in the slot's directory."""
    with opened_directory(run) as number:
        return merged(number, "shop", "blue")


def values(metrics: list[Metric]) -> dict[tuple[str, ...], float]:
    """Give each sample by its name and the values of its labels."""
    return {(sample.name, *sample.labels.values()): sample.value for metric in metrics for sample in metric.samples}


def entry(key: str, value: float = 1.0) -> bytes:
    """Write an entry as prometheus_client does."""
    text = key.encode()
    text += b" " * (8 - (len(text) + 4) % 8)
    return struct.pack(f"i{len(text)}sdd", len(key.encode()), text, value, 0.0)


def db(*entries: bytes) -> bytes:
    """Write a file of entries."""
    content = b"".join(entries)
    return struct.pack("ii", 8 + len(content), 0) + content


def key(name: str, sample: str, labels: object, text: object = "") -> str:
    """Name a value as prometheus_client does."""
    return json.dumps([name, sample, labels, text])


def test_the_processes_of_a_slot_are_one(run: Path, count: Count) -> None:
    """Counters, histograms and live gauges are added up, with the labels of site and slot."""
    count("1")
    count("2")
    metrics, problems = read(run)
    assert problems == []
    assert values(metrics) == {
        ("pitcrew_request_duration_seconds_sum", "/", "2xx", "shop", "blue"): pytest.approx(1.1),
        ("pitcrew_request_duration_seconds_bucket", "/", "2xx", "0.1", "shop", "blue"): 2.0,
        ("pitcrew_request_duration_seconds_bucket", "/", "2xx", "1.0", "shop", "blue"): 4.0,
        ("pitcrew_request_duration_seconds_bucket", "/", "2xx", "+Inf", "shop", "blue"): 4.0,
        ("pitcrew_request_duration_seconds_count", "/", "2xx", "shop", "blue"): 4.0,
        ("shop_orders_total", "book", "shop", "blue"): 6.0,
        ("pitcrew_requests_in_progress", "shop", "blue"): 4.0,
    }
    assert {metric.name: metric.documentation for metric in metrics}["shop_orders"] == "Orders"


def test_gauges_are_merged_as_they_ask_for(run: Path, count: Count) -> None:
    """The modes of prometheus_client: one value for each process, the largest one, the latest one."""
    program = """
Gauge("each", "", multiprocess_mode="all").set(N)
Gauge("most", "", multiprocess_mode="max").set(N)
Gauge("latest", "", multiprocess_mode="mostrecent").set(N)
Summary("size", "").observe(N)
"""
    count("1", program.replace("N", "7"))
    count("2", program.replace("N", "5"))
    assert values(read(run)[0]) == {
        ("each", "1", "shop", "blue"): 7.0,
        ("each", "2", "shop", "blue"): 5.0,
        ("most", "shop", "blue"): 7.0,
        ("latest", "shop", "blue"): 5.0,
        ("size_count", "shop", "blue"): 2.0,
        ("size_sum", "shop", "blue"): 12.0,
    }


def test_processes_that_count_nothing(run: Path) -> None:
    (run / "metrics").rmdir()
    with pytest.raises(FileNotFoundError):
        read(run)


def test_a_label_of_ours_is_renamed(run: Path, count: Count) -> None:
    """As Prometheus does when it scrapes."""
    count("1", 'Counter("orders", "", ["site", "slot"]).labels("berlin", "3").inc()')
    [metric] = read(run)[0]
    assert metric.samples[0].labels == {"exported_site": "berlin", "exported_slot": "3", **SITE}


HOSTILE: dict[str, Callable[[Path], None]] = {
    "garbage": lambda file: file.write_bytes(os.urandom(4096)),
    "garbage of the right length": lambda file: file.write_bytes(struct.pack("ii", 4096, 0) + b"\xff" * 4088),
    "a length below zero": lambda file: file.write_bytes(struct.pack("iii", 64, 0, -60) + b"x" * 52),
    "a length beyond the end": lambda file: file.write_bytes(struct.pack("iii", 64, 0, 4000) + b"x" * 52),
    "cut short": lambda file: file.write_bytes(db(entry(key("a", "a_total", {})))[:-9]),
    "a few bytes": lambda file: file.write_bytes(b"\1\2"),
    "a gigabyte in use": lambda file: file.write_bytes(struct.pack("ii", 1 << 30, 0)),
    "a sparse gigabyte in use": lambda file: (
        file.write_bytes(struct.pack("ii", 1 << 30, 0)),
        os.truncate(file, 1 << 30),
    ),
    "a pipe": lambda file: os.mkfifo(file),
    "a link": lambda file: file.symlink_to("/etc/shadow"),
    "a link to a file of its own": lambda file: file.symlink_to("counter_1.db"),
    "a directory": lambda file: file.mkdir(),
    "a key that is too deep": lambda file: file.write_bytes(db(entry("[" * 8000))),
    "a key that is no JSON": lambda file: file.write_bytes(db(entry("shop_orders"))),
    "a key of another kind": lambda file: file.write_bytes(db(entry('{"name": 1}'))),
    "a key that is no text": lambda file: file.write_bytes(db(entry("x").replace(b"x", b"\xff"))),
    "labels that are none": lambda file: file.write_bytes(db(entry(key("a", "a_total", [1, 2])))),
    "a name that is none": lambda file: file.write_bytes(db(entry(key("a b\n", "a b\n_total", {})))),
    "a name that is no text": lambda file: file.write_bytes(db(entry(json.dumps([1, 2, {}, ""])))),
    "a label that is none": lambda file: file.write_bytes(db(entry(key("a", "a_total", {'x"} 1\n': "1"})))),
    "a label's value that is no text": lambda file: file.write_bytes(db(entry(key("a", "a_total", {"x": 1})))),
    "a sample of another metric": lambda file: file.write_bytes(db(entry(key("a", "shop_orders_total", {})))),
    "a metric of the exporter": lambda file: file.write_bytes(
        db(entry(key("pitcrew_deploy_success", "pitcrew_deploy_success", {})))
    ),
    "a metric of ours of another type": lambda file: file.write_bytes(
        db(entry(key("pitcrew_request_queue_seconds", "pitcrew_request_queue_seconds_total", {})))
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_not_in_order_hides_no_other(run: Path, count: Count, name: str) -> None:
    """It is left out, and said to be."""
    count("1")
    good, _problems = read(run)
    HOSTILE[name](run / "metrics/counter_9.db")
    metrics, problems = read(run)
    assert values(metrics) == values(good)
    assert len(problems) == 1
    assert len(problems[0]) <= 300
    registry = CollectorRegistry()
    registry.register(Fixed(metrics))
    assert b"shop_orders_total" in generate_latest(registry)
    assert b"shop_orders_total" in generate_openmetrics(registry)


class Fixed:
    """A collector of metrics that are known."""

    def __init__(self, metrics: list[Metric]) -> None:
        self.metrics = metrics

    def collect(self) -> list[Metric]:
        """Give them."""
        return self.metrics


@pytest.mark.parametrize(
    "name", ["counter_../../x.db", "x.db", "gauge_1.db", "gauge_some_1.db", "counter_1_2.db", "histogram_.db"]
)
def test_a_name_that_prometheus_client_does_not_give(run: Path, count: Count, name: str) -> None:
    count("1")
    (run / "metrics" / name.replace("/", "\\")).write_bytes(db(entry(key("a", "a_total", {}))))
    metrics, problems = read(run)
    assert ("shop_orders_total", "book", "shop", "blue") in values(metrics)
    assert len(problems) == 1


def test_a_file_of_somebody_else(run: Path, count: Count, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a hard link to one that only root may read."""
    count("1")
    file = run / "metrics/counter_2.db"
    file.write_bytes(db(entry(key("a", "a_total", {}))))
    inode, fstat = file.stat().st_ino, os.fstat

    def owned(number: int) -> os.stat_result:
        found = fstat(number)
        if found.st_ino != inode:
            return found
        changed = list(found)
        changed[4] += 1
        return os.stat_result(changed)

    monkeypatch.setattr(os, "fstat", owned)
    metrics, problems = read(run)
    assert ("shop_orders_total", "book", "shop", "blue") in values(metrics)
    assert problems == ["'counter_2.db' does not belong to the owner of its directory"]


def test_the_directory_is_a_link(run: Path, tmp_path: Path) -> None:
    (run / "metrics").rmdir()
    (tmp_path / "elsewhere").mkdir()
    (run / "metrics").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Suspicious, match="'metrics' cannot be opened"):
        read(run)


def test_a_file_that_is_sparse_and_hardly_used_is_read(run: Path, count: Count) -> None:
    """Files are as large as prometheus_client makes them, and more."""
    count("1")
    os.truncate(run / "metrics/counter_1.db", 1 << 30)
    metrics, problems = read(run)
    assert problems == []
    assert ("shop_orders_total", "book", "shop", "blue") in values(metrics)


@pytest.mark.parametrize("content", [b"", bytes(8), bytes(65536), db()])
def test_a_file_that_has_just_been_created(run: Path, content: bytes) -> None:
    (run / "metrics/counter_1.db").write_bytes(content)
    assert read(run) == ([], [])


@pytest.mark.parametrize(
    ("limit", "value", "message"),
    [("MAX_ENTRIES", 3, "more than 3 values"), ("MAX_SAMPLES", 3, "more than 3 time series")],
)
def test_there_is_a_limit_for_a_slot(
    run: Path, count: Count, monkeypatch: pytest.MonkeyPatch, limit: str, value: int, message: str
) -> None:
    count("1")
    monkeypatch.setattr(processes, limit, value)
    with pytest.raises(Suspicious, match=message):
        read(run)


def test_there_is_a_limit_for_the_bytes_of_a_slot(run: Path, count: Count, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that does not fit any more is left out."""
    count("1")
    monkeypatch.setattr(processes, "MAX_BYTES", 300)
    metrics, problems = read(run)
    assert [metric.name for metric in metrics] == ["shop_orders", "pitcrew_requests_in_progress"]
    assert problems == [f"'histogram_1.db' claims {problems[0].split()[-2]} bytes"]


def test_there_is_a_limit_for_the_files_of_a_slot(run: Path) -> None:
    for number in range(4097):
        (run / f"metrics/counter_{number}.db").touch()
    with pytest.raises(Suspicious, match="more than 4096 files"):
        read(run)


def test_two_sites_that_mean_different_things_by_a_name(run: Path, count: Count) -> None:
    """Prometheus knows one type for each name: the second one is left out, and said to be."""
    families = Families()
    count("1", 'Counter("orders", "").inc()')
    assert families.add(read(run)[0]) == []
    (run / "metrics/counter_1.db").unlink()
    count("1", 'Gauge("orders", "", multiprocess_mode="livesum").set(1)\nCounter("more", "").inc()')
    assert families.add(read(run)[0]) == ["orders is a gauge, and a counter elsewhere on this host"]
    assert [(metric.name, metric.type) for metric in families] == [("more", "counter"), ("orders", "counter")]


def test_workers_say_who_they_are(run: Path) -> None:
    """By files that hold process ids; anything else there is no worker."""
    directory = run / "metrics"
    (directory / "worker-1.pid").write_text("412\n")
    (directory / "worker-2.pid").write_text("413")
    (directory / "worker-3.pid").write_text("x")
    (directory / "worker-x.pid").write_text("414")
    with opened_directory(run) as number:
        assert worker_pids(number) == {412: "1", 413: "2"}
        os.mkfifo(directory / "worker-0.pid")
        assert worker_pids(number) == {}


def test_files_of_the_format_before_0_17(run: Path) -> None:
    """They have no times, and are read as damaged: a site whose prometheus_client is older is said to be."""
    (run / "metrics/counter_1.db").write_bytes(
        struct.pack("ii", 8 + 44, 0) + struct.pack("i28sd", 24, key("a", "a_total", {}).encode().ljust(28), 1.0)
    )
    metrics, problems = read(run)
    assert metrics == []
    assert len(problems) == 1
