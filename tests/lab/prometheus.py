"""What Prometheus on a lab host says, asked through the shell of that host: it listens on its loopback address."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from testinfra.host import Host

__all__ = ["Prometheus", "soon"]


def soon(ask: Callable[[], Any], seconds: float = 60) -> Any:
    """Repeat a question until its answer is true, and return the answer; the last one if it never is."""
    deadline = time.monotonic() + seconds
    while not (found := ask()) and time.monotonic() < deadline:
        time.sleep(0.5)
    return found


class Prometheus:
    """The API of Prometheus on a host."""

    def __init__(self, host: Host) -> None:
        self.host = host

    def ask(self, path: str, **parameters: str) -> Any:
        """Return the data of an answer."""
        url = f"http://127.0.0.1:9090/api/v1/{path}?{urlencode(parameters)}"
        answer: dict[str, Any] = json.loads(self.host.check_output("curl -sS %s", url))
        assert answer["status"] == "success", answer
        return answer["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the current samples of an expression."""
        return list(self.ask("query", query=expression)["result"])

    def query_range(self, expression: str, seconds: float, step: float) -> list[dict[str, Any]]:
        """Return the series of an expression over the last seconds."""
        now = time.time()
        return list(
            self.ask("query_range", query=expression, start=f"{now - seconds}", end=f"{now}", step=f"{step}")["result"]
        )

    def alerts(self) -> set[str]:
        """Return the names of all alerts that fire, or are about to."""
        return {alert["labels"]["alertname"] for alert in self.ask("alerts")["alerts"]}

    def fired(self, since: float) -> dict[str, tuple[float, float]]:
        """Return when each alert has first and last fired since a time, in seconds since the epoch."""
        times: dict[str, list[float]] = {}
        for series in self.query_range('ALERTS{alertstate="firing"}', time.time() - since, 1):
            times.setdefault(series["metric"]["alertname"], []).extend(float(at) for at, _value in series["values"])
        return {name: (min(found), max(found)) for name, found in times.items()}
