"""Where the files are: both buckets, the signers for clients, and Django's view of media."""

import functools
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, NoReturn

from django.core.files import File
from django.utils.encoding import filepath_to_uri
from storages.backends.s3 import S3Storage

from sign_s3 import bucket
from sign_s3.bucket import Bucket, NoSuchKey
from sign_s3.conf import Conf, conf
from sign_s3.keys import MEDIA_PREFIX, object_key
from sign_s3.signing import Credentials, CredentialsExpired, Location, Signer

#: Seconds that S3's clock may be behind ours before it finds a URL to be from the future.
CLOCK_SKEW: Final = 300
#: URLs a process remembers, about half a kilobyte each. One more, and it starts over.
MAX_URLS: Final = 10_000
#: A file opened on the server stays in memory up to this many bytes.
SPOOL_SIZE: Final = 1024 * 1024
#: Fewer connections than this would make the threads of one large copy wait for each other.
MIN_CONNECTIONS: Final = 16


class DirectUploadOnly(NotImplementedError):
    """The media bucket is not written through Django's file API.

    Files get in by direct upload and attaching a record to them, and out by the sweep.
    """


# ---------------------------------------------------------------- buckets and signers


@dataclass(frozen=True, slots=True)
class _Places:
    """What follows from one set of settings."""

    incoming: Bucket
    media: Bucket
    #: The same buckets at the address that clients know.
    public_incoming: Location
    public_media: Location
    #: What signs uploads; None for the credentials that everything else is done with.
    upload_credentials: Credentials | None


# One entry: `bucket.init` holds for the process, so settings that come back must call it again.
@functools.lru_cache(maxsize=1)
def _places(settings: Conf) -> _Places:
    bucket.init(
        settings.access_key,
        settings.secret_key,
        session_token=settings.session_token,
        region=settings.region,
        endpoint_url=settings.endpoint_url,
        addressing_style=settings.addressing_style,
        connect_timeout=settings.connect_timeout,
        read_timeout=settings.read_timeout,
        max_attempts=settings.max_attempts,
        max_connections=max(MIN_CONNECTIONS, 2 * settings.parallel_calls),
    )
    public = functools.partial(
        Location,
        region=settings.region,
        endpoint_url=settings.public_endpoint_url or settings.endpoint_url,
        addressing_style=settings.addressing_style,
    )
    return _Places(
        Bucket(settings.incoming_bucket),
        Bucket(settings.media_bucket),
        public(settings.incoming_bucket),
        public(settings.media_bucket),
        Credentials(settings.upload_access_key, settings.upload_secret_key)
        if settings.upload_access_key and settings.upload_secret_key
        else None,
    )


def incoming_bucket() -> Bucket:
    """Where clients upload to; it only ever holds what no record has claimed."""
    return _places(conf()).incoming


def media_bucket() -> Bucket:
    """What records refer to; clients cannot write there."""
    return _places(conf()).media


def incoming_signer() -> Signer:
    """Signs uploads with the credentials in force. Not to be kept: ask for it each time."""
    places = _places(conf())
    return Signer(places.public_incoming, places.upload_credentials or bucket.credentials())


def media_signer() -> Signer:
    """Signs reads with the credentials in force. Not to be kept: ask for it each time."""
    return Signer(_places(conf()).public_media, bucket.credentials())


# ---------------------------------------------------------------- signed URLs


@dataclass(frozen=True, slots=True)
class UrlWindow:
    """The GET URLs given out in one window: equal for equal files, in every process.

    Their date is the window's start, ``floor((now - skew) / window) * window``, so that S3 takes
    them with a clock up to `CLOCK_SKEW` behind; they live ``window + skew + margin`` from there,
    which leaves each the margin at least. Session credentials end them earlier, at their own end.
    """

    settings: Conf
    credentials: Credentials
    start: int
    _signer: Signer
    _urls: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, now: float) -> "UrlWindow":
        """The window that `now`, in seconds since the epoch, falls into."""
        settings, signer = conf(), media_signer()
        end = signer.credentials.expires_at
        if end is not None and end.timestamp() <= now:
            raise CredentialsExpired("the session credentials have ended")
        start = int(now - CLOCK_SKEW) // settings.url_window * settings.url_window
        return cls(settings, signer.credentials, start, signer)

    @property
    def end(self) -> int:
        return self.start + self.settings.url_window + CLOCK_SKEW

    def url(self, key: str) -> str:
        """The URL of a key; 0.1 µs if this process has made it before."""
        try:
            return self._urls[key]
        except KeyError:
            pass
        life = self.settings.url_window + CLOCK_SKEW + self.settings.url_margin
        url = self._signer.get(object_key(key), now=self.start, expires_in=life)
        if len(self._urls) >= MAX_URLS:
            self._urls.clear()
        self._urls[key] = url
        return url


# ---------------------------------------------------------------- Django's storage


class MediaStorage(S3Storage):  # type: ignore[misc]
    """The media bucket below ``media/``, to read from. Names are keys without that prefix.

    django-storages would sign URLs with SigV2 and connect once per thread, past the guard against
    S3 calls inside transactions, so URLs are ours and every call goes through `sign_s3.bucket`.
    """

    location = MEDIA_PREFIX.rstrip("/")
    signature_version = "s3v4"
    _window: UrlWindow | None = None

    def url(self, name: str, *, public: bool = False) -> str:
        """Where to GET the file, whether or not it exists.

        A ``public`` one is at the custom domain, if there is one; all others are signed.
        """
        return self.link(public=public)(name)

    def link(self, *, public: bool = False) -> Callable[[str], str]:
        """What `url` does, to be asked for many names at once, and not to be kept: what it depends
        on, the hour and the credentials among it, is looked at here.
        """
        settings = conf()
        if public and (domain := settings.custom_domain):
            return lambda name: f"https://{domain}/{filepath_to_uri(object_key(name))}"
        window, now = self._window, time.time()
        if (
            window is None
            or not window.start <= now - CLOCK_SKEW < window.start + settings.url_window
            or window.settings is not settings
            or window.credentials is not bucket.credentials()
        ):
            window = self._window = UrlWindow.at(now)
        return window.url

    def exists(self, name: str) -> bool:
        """Whether the object is there, by a HEAD."""
        try:
            media_bucket().stat(object_key(name))
        except NoSuchKey:
            return False
        return True

    def size(self, name: str) -> int:
        """Its bytes, by a HEAD; FileNotFoundError."""
        return self._stat(name).size

    def get_modified_time(self, name: str) -> datetime:
        """When it was attached, by a HEAD; FileNotFoundError."""
        return self._stat(name).last_modified

    def _stat(self, name: str) -> bucket.ObjectInfo:
        try:
            return media_bucket().stat(object_key(name))
        except NoSuchKey as exc:
            raise FileNotFoundError(name) from exc

    def _open(self, name: str, mode: str = "rb") -> "File[bytes]":
        """A local copy to read; FileNotFoundError."""
        if mode not in {"r", "rb"}:
            raise self._refusal()
        copy = tempfile.SpooledTemporaryFile(max_size=SPOOL_SIZE)  # noqa: SIM115 - the caller's
        try:
            media_bucket().download_file(object_key(name), copy)
        except NoSuchKey as exc:
            copy.close()
            raise FileNotFoundError(name) from exc
        copy.seek(0)
        return File(copy, name)

    def save(self, *_: object, **__: object) -> NoReturn:
        """Refused, see `DirectUploadOnly`."""
        raise self._refusal()

    def delete(self, *_: object, **__: object) -> NoReturn:
        """Refused, see `DirectUploadOnly`."""
        raise self._refusal()

    def _save(self, *_: object) -> NoReturn:
        raise self._refusal()

    @property
    def connection(self) -> NoReturn:
        """Refused, so that nothing inherited reaches S3 by a way of its own."""
        raise NotImplementedError("MediaStorage reaches S3 through sign_s3.bucket only")

    @staticmethod
    def _refusal() -> DirectUploadOnly:
        return DirectUploadOnly(
            "files arrive by direct upload: sign, send them to S3, then give a record their key. "
            "To remove one, set the record's field to None; the sweep deletes it"
        )
