"""The whole job in curl, for bash: ``session.sh`` below the values it needs."""

import shlex
from pathlib import Path
from typing import Final

_COMMANDS: Final = Path(__file__).with_name("session.sh")


def session(*, base: str, email: str, password: str, photo: Path) -> str:
    """Commands to paste, or to run as the tests do. Each prints what came of it."""
    values = {"BASE": base, "EMAIL": email, "PASSWORD": password, "PHOTO": str(photo)}
    head = " ".join(f"{name}={shlex.quote(value)}" for name, value in values.items())
    return f"{head}\n\n{_COMMANDS.read_text()}"
