"""manage.py fail: what a schedule that fails runs."""

from django.core.management.base import BaseCommand, CommandError


class Command(BaseCommand):
    """It exits with status 1, and says why."""

    help = "Fail."

    def handle(self, **_options: object) -> None:
        """Fail."""
        raise CommandError("The archive has no room for another copy.")
