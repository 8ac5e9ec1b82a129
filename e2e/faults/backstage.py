"""A process with the service's settings and database that does what it is told.

For what no client can ask for, and what starting a process each time would be too slow for:
``python -m e2e.faults.backstage`` reads a JSON object a line and answers with one each.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Any

from local import service


@dataclass(frozen=True, slots=True)
class Account:
    """A user, signed in."""

    id: str
    access: str


class Backstage:
    """The other end of that process. One thread at a time."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "e2e.faults.backstage"],
            cwd=service.BASE_DIR,
            env=dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def sweep(self) -> dict[str, int]:
        """One run of the sweep, and what it did."""
        return self._ask(do="sweep")

    def account(self, name: str) -> Account:
        """A new account, signed in."""
        return Account(**self._ask(do="account", name=name))

    def kill(self) -> None:
        """At once, wherever it is."""
        self._process.kill()
        self.close()

    def close(self) -> None:
        self._process.communicate()

    def _ask(self, **request: str) -> dict[str, Any]:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def main() -> None:
    import django  # noqa: PLC0415 - the tests import this module for `Backstage`

    django.setup()
    from django.utils import timezone  # noqa: PLC0415

    from sign_s3.services.sweep import sweep  # noqa: PLC0415
    from users.models import SignIn, User  # noqa: PLC0415
    from users.tokens import issue_pair  # noqa: PLC0415

    for line in sys.stdin:
        request = json.loads(line)
        answer: dict[str, Any]
        if request["do"] == "sweep":
            answer = asdict(sweep())
        else:
            name = request["name"]
            user = User.objects.create_user(email=f"{name}@example.com", nickname=name)
            opened = SignIn.objects.create(
                user=user, device="tests", expires_at=timezone.now() + timedelta(days=1)
            )
            pair = issue_pair(user_id=user.pk, sign_in_id=opened.pk, refresh_id=opened.refresh_id)
            answer = {"id": user.pk, "access": pair.access}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
