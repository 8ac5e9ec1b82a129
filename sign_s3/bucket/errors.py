"""What can go wrong with a bucket, one class for each thing a caller does about it.

No message carries a signature, a policy or a secret, so all of them may be logged.
"""


class BucketException(Exception):
    """Anything that went wrong with `bucket`; `message` says what, in a sentence or S3's words."""

    def __init__(self, bucket: str, message: str) -> None:
        super().__init__(bucket, message)
        self.bucket = bucket
        self.message = message

    def __str__(self) -> str:
        return f"{self.bucket}: {self.message}" if self.bucket else self.message


class _KeyException(BucketException):
    """A BucketException about one key; `key` is empty where the call named none."""

    def __init__(self, bucket: str, key: str, message: str) -> None:
        super().__init__(bucket, message)
        self.args = (bucket, key, message)
        self.key = key

    def __str__(self) -> str:
        return f"{self.bucket}/{self.key}: {self.message}"


class NoSuchBucket(_KeyException):
    """The bucket does not exist."""


class NoSuchKey(_KeyException):
    """The object, or the multipart upload, does not exist."""


class PreconditionFailed(_KeyException):
    """The object is not the one that was asked for: its ETag is another. Trying again is no use."""


class BucketAccessDenied(BucketException):
    """The credentials are missing, wrong, expired or not allowed to do this."""


class BucketUnavailable(BucketException):
    """No answer, a cut answer or a 5xx, after the retries. The request may have taken effect."""


class UnknownBucketException(BucketException):
    """S3 refused for a reason of its own; `error_code` is S3's, or the SDK's exception."""

    def __init__(self, bucket: str, error_code: str, error_message: str) -> None:
        super().__init__(bucket, f"{error_code}: {error_message}")
        self.args = (bucket, error_code, error_message)
        self.error_code = error_code
        self.error_message = error_message
