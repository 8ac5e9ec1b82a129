"""The release triggers: whatever statement drops a reference also puts its file up for deletion.

Each UploadField column has two row triggers, AFTER UPDATE OF it and AFTER DELETE, that move the old
key's ledger row attached → deleting, due now. Being part of the statement, they see the ORM, bulk
updates, cascades, the admin and raw SQL alike, and a save that fails or is rolled back releases
nothing. (SQLite's REPLACE INTO is seen with ``PRAGMA recursive_triggers=ON``: sqlite.org,
"ON CONFLICT".) They do not see TRUNCATE and what happens while they are disabled;
`manage.py sweep --audit` finds what that leaves behind.

A trigger's name ends in a digest of its definition, so what is installed and what should be are
compared by name alone, and a changed definition is a missing one together with a stale one.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from django.db import connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import names_digest
from django.db.migrations import Migration
from django.db.migrations.operations import AlterField

from sign_s3.fields import UploadField, upload_fields
from sign_s3.models import MediaObject, State

VENDORS: Final = frozenset({"sqlite", "postgresql"})
#: Every name we give begins with this; PostgreSQL cuts names at 63 bytes.
NAME_PREFIX: Final = "sign_s3_release_"
MAX_NAME_LENGTH: Final = 63
DIGEST_LENGTH: Final = 12

# The time is what Django's Now() is on each, so that the ledger compares like with like.
_SQLITE_RELEASE = """\
UPDATE {ledger}
SET "state" = '{deleting}', "due_at" = STRFTIME('%Y-%m-%d %H:%M:%f', 'NOW'),
    "attempts" = 0, "deletes_sent" = 0
WHERE "key" = OLD.{column} AND "state" = '{attached}';"""
_SQLITE_UPDATE = """\
CREATE TRIGGER {name} AFTER UPDATE OF {column} ON {table} FOR EACH ROW
WHEN OLD.{column} IS NOT NULL AND OLD.{column} IS NOT NEW.{column}
BEGIN
{release}
END"""
_SQLITE_DELETE = """\
CREATE TRIGGER {name} AFTER DELETE ON {table} FOR EACH ROW
WHEN OLD.{column} IS NOT NULL
BEGIN
{release}
END"""

# One function for all columns. It reads the column by name, so it fails rather than releases
# nothing when the column has been renamed and the triggers are not yet renewed.
_POSTGRES_FUNCTION = """\
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql
SET search_path FROM CURRENT AS $body$
DECLARE
    old_key text;
BEGIN
    EXECUTE format('SELECT ($1).%I', TG_ARGV[0]) INTO old_key USING OLD;
    UPDATE {ledger}
    SET "state" = '{deleting}', "due_at" = STATEMENT_TIMESTAMP(),
        "attempts" = 0, "deletes_sent" = 0
    WHERE "key" = old_key AND "state" = '{attached}';
    RETURN NULL;
END
$body$"""
_POSTGRES_UPDATE = """\
CREATE TRIGGER {name} AFTER UPDATE OF {column} ON {table} FOR EACH ROW
WHEN (OLD.{column} IS NOT NULL AND OLD.{column} IS DISTINCT FROM NEW.{column})
EXECUTE FUNCTION {function}('{argument}')"""
_POSTGRES_DELETE = """\
CREATE TRIGGER {name} AFTER DELETE ON {table} FOR EACH ROW
WHEN (OLD.{column} IS NOT NULL)
EXECUTE FUNCTION {function}('{argument}')"""

_SQLITE_INSTALLED = """\
SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger'"""
_POSTGRES_INSTALLED = """\
SELECT t.tgname, c.relname, t.tgenabled IN ('O', 'A')
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND pg_table_is_visible(c.oid)"""
_POSTGRES_FUNCTIONS = """\
SELECT proname FROM pg_proc WHERE pg_function_is_visible(oid) AND pronargs = 0"""


class Installed(NamedTuple):
    """A trigger of ours found in a database."""

    name: str
    table: str
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger as it should be: its name, where it stands, and the statement that makes it."""

    name: str
    table: str
    column: str
    event: str
    sql: str

    def __str__(self) -> str:
        return f"{self.event} of {self.table}.{self.column}"


def install(*, using: str) -> None:
    """Make the triggers of a database what they should be; does nothing where they are."""
    connection = connections[using]
    if connection.vendor not in VENDORS:
        return
    wanted = {trigger.name: trigger for trigger in _wanted(connection)}
    found = _installed(connection)
    current = {trigger.name for trigger in found if trigger.enabled} & wanted.keys()
    with transaction.atomic(using=using):
        _drop(connection, [trigger for trigger in found if trigger.name not in current])
        if connection.vendor == "postgresql":
            _renew_function(connection, needed=bool(wanted))
        with connection.cursor() as cursor:
            for name in wanted.keys() - current:
                cursor.execute(wanted[name].sql)


def missing(using: str) -> list[Trigger]:
    """The triggers that should be in this database and are not, or are disabled or outdated.

    Tables that are not migrated yet miss nothing.
    """
    connection = connections[using]
    if connection.vendor not in VENDORS:
        return []
    current = {trigger.name for trigger in _installed(connection) if trigger.enabled}
    return [trigger for trigger in _wanted(connection) if trigger.name not in current]


def suspend(*, using: str, plan: Sequence[tuple[Migration, bool]]) -> None:
    """Drop the triggers that would make these migrations fail; `install` brings them back.

    SQLite cannot remake the ledger's table while triggers write to it (sqlite.org/lang_altertable,
    "ALTER TABLE RENAME"), and PostgreSQL cannot change the type of a column a trigger names. On
    PostgreSQL, which may be serving meanwhile, what is dropped until then is left to the audit.
    """
    connection = connections[using]
    if connection.vendor == "sqlite":
        ledger = MediaObject._meta.app_label
        if any(migration.app_label == ledger for migration, _ in plan):
            _drop(connection, _installed(connection))
    elif connection.vendor == "postgresql":
        altered = {
            migration.app_label
            for migration, _ in plan
            if any(isinstance(operation, AlterField) for operation in migration.operations)
        }
        tables = {
            field.model._meta.db_table
            for field in upload_fields()
            if field.model._meta.app_label in altered
        }
        _drop(connection, [found for found in _installed(connection) if found.table in tables])


def install_after_migrate(*, using: str, **_: Any) -> None:
    """Receiver of `post_migrate`, once a database; after every migrate, since SQLite drops the
    triggers of a table it remakes.
    """
    install(using=using)


def suspend_before_migrate(
    *, using: str, plan: Sequence[tuple[Migration, bool]] = (), **_: Any
) -> None:
    """Receiver of `pre_migrate`, once a database."""
    if plan:
        suspend(using=using, plan=plan)


def _wanted(connection: BaseDatabaseWrapper) -> list[Trigger]:
    """The triggers for the columns that exist in this database, if the ledger does."""
    if not router.allow_migrate_model(connection.alias, MediaObject):
        return []
    with connection.cursor() as cursor:
        tables = set(connection.introspection.table_names(cursor))
        if MediaObject._meta.db_table not in tables:
            return []
        wanted: list[Trigger] = []
        for field in upload_fields():
            table = field.model._meta.db_table
            if table not in tables or not router.allow_migrate_model(connection.alias, field.model):
                continue
            columns = connection.introspection.get_table_description(cursor, table)
            if field.column in {column.name for column in columns}:
                wanted += _triggers_of(field, connection)
    return wanted


def _triggers_of(field: UploadField, connection: BaseDatabaseWrapper) -> list[Trigger]:
    table, column = field.model._meta.db_table, str(field.column)
    quote = connection.ops.quote_name
    values = {"table": quote(table), "column": quote(column)}
    if connection.vendor == "sqlite":
        templates = {"update": _SQLITE_UPDATE, "delete": _SQLITE_DELETE}
        values["release"] = _SQLITE_RELEASE.format(**_ledger(connection), column=quote(column))
    else:
        templates = {"update": _POSTGRES_UPDATE, "delete": _POSTGRES_DELETE}
        values["function"] = quote(_function(connection)[0])
        values["argument"] = column.replace("'", "''")
    triggers = []
    for event, template in templates.items():
        definition = template.format(name="", **values)
        name = _name(f"{event}_{table}_{column}", definition)
        sql = template.format(name=quote(name), **values)
        triggers.append(Trigger(name, table, column, event, sql))
    return triggers


def _ledger(connection: BaseDatabaseWrapper) -> dict[str, str]:
    return {
        "ledger": connection.ops.quote_name(MediaObject._meta.db_table),
        "attached": State.ATTACHED.value,
        "deleting": State.DELETING.value,
    }


def _function(connection: BaseDatabaseWrapper) -> tuple[str, str]:
    """PostgreSQL's trigger function: its name and the statement that makes it."""
    ledger = _ledger(connection)
    name = _name("function", _POSTGRES_FUNCTION.format(name="", **ledger))
    return name, _POSTGRES_FUNCTION.format(name=connection.ops.quote_name(name), **ledger)


def _name(subject: str, definition: str) -> str:
    digest = names_digest(definition, length=DIGEST_LENGTH)
    room = MAX_NAME_LENGTH - len(NAME_PREFIX) - DIGEST_LENGTH - 1
    readable = subject.encode("ascii", "replace").decode().replace("?", "_")[:room]
    return f"{NAME_PREFIX}{readable}_{digest}"


def _installed(connection: BaseDatabaseWrapper) -> list[Installed]:
    postgres = connection.vendor == "postgresql"
    with connection.cursor() as cursor:
        cursor.execute(_POSTGRES_INSTALLED if postgres else _SQLITE_INSTALLED)
        found = [Installed(*row) for row in cursor.fetchall()]
    return [trigger for trigger in found if trigger.name.startswith(NAME_PREFIX)]


def _drop(connection: BaseDatabaseWrapper, triggers: Iterable[Installed]) -> None:
    quote = connection.ops.quote_name
    with connection.cursor() as cursor:
        for trigger in triggers:
            table = f" ON {quote(trigger.table)}" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TRIGGER {quote(trigger.name)}{table}")


def _renew_function(connection: BaseDatabaseWrapper, *, needed: bool) -> None:
    """Make the function in force unless it is there, and drop those of other versions."""
    name, sql = _function(connection)
    with connection.cursor() as cursor:
        cursor.execute(_POSTGRES_FUNCTIONS)
        found = {row[0] for row in cursor.fetchall() if row[0].startswith(NAME_PREFIX)}
        for stale in found if not needed else found - {name}:
            cursor.execute(f"DROP FUNCTION {connection.ops.quote_name(stale)}()")
        if needed and name not in found:
            cursor.execute(sql)
