"""The service under test."""

import subprocess
import sys
from dataclasses import dataclass, field

from local import service
from local.processes import Child
from local.store import Store


@dataclass(frozen=True)
class LiveService:
    """The service as its clients see it, and what a test may need to know behind its back."""

    url: str
    store: Store
    env: dict[str, str] = field(repr=False)
    children: tuple[Child, ...] = field(repr=False)

    def manage(self, *arguments: str) -> str:
        """Run a management command against the same database and buckets; what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=self.env,
            cwd=service.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout
