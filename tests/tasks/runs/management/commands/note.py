"""manage.py note NAME: write down that it was run, for a schedule."""

import time

from django.core.management.base import BaseCommand, CommandParser

from runs import work


class Command(BaseCommand):
    """One row each time."""

    help = "Write down that this was run."

    def add_arguments(self, parser: CommandParser) -> None:
        """Say for whom, and how long it takes."""
        parser.add_argument("name")
        parser.add_argument("--seconds", type=float, default=0.0)

    def handle(self, name: str, seconds: float, **_options: object) -> None:
        """Write the row first."""
        work.tick(name, time.time())
        time.sleep(seconds)
