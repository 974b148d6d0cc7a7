"""manage.py report [BATCH]: jobs with their runs, and ticks, as JSON. Times are seconds since the epoch."""

import json
from datetime import datetime

from django.core.management.base import BaseCommand, CommandParser

from runs.models import Job, Tick


def epoch(moment: datetime | None) -> float | None:
    """Give a time as a number."""
    return moment and moment.timestamp()


class Command(BaseCommand):
    """Everything that tests judge."""

    help = "Print jobs with their runs, and ticks, as JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say which batch."""
        parser.add_argument("batch", nargs="?", default="")

    def handle(self, **options: object) -> None:
        """Print one object."""
        jobs = Job.objects.prefetch_related("runs").order_by("pk")
        if options["batch"]:
            jobs = jobs.filter(batch=options["batch"])
        found = [
            {
                "job": job.pk,
                "batch": job.batch,
                "product": job.product,
                "seconds": job.seconds,
                "runs": [
                    {
                        "release": run.release,
                        "code_began": run.code_began,
                        "code_ended": run.code_ended,
                        "unit": run.unit,
                        "pid": run.pid,
                        "began": epoch(run.began),
                        "ended": epoch(run.ended),
                    }
                    for run in job.runs.order_by("pk")
                ],
            }
            for job in jobs
        ]
        ticks = [
            {"source": tick.source, "sent": epoch(tick.sent), "release": tick.release, "unit": tick.unit}
            for tick in Tick.objects.order_by("sent")
        ]
        self.stdout.write(json.dumps({"jobs": found, "ticks": ticks}))
