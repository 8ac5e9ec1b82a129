"""An S3 on this machine: where it is and the key that signs for it."""

from dataclasses import dataclass, field

from sign_s3.signing import Credentials, Location, Signer


@dataclass(frozen=True, slots=True)
class Store:
    """What the service has to know of an S3. Both buckets may have yet to be made."""

    endpoint_url: str
    region: str
    access_key: str
    secret_key: str = field(repr=False)
    incoming: str = "sign-s3-incoming"
    media: str = "sign-s3-media"

    def environment(self) -> dict[str, str]:
        """This store as the service's environment variables."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_S3_REGION_NAME": self.region,
            "AWS_S3_ENDPOINT_URL": self.endpoint_url,
            "AWS_S3_ADDRESSING_STYLE": "path",
            "AWS_INCOMING_BUCKET_NAME": self.incoming,
            "AWS_STORAGE_BUCKET_NAME": self.media,
        }

    def signer(self, bucket: str, *, secret_key: str | None = None) -> Signer:
        """Signs for one of the buckets, wrongly if given another secret."""
        return Signer(
            Location(bucket, self.region, self.endpoint_url, "path"),
            Credentials(self.access_key, secret_key or self.secret_key),
        )
