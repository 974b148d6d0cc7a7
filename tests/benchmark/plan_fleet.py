# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plan a fleet of different hosts on one core and print how long that takes.

make bench-plan
"""

from __future__ import annotations

import random
import sys
import time

from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.inputs import PROFILES, Host, Inputs
from ansible_collections.pitcrew.django.plugins.plugin_utils.sizing.planning import make_plan

GENEROUS_S_PER_HOST = 0.01


def fleet(count: int) -> list[tuple[Host, Inputs]]:
    """Draw hosts from half a CPU to 256, with memory, databases and workloads of all kinds."""
    rng = random.Random(2026)
    found = []
    for _host in range(count):
        cpus = rng.choice((0.5, 1, 2, 4, 8, 16, 32, 64, 128, 256)) * rng.uniform(0.9, 1.1)
        host = Host(cpus=cpus, memory_mb=max(1024, cpus * rng.uniform(512, 8192)))
        inputs = Inputs(
            server=rng.choice(("gunicorn", "uwsgi")),
            profile=rng.choice(tuple(PROFILES)),
            wait_ms=rng.uniform(0, 500),
            db_connections=rng.choice((None, 97, 1000)),
        )
        found.append((host, inputs))
    return found


def main() -> int:
    """Return 1 if a host takes more than 10 ms on average."""
    hosts = fleet(int(sys.argv[1]) if len(sys.argv) > 1 else 1000)
    started, slowest = time.process_time(), 0.0
    for host, inputs in hosts:
        one = time.process_time()
        make_plan(host, inputs)
        slowest = max(slowest, time.process_time() - one)
    taken = time.process_time() - started
    each = f"{1000 * taken / len(hosts):.2f} ms each, slowest {1000 * slowest:.1f} ms"
    print(f"{len(hosts)} hosts in {taken:.2f} s of CPU: {each}")
    return int(taken > GENEROUS_S_PER_HOST * len(hosts))


if __name__ == "__main__":
    sys.exit(main())
