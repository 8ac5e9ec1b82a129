"""The ledger: one row per object ever put in the media bucket; and the answers worth repeating.

    promoting ──commit──▶ attached ──release──▶ deleting ──two deletes──▶ deleted ──7 days──▶ gone
        └──────────lease ran out──────────────────▲
                                   attached ◀──a field still refers to it, nothing sent yet──┘

The row is the single-use guard of its key, the outbox of its deletion and the audit trail. Every
change of state is one conditional UPDATE whose row count decides; the loser sees 0, does nothing.
Only the database's clock decides when a lease or a deletion is due, so worker clocks may differ.
"""

import uuid
from collections.abc import Iterable
from datetime import timedelta
from typing import Final, Self

from django.db import models
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from sign_s3 import lookups  # noqa: F401 - registers `among`
from sign_s3.keys import MAX_KEY_LENGTH


class State(models.TextChoices):
    PROMOTING = "promoting"
    ATTACHED = "attached"
    DELETING = "deleting"
    DELETED = "deleted"


class MediaObjectQuerySet(models.QuerySet["MediaObject"]):
    """The ledger's transitions. Each returns how many rows made it."""

    def holding(self, token: uuid.UUID) -> Self:
        """Rows being promoted under this lease token."""
        return self.filter(state=State.PROMOTING, token=token)

    def claim(
        self,
        rows: "Iterable[MediaObject]",
        *,
        token: uuid.UUID,
        lease: timedelta,
        only_all: bool = False,
    ) -> None:
        """→ promoting, for every key that has no row yet; `holding` tells which ones.

        In the order of the keys, so that two attempts at the same ones meet at the first. With
        ``only_all`` a key that has a row is an IntegrityError.
        """
        ordered = sorted(rows, key=lambda row: row.key)
        for row in ordered:
            row.state, row.token, row.lease_until = State.PROMOTING, token, Now() + lease
        self.bulk_create(ordered, ignore_conflicts=not only_all)

    def take_over(
        self, *, key: str, owner: str, etag: str, token: uuid.UUID, lease: timedelta
    ) -> int:
        """promoting → promoting, a new token: an ended lease, the same owner, the same bytes."""
        return self.filter(
            key=key, owner=owner, etag=etag, state=State.PROMOTING, lease_until__lte=Now()
        ).update(token=token, lease_until=Now() + lease)

    def renew(self, token: uuid.UUID, lease: timedelta) -> int:
        """Push the end of a lease out, as long as it is still held."""
        return self.holding(token).update(lease_until=Now() + lease)

    def end_lease(self, token: uuid.UUID) -> int:
        """Give a lease up, so that the owner may try again at once."""
        return self.holding(token).update(lease_until=Now())

    def commit(self, token: uuid.UUID) -> int:
        """promoting → attached, for whoever still holds the token (S5)."""
        return self.holding(token).update(
            state=State.ATTACHED, token=None, lease_until=None, attached_at=Now()
        )

    def expired(self, grace: timedelta) -> Self:
        """Rows whose lease has been over for `grace`."""
        return self.filter(state=State.PROMOTING, lease_until__lte=Now() - grace)

    def expire(self, grace: timedelta) -> int:
        """promoting → deleting, once a lease has been over for `grace`. Final."""
        return self.expired(grace).update(
            state=State.DELETING, token=None, lease_until=None, due_at=Now()
        )

    def release(self) -> int:
        """attached → deleting, due now: what the triggers do when a reference goes."""
        return self.filter(state=State.ATTACHED).update(
            state=State.DELETING, due_at=Now(), attempts=0, deletes_sent=0
        )

    def delete_again(self, keys: Iterable[str]) -> int:
        """deleted → deleting: the object came back, with an older copy of the bucket."""
        return self.filter(key__in=list(keys), state=State.DELETED).update(
            state=State.DELETING, due_at=Now(), attempts=0, deletes_sent=0
        )

    def due(self, state: State) -> Self:
        """Rows the sweep has something to do with now, the longest due first."""
        return self.filter(state=state, due_at__lte=Now()).order_by("due_at")

    def keep(self, keys: Iterable[str]) -> int:
        """deleting → attached: a field still refers to the key and no delete was sent (S4)."""
        return self.filter(
            key__in=list(keys), state=State.DELETING, attempts=0, deletes_sent=0
        ).update(state=State.ATTACHED, due_at=None, attached_at=Coalesce("attached_at", Now()))

    def begin_delete(self, keys: Iterable[str], *, attempts: int, again_in: timedelta) -> int:
        """Note that a delete is about to be sent, and when to try again if no answer is noted."""
        return self.filter(key__in=list(keys), state=State.DELETING, attempts=attempts).update(
            attempts=F("attempts") + 1, due_at=Now() + again_in
        )

    def first_delete_done(self, keys: Iterable[str], *, settle: timedelta) -> int:
        """One delete answered; the second follows once anything in flight has settled."""
        return self.filter(key__in=list(keys), state=State.DELETING, deletes_sent=0).update(
            deletes_sent=1, attempts=0, due_at=Now() + settle
        )

    def second_delete_done(self, keys: Iterable[str], *, tombstone: timedelta) -> int:
        """deleting → deleted. The row stays as a tombstone, so the key cannot come back (S8)."""
        return self.filter(key__in=list(keys), state=State.DELETING, deletes_sent=1).update(
            state=State.DELETED, deletes_sent=2, attempts=0, due_at=Now() + tombstone
        )


class MediaObject(models.Model):
    """One object of the media bucket, by its key without the media prefix."""

    key = models.CharField(max_length=MAX_KEY_LENGTH)
    owner = models.CharField(max_length=64)
    #: The incoming object's ETag, quotes included. A multipart copy has another, so this one is
    #: only ever compared with the incoming bucket.
    etag = models.CharField(max_length=128)
    content_type = models.CharField(max_length=100)
    size = models.PositiveBigIntegerField(help_text="bytes")
    width = models.PositiveIntegerField(null=True, help_text="pixels, for images")
    height = models.PositiveIntegerField(null=True, help_text="pixels, for images")

    state = models.CharField(max_length=9, choices=State, default=State.PROMOTING)
    token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    #: When the sweep next has something to do with a deleting or deleted row.
    due_at = models.DateTimeField(null=True)
    #: Deletes begun since the last one that was answered. Above 0, one may have reached S3.
    attempts = models.PositiveSmallIntegerField(default=0)
    #: Deletes that S3 answered: 0, 1 or 2.
    deletes_sent = models.PositiveSmallIntegerField(default=0)

    created_at = models.DateTimeField(db_default=Now())
    attached_at = models.DateTimeField(null=True)

    objects = MediaObjectQuerySet.as_manager()

    class Meta:
        verbose_name = "media object"
        constraints = [
            models.UniqueConstraint(fields=["key"], name="mediaobject_key_once"),
            models.CheckConstraint(
                name="mediaobject_state_known", condition=models.Q(state__in=State.values)
            ),
            models.CheckConstraint(
                name="mediaobject_lease_while_promoting",
                condition=models.Q(
                    state=State.PROMOTING, token__isnull=False, lease_until__isnull=False
                )
                | (~models.Q(state=State.PROMOTING) & models.Q(token=None, lease_until=None)),
            ),
            models.CheckConstraint(
                name="mediaobject_due_while_leaving",
                condition=models.Q(state__in=[State.DELETING, State.DELETED], due_at__isnull=False)
                | models.Q(state__in=[State.PROMOTING, State.ATTACHED], due_at=None),
            ),
        ]
        indexes = [
            # Partial, so the sweep's cost follows the rows that are due and not the table.
            models.Index(
                name="mediaobject_due",
                fields=["due_at"],
                condition=models.Q(due_at__isnull=False),
            ),
            models.Index(
                name="mediaobject_lease",
                fields=["lease_until"],
                condition=models.Q(lease_until__isnull=False),
            ),
            # Every step of an attach finds its rows by the token alone.
            models.Index(
                name="mediaobject_token",
                fields=["token"],
                condition=models.Q(token__isnull=False),
            ),
            models.Index(name="mediaobject_owner", fields=["owner", "state"]),
        ]

    def __str__(self) -> str:
        return self.key


#: How long the answer to a request with an Idempotency-Key counts.
ANSWERS_KEPT: Final = timedelta(hours=24)


class KeptAnswerQuerySet(models.QuerySet["KeptAnswer"]):
    def live(self) -> Self:
        """Answers that still count."""
        return self.filter(created_at__gt=Now() - ANSWERS_KEPT)

    def expired(self) -> Self:
        """Answers that do not; the sweep removes them."""
        return self.filter(created_at__lte=Now() - ANSWERS_KEPT)


class KeptAnswer(models.Model):
    """What creating a record answered, by its caller and their Idempotency-Key.

    Written in the transaction that wrote the record, so that there are both or neither, and of two
    requests with one key only one can commit.
    """

    owner = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    #: SHA-256 of the request: its method, path and body, in hexadecimal digits.
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.TextField(help_text="JSON")
    created_at = models.DateTimeField(db_default=Now())

    objects = KeptAnswerQuerySet.as_manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["owner", "key"], name="keptanswer_once")]
        indexes = [models.Index(name="keptanswer_age", fields=["created_at"])]

    def __str__(self) -> str:
        return self.key
