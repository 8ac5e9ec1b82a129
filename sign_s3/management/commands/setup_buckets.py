"""``manage.py setup_buckets``: the two buckets, with the rules the service relies on."""

from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError, CommandParser

from sign_s3.bucket import Bucket, BucketException, UnknownBucketException
from sign_s3.conf import conf
from sign_s3.storage import incoming_bucket, media_bucket

#: What stores other than AWS answer to a call they do not know.
NOT_OFFERED: Final = frozenset({"NotImplemented", "MethodNotAllowed", "405", "501"})


class Command(BaseCommand):
    """Idempotent, so it may run at every deployment.

    The incoming bucket expires what nobody claims (L1) and answers browsers of the given origins;
    it loses any other lifecycle and CORS rule it had. The media bucket keeps those it has and is
    only told to drop the parts of copies that a crash cut short: nothing else in it may expire, and
    its files are shown, not read by scripts. Neither can be opened to the public: a CDN reads from
    the media bucket with an identity of its own.
    """

    help = "Create the incoming and the media bucket where they are missing and configure them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--origin",
            action="append",
            default=[],
            metavar="ORIGIN",
            help="a web origin whose pages upload, such as https://example.org; may be repeated",
        )

    def handle(self, *, origin: list[str], **options: Any) -> None:
        incoming, media = incoming_bucket(), media_bucket()
        try:
            for bucket in (incoming, media):
                if not bucket.exists():
                    bucket.create()
                    self._say(options, f"{bucket.name}: created")
                self._close(bucket, options)
            incoming.set_lifecycle(conf().incoming_days)
            self._abort_stale_parts(media, options)
            if origin:
                incoming.set_cors(origin)
        except BucketException as exc:
            raise CommandError(str(exc)) from exc
        self._say(options, f"{incoming.name}: expires uploads after {conf().incoming_days} days")
        if origin:
            self._say(options, f"{incoming.name}: takes uploads from {', '.join(origin)}")

    def _close(self, bucket: Bucket, options: dict[str, Any]) -> None:
        try:
            bucket.block_public_access(refuse_acls=conf().endpoint_url is None)
        except UnknownBucketException as exc:
            if exc.error_code not in NOT_OFFERED:
                raise
            self._say(options, f"{bucket.name}: this store cannot block public access as a whole")

    def _abort_stale_parts(self, media: Bucket, options: dict[str, Any]) -> None:
        days = conf().incoming_days
        try:
            media.abort_stale_parts(days)
        except UnknownBucketException as exc:
            # Parts cost space and nothing else, so a store that has no such rule will do.
            self._say(
                options,
                f"{media.name}: this store takes no rule that drops unfinished copies "
                f"({exc.error_code}); run `sweep --incoming` daily",
            )
        else:
            self._say(options, f"{media.name}: drops unfinished copies after {days} days")

    def _say(self, options: dict[str, Any], line: str) -> None:
        if options["verbosity"] > 0:
            self.stdout.write(line)
