"""``python -m local.prepare``: everything that must be in place before the service starts.

In one process, because most of its time would go into starting Django again and again. What is
there already stays; only what is missing is made.
"""

import argparse
import fcntl
import os
from pathlib import Path

import django
from django.core.management import call_command

from local.service import STATIC_ROOT


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--origin", action="append", default=[])
    parser.add_argument("--user", nargs=2, metavar=("EMAIL", "PASSWORD"))
    parser.add_argument("--photo", type=Path)
    options = parser.parse_args()

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    call_command("setup_buckets", verbosity=0, origin=options.origin)
    call_command("migrate", verbosity=0, interactive=False)
    collect_static()
    if options.user:
        create_user(*options.user)
    if options.photo and not options.photo.exists():
        from local.pictures import photograph  # noqa: PLC0415 - only a first start has to load it

        options.photo.write_bytes(photograph())


def collect_static() -> None:
    """Copy what changed to where Granian serves it; one process at a time, tests have several."""
    STATIC_ROOT.mkdir(parents=True, exist_ok=True)
    with STATIC_ROOT.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        call_command("collectstatic", verbosity=0, interactive=False)


def create_user(email: str, password: str) -> None:
    """A user who may also look at the admin, with this password whatever it was before."""
    from users.models import User  # noqa: PLC0415 - needs Django to be set up

    user = User.objects.filter(email=email).first()
    if user is None:
        User.objects.create_superuser(email=email, password=password, nickname="Demo")
    elif not user.check_password(password):
        user.set_password(password)
        user.save()


if __name__ == "__main__":
    main()
