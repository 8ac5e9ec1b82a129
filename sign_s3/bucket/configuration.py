"""The bucket itself: whether it is there, and the rules that S3 keeps for it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sign_s3.bucket.connection import Named
from sign_s3.bucket.errors import NoSuchBucket, UnknownBucketException

#: The ID of the rule that drops parts nobody completed.
STALE_PARTS: Final = "drop parts of uploads that were never completed"
#: What a lifecycle says besides its rules, and would lose if only the rules were put back.
_OF_ALL_RULES: Final = ("TransitionDefaultMinimumObjectSize",)


class Configuration(Named):
    """The part of `Bucket` that is about neither objects nor uploads."""

    __slots__ = ()

    def exists(self) -> bool:
        """Whether the bucket is there and answers; `BucketAccessDenied` if it is someone else's."""
        try:
            with self._calling("HeadBucket") as s3:
                s3.head_bucket(Bucket=self.name)
        except NoSuchBucket:
            return False
        return True

    def create(self) -> None:
        """Create the bucket in the client's region; nothing happens if it is ours already."""
        try:
            with self._calling("CreateBucket") as s3:
                place: dict[str, Any] = {}
                # us-east-1 is the one region that may not be named ("CreateBucket").
                if (region := s3.meta.region_name) not in {"us-east-1", "aws-global"}:
                    place["CreateBucketConfiguration"] = {"LocationConstraint": region}
                s3.create_bucket(Bucket=self.name, **place)
        except UnknownBucketException as exc:
            if exc.error_code != "BucketAlreadyOwnedByYou":
                raise

    def set_lifecycle(self, days: int) -> None:
        """Let S3 delete objects and unfinished multipart uploads `days` after they began."""
        with self._calling("PutBucketLifecycleConfiguration") as s3:
            s3.put_bucket_lifecycle_configuration(
                Bucket=self.name,
                LifecycleConfiguration={
                    "Rules": [
                        {
                            "ID": f"expire after {days} days",
                            "Status": "Enabled",
                            "Filter": {"Prefix": ""},
                            "Expiration": {"Days": days},
                            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
                        }
                    ]
                },
            )

    def abort_stale_parts(self, days: int) -> None:
        """Let S3 drop multipart uploads `days` after they began, and keep every other rule.

        The rule is known by its ID, `STALE_PARTS`.
        """
        found = self._lifecycle()
        rules: list[Any] = [
            _with_filter(rule) for rule in found.get("Rules", []) if rule.get("ID") != STALE_PARTS
        ]
        rules.append(
            {
                "ID": STALE_PARTS,
                "Status": "Enabled",
                "Filter": {"Prefix": ""},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": days},
            }
        )
        options = {name: found[name] for name in _OF_ALL_RULES if name in found}
        with self._calling("PutBucketLifecycleConfiguration") as s3:
            s3.put_bucket_lifecycle_configuration(
                Bucket=self.name,
                LifecycleConfiguration={"Rules": rules},
                **options,
            )

    def _lifecycle(self) -> Mapping[str, Any]:
        """The rules as S3 answers them; empty where there are none."""
        try:
            with self._calling("GetBucketLifecycleConfiguration") as s3:
                return s3.get_bucket_lifecycle_configuration(Bucket=self.name)
        except UnknownBucketException as exc:
            if exc.error_code != "NoSuchLifecycleConfiguration":
                raise
        return {}

    def block_public_access(self, *, refuse_acls: bool = True) -> None:
        """Let no ACL and no policy open it (docs.aws.amazon.com, "Blocking public access").

        Public ACLs count for nothing either way; with ``refuse_acls`` S3 also answers 403 to who
        sends one. Ceph's radosgw then refuses every PUT of an object or a part, whatever its ACL
        (`RGWPutObj::verify_permission` in rgw_op.cc, mended in 2025; seen on 16.2).
        """
        with self._calling("PutPublicAccessBlock") as s3:
            s3.put_public_access_block(
                Bucket=self.name,
                PublicAccessBlockConfiguration={
                    "BlockPublicAcls": refuse_acls,
                    "IgnorePublicAcls": True,
                    "BlockPublicPolicy": True,
                    "RestrictPublicBuckets": True,
                },
            )

    def set_cors(self, origins: Sequence[str]) -> None:
        """Let pages of these origins read, post forms and send parts, whose ETags they may see."""
        with self._calling("PutBucketCors") as s3:
            s3.put_bucket_cors(
                Bucket=self.name,
                CORSConfiguration={
                    "CORSRules": [
                        {
                            "AllowedOrigins": [*origins],
                            "AllowedMethods": ["GET", "HEAD", "POST", "PUT"],
                            "AllowedHeaders": ["*"],
                            "ExposeHeaders": ["ETag", "Location"],
                            "MaxAgeSeconds": 3600,
                        }
                    ]
                },
            )


def _with_filter(rule: Mapping[str, Any]) -> dict[str, Any]:
    """The same rule with its prefix in a filter: S3 takes no rules of both styles together."""
    changed = dict(rule)
    if "Filter" not in changed:
        changed["Filter"] = {"Prefix": changed.pop("Prefix", "")}
    return changed
