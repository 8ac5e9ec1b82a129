"""The system checks of this app as a whole; a field's own are `UploadField.check`. No network.

E001 to E003   a field: no destination · not unique and null · max_length too short
E004           two destinations that a path or a key could both belong to
E005           a field's table in another database than the ledger
E006           a setting is missing or unknown
E007           one bucket for both purposes
E008           ATOMIC_REQUESTS
E009           another default storage
E010           a database without release triggers of ours
E011           release triggers that are not installed
W012           a public domain and nothing public
W013           nothing looks at what an upload is (with --deploy)
E014           half a key for uploads
W015           uploads signed by who may read, for another store than AWS (with --deploy)
"""

import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from django.conf import settings
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import storages
from django.db import connections, router

from sign_s3.conf import Conf, conf
from sign_s3.destinations import Destination
from sign_s3.fields import UploadField, catalogue, upload_fields
from sign_s3.models import MediaObject
from sign_s3.storage import MediaStorage
from sign_s3.triggers import VENDORS, missing

#: The inspector that compares an upload's first bytes with its type.
SIGNATURES: Final = "sign_s3.inspection.check_signature"
#: How many digits each date directive of a path stands for.
_DIGITS: Final = {"%Y": 4, "%m": 2, "%d": 2}


def check_settings(**_: Any) -> list[checks.CheckMessage]:
    """Settings that would lose uploads, or keep none."""
    ledger = router.db_for_write(MediaObject)
    return [
        *_check_conf(),
        *check_atomic_requests(settings.DATABASES),
        *_check_storage(),
        *check_vendor(connections[ledger].vendor, alias=ledger),
    ]


def check_declarations(**_: Any) -> list[checks.CheckMessage]:
    """The declared fields, seen together."""
    fields = upload_fields()
    return [*check_overlaps(fields), *check_databases(fields)]


def check_triggers(
    *, databases: Sequence[str] | None = None, **_: Any
) -> list[checks.CheckMessage]:
    """Whether the databases asked about have their release triggers (S4, F10)."""
    return [
        checks.Error(
            f"Release triggers are missing in the database {alias!r}: "
            f"{', '.join(str(trigger) for trigger in absent)}.",
            hint="Run `manage.py migrate`, which installs them, and then `manage.py sweep "
            "--audit` for what was dropped in the meantime.",
            id="sign_s3.E011",
        )
        for alias in databases or ()
        if (absent := missing(alias))
    ]


def check_overlaps(fields: Iterable[UploadField]) -> list[checks.CheckMessage]:
    """Fields may share one destination, as heirs of an abstract model do, but not confuse two."""
    declared = [(field, field.destination) for field in fields if field.destination is not None]
    return [
        checks.Error(
            f"{later} and {earlier} declare different destinations for the same paths: "
            f"{theirs.path!r} and {ours.path!r}.",
            hint="Give each a path of its own, or both the same Destination.",
            obj=later,
            id="sign_s3.E004",
        )
        for (earlier, ours), (later, theirs) in itertools.combinations(declared, 2)
        if ours != theirs and _confusable(ours, theirs)
    ]


def check_databases(fields: Iterable[UploadField]) -> list[checks.CheckMessage]:
    """Triggers reach no other database, and no transaction spans two."""
    ledger = router.db_for_write(MediaObject)
    return [
        checks.Error(
            f"The table of {field} is written to the database {alias!r}, the ledger to {ledger!r}.",
            hint="Route `sign_s3` and every model with an UploadField to the same database.",
            obj=field,
            id="sign_s3.E005",
        )
        for field in fields
        if (alias := router.db_for_write(field.model)) != ledger
    ]


def check_atomic_requests(
    databases: Mapping[str, Mapping[str, Any]],
) -> list[checks.CheckMessage]:
    """No S3 call inside a transaction (S7), so no transaction around requests."""
    return [
        checks.Error(
            f"ATOMIC_REQUESTS is on for the database {alias!r}.",
            hint="It would hold a transaction open, and its locks, while S3 copies files. "
            "Use transaction.atomic() in the views that need it.",
            id="sign_s3.E008",
        )
        for alias, options in databases.items()
        if options.get("ATOMIC_REQUESTS")
    ]


def check_custom_domain(
    domain: str | None, declared: Iterable[Destination]
) -> list[checks.CheckMessage]:
    """A domain without signatures serves what is public and nothing else."""
    if domain is None or any(destination.public for destination in declared):
        return []
    return [
        checks.Warning(
            "AWS_S3_CUSTOM_DOMAIN is set, but no destination is public.",
            hint="Only files of Destination(public=True) are served by it, without a signature; "
            "leave it out, or make one public.",
            id="sign_s3.W012",
        )
    ]


def check_inspectors(**_: Any) -> list[checks.CheckMessage]:
    """Content is compared with its declared type by an inspector, which a deployment may omit."""
    try:
        if SIGNATURES in conf().inspectors:
            return []
    except ImproperlyConfigured:
        return []  # which is an error of `check_settings`
    return [
        checks.Warning(
            f"{SIGNATURES} is not among the inspectors.",
            hint="Without it any bytes are served under any declared type. INSPECTORS replaces "
            "the default: name it there, and check_dimensions, beside inspectors of your own.",
            id="sign_s3.W013",
        )
    ]


def check_upload_key(**_: Any) -> list[checks.CheckMessage]:
    """Elsewhere than on AWS a part's URL may read whatever its signer may (docs/security.md)."""
    try:
        chosen = conf()
    except ImproperlyConfigured:
        return []  # which is an error of `check_settings`
    if chosen.endpoint_url is None or chosen.upload_access_key:
        return []
    return [
        checks.Warning(
            "Uploads to another store than AWS are signed by a key that may read.",
            hint="If that store takes x-amz-copy-source unsigned, whoever has a part's URL copies "
            "other files by it. Set AWS_UPLOAD_ACCESS_KEY_ID and AWS_UPLOAD_SECRET_ACCESS_KEY to "
            "a key with the rights that docs/security.md has for uploading.",
            id="sign_s3.W015",
        )
    ]


def check_vendor(vendor: str, *, alias: str) -> list[checks.CheckMessage]:
    """Releasing needs triggers, and those are written for each database."""
    if vendor in VENDORS:
        return []
    return [
        checks.Error(
            f"The database {alias!r} is {vendor}, for which there are no release triggers.",
            hint="Use PostgreSQL or SQLite; elsewhere replaced and deleted files would stay.",
            id="sign_s3.E010",
        )
    ]


def _check_conf() -> list[checks.CheckMessage]:
    try:
        chosen = conf()
    except ImproperlyConfigured as exc:
        return [checks.Error(str(exc), hint="See `.env.example`.", id="sign_s3.E006")]
    declared = catalogue().values()
    return [
        *_check_buckets(chosen),
        *_check_upload_key(chosen),
        *check_custom_domain(chosen.custom_domain, declared),
    ]


def _check_upload_key(chosen: Conf) -> list[checks.CheckMessage]:
    if bool(chosen.upload_access_key) == bool(chosen.upload_secret_key):
        return []
    return [
        checks.Error(
            "One of AWS_UPLOAD_ACCESS_KEY_ID and AWS_UPLOAD_SECRET_ACCESS_KEY is missing.",
            hint="Set both, or neither.",
            id="sign_s3.E014",
        )
    ]


def _check_buckets(chosen: Conf) -> list[checks.CheckMessage]:
    if chosen.incoming_bucket != chosen.media_bucket:
        return []
    return [
        checks.Error(
            "AWS_INCOMING_BUCKET_NAME and AWS_STORAGE_BUCKET_NAME are the same bucket.",
            hint="A form posted again would replace served files, and the lifecycle rule of the "
            "incoming bucket would delete them. Use two buckets.",
            id="sign_s3.E007",
        )
    ]


def _check_storage() -> list[checks.CheckMessage]:
    if isinstance(storages["default"], MediaStorage):
        return []
    return [
        checks.Error(
            "The default storage is not sign_s3.storage.MediaStorage.",
            hint='STORAGES = {"default": {"BACKEND": "sign_s3.storage.MediaStorage"}, …}',
            id="sign_s3.E009",
        )
    ]


def _confusable(one: Destination, other: Destination) -> bool:
    """Whether clients would name both alike, or some expanded path belongs to both."""
    if one.prefix == other.prefix:
        return True
    mine, yours = _shape(one.path), _shape(other.path)
    return len(mine) == len(yours) and all(map(_meet, mine, yours))


def _shape(path: str) -> str:
    """The path with a `%` for each digit of its dates."""
    return re.sub("%[Ymd]", lambda found: "%" * _DIGITS[found[0]], path)


def _meet(mine: str, yours: str) -> bool:
    """Whether two characters of shapes stand for a common one."""
    return mine == yours or ({mine, yours} <= set("%0123456789") and "%" in {mine, yours})
