"""manage.py queue BATCH --number 300 --longest 5: queue jobs for every product in turn."""

from random import Random

from django.core.management.base import BaseCommand, CommandParser

from runs.models import Job
from runs.tasks import PRODUCTS, enqueue


class Command(BaseCommand):
    """Durations are drawn, and the same for the same seed."""

    help = "Queue jobs for every product in turn."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say how many, how long and for which products."""
        parser.add_argument("batch")
        parser.add_argument("--number", type=int, default=1)
        parser.add_argument("--shortest", type=float, default=0.1, help="in seconds")
        parser.add_argument("--longest", type=float, default=5.0, help="in seconds")
        parser.add_argument("--held", action="store_true", help="none ends before let_go")
        parser.add_argument("--seed", type=int, default=1)
        parser.add_argument("--products", nargs="+", choices=sorted(PRODUCTS), default=list(PRODUCTS))

    def handle(self, **options: object) -> None:
        """Create the rows first: a worker may have a task before this command goes on."""
        random = Random(options["seed"])
        products, number = options["products"], options["number"]
        jobs = Job.objects.bulk_create(
            Job(
                batch=options["batch"],
                held=options["held"],
                product=products[index % len(products)],
                seconds=random.uniform(options["shortest"], options["longest"]),
            )
            for index in range(number)
        )
        for job in jobs:
            enqueue(job.product, job.pk)
        self.stdout.write(f"{number} jobs queued")
