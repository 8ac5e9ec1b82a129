"""How long a statement of a request may take.

Only `config.wsgi` asks for it: migrations, sweeps and audits take the time they need.
"""

from collections.abc import Mapping
from typing import Any, Final

#: Seconds the server has to say that it ended a statement before it counts as silent.
GRACE_SECONDS: Final = 2.0


def limit_statements(databases: Mapping[str, dict[str, Any]], *, seconds: float) -> None:
    """Have PostgreSQL end statements after so many seconds, and waits for a lock after half of it.

    A transaction left open that long without a statement is ended too. Holds for connections made
    from now on, and those give a server up that does not even say so. What DATABASE_URL's own
    ``options`` say comes later and so wins. Nothing is sent with 0: a pooler in between, such as
    PgBouncer, may refuse the parameter.
    """
    if not seconds:
        return
    whole, half = int(seconds * 1000), int(seconds * 500)
    ours = (
        f"-c statement_timeout={whole} -c lock_timeout={half} "
        f"-c idle_in_transaction_session_timeout={whole}"
    )
    for database in databases.values():
        if database["ENGINE"] == "config.postgresql":
            options = database.setdefault("OPTIONS", {})
            options["options"] = f"{ours} {options.get('options', '')}".strip()
            database["ANSWER_SECONDS"] = seconds + GRACE_SECONDS
