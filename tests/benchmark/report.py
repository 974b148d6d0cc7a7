# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Time what the report needs for an access log of many lines, on one core, and measure its memory.

make bench-report LINES=10000000
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

from ansible_collections.pitcrew.django.plugins.module_utils.access_log import AccessLog, slot_width, time_of
from ansible_collections.pitcrew.django.plugins.module_utils.log_files import LogFiles

from tests.benchmark.access_lines import lines

DAY_S = 86400
START = 1764500000
# So many lines are made up; the file has them again and again, each time some seconds later.
SAMPLE = 200_000


def write(path: Path, count: int) -> None:
    """Write a day of lines."""
    copies = max(count // SAMPLE, 1)
    sample = list(lines(min(count, SAMPLE), START, DAY_S / copies))
    with open(path, "wb") as file:
        for copy in range(copies):
            later = copy * DAY_S // copies
            file.writelines(b'{"time":%d%s\n' % (int(line[8:18]) + later, line[18:]) for line in sample)


def main() -> None:
    """Print seconds of one core, lines a second, and the most memory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=10_000_000)
    count = parser.parse_args().lines
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "shop.access.log"
        # In a process of its own, whose memory does not count.
        writer = multiprocessing.Process(target=write, args=(path, count))
        writer.start()
        writer.join()
        size = path.stat().st_size
        began = time.process_time()
        log = AccessLog(START, START + DAY_S, slot_width(24))
        log.read(LogFiles(path, START, time_of).blocks())
        found = log.as_dict()
        took = time.process_time() - began
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    counted = sum(found["statuses"].values())
    print(
        f"{counted:,} of {log.lines:,} lines ({size / 1e9:.1f} GB) in {took:.1f} s of one core: "
        f"{log.lines / took:,.0f} a second, {1e6 * took / log.lines:.2f} µs each; "
        f"at most {memory:.0f} MB"
    )


if __name__ == "__main__":
    main()
