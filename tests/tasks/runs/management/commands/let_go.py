"""manage.py let_go BATCH: let the jobs end that were queued with --held."""

from django.core.management.base import BaseCommand, CommandParser

from runs.models import Job


class Command(BaseCommand):
    """Those under way notice within half a second."""

    help = "Let the jobs of a batch end."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say which batch."""
        parser.add_argument("batch")

    def handle(self, batch: str, **_options: object) -> None:
        """Change the rows that workers look at."""
        Job.objects.filter(batch=batch).update(held=False)
