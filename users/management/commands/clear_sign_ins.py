"""``manage.py clear_sign_ins``: delete the sign-ins that ran out. For a daily cron job."""

from typing import Any

from django.core.management.base import BaseCommand

from users.services.sign_ins import clear_expired


class Command(BaseCommand):
    help = "Delete the sign-ins that ran out. They are of no use to anybody; run it daily."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"{clear_expired()} deleted")
