"""What every task does, whichever product runs it."""

import hashlib
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

from runs.models import Job, Run, Tick

__all__ = ["own_unit", "run", "tick"]


def own_unit() -> str:
    """Name the unit of systemd in which this process runs; empty outside of any."""
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _number, controllers, group = line.split(":", 2)
        if controllers in {"", "name=systemd"}:
            return group.rpartition("/")[2]
    return ""


def code() -> str:
    """Give a digest of the file in which releases differ, as it is on disk now; empty if it is gone."""
    file = settings.BASE_DIR / "depot/release.py"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else ""


def run(job: int) -> None:
    """Take as long as the job says and until it is let go, with a row at the beginning that is completed at the end."""
    queued = Job.objects.get(pk=job)
    row = Run.objects.create(job=queued, release=settings.RELEASE, code_began=code(), unit=own_unit(), pid=os.getpid())
    time.sleep(queued.seconds)
    while Job.objects.filter(pk=job, held=True).exists():
        time.sleep(0.5)
    Run.objects.filter(pk=row.pk).update(ended=timezone.now(), code_ended=code())


def tick(source: str, sent: float) -> None:
    """Write down when something that was due had been sent, in seconds since the epoch."""
    Tick.objects.create(
        source=source, sent=datetime.fromtimestamp(sent, tz=UTC), release=settings.RELEASE, unit=own_unit()
    )
