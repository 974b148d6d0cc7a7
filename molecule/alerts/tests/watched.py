"""The site of this scenario, and what its tests do with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus import Prometheus
from testinfra.host import Host

__all__ = ["Site"]


@dataclass(frozen=True)
class Site:
    """The site on its host, and Prometheus there."""

    host: Host
    prometheus: Prometheus

    @property
    def slot(self) -> str:
        """The slot that serves."""
        return self.host.file("/srv/shop/live").linked_to.rpartition("/")[2]

    @property
    def unit(self) -> str:
        """Its unit."""
        return f"shop@{self.slot}.service"

    @property
    def main(self) -> int:
        """Its main process; 0 if there is none."""
        return int(self.host.check_output("systemctl show --property=MainPID --value %s", self.unit))

    @property
    def workers(self) -> list[str]:
        """Its workers."""
        return self.host.run("cat /proc/%s/task/%s/children", str(self.main), str(self.main)).stdout.split()

    def run(self, script: str) -> str:
        """Run a script on the host."""
        return self.host.check_output("bash -ec %s", script)

    def answers(self) -> bool:
        """Whether the site is healthy for visitors."""
        visit = "curl -fsk --max-time 5 --resolve shop.test:443:127.0.0.1 https://shop.test/healthz/"
        return self.host.run(visit).rc == 0

    @contextmanager
    def visitors(self, name: str, path: str, at_a_time: int) -> Iterator[None]:
        """Have so many visitors at a time request a page again and again."""
        curl = f"curl --parallel --parallel-max {at_a_time} -sk --resolve shop.test:443:127.0.0.1 -o /dev/null"
        loop = f"while :; do {curl} 'https://shop.test{path}&visit=[1-500]' || :; done"
        self.host.check_output("systemd-run --quiet --unit=%s bash -c %s", f"visitors-{name}", loop)
        try:
            yield
        finally:
            self.host.check_output("systemctl stop %s", f"visitors-{name}")
