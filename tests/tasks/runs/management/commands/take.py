"""manage.py take: a process of the project's own that takes jobs from the database, one at a time."""

import signal
import threading

from django.core.management.base import BaseCommand
from django.db import OperationalError, close_old_connections, connection, transaction

from runs import work
from runs.models import Job

IDLE_S = 0.2


class Command(BaseCommand):
    """TERM ends it after the job that is under way."""

    help = "Take the jobs of the product 'command' from the database."

    def handle(self, **_options: object) -> None:
        """Take one job after another until told to stop; go on by itself when the database is back."""
        stopped = threading.Event()
        signal.signal(signal.SIGTERM, lambda number, frame: stopped.set())
        while not stopped.is_set():
            try:
                job = self.next_job()
                if job:
                    work.run(job)
                    continue
            except OperationalError as error:
                self.stderr.write(f"The database does not answer: {error}")
                connection.close()
            close_old_connections()
            stopped.wait(IDLE_S)

    def next_job(self) -> int:
        """Mark the next job as taken, so that no other process takes it; 0 if there is none."""
        with transaction.atomic():
            waiting = Job.objects.select_for_update(skip_locked=True).filter(product="command", taken=False)
            job = waiting.order_by("pk").first()
            if job is None:
                return 0
            Job.objects.filter(pk=job.pk).update(taken=True)
            return job.pk
