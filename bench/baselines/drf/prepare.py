"""``python -m bench.baselines.drf.prepare OWNER``: an empty database, a user, their token."""

import os
import sys
from pathlib import Path

import django

os.environ["DJANGO_SETTINGS_MODULE"] = "bench.baselines.drf.settings"
for suffix in ("", "-wal", "-shm"):
    Path(os.environ["BASELINE_DATABASE"] + suffix).unlink(missing_ok=True)
django.setup()

from django.contrib.auth.models import User  # noqa: E402 - needs the setup
from django.core.management import call_command  # noqa: E402
from rest_framework.authtoken.models import Token  # noqa: E402

call_command("migrate", run_syncdb=True, verbosity=0)
print(Token.objects.create(user=User.objects.create_user(sys.argv[1])).key)
