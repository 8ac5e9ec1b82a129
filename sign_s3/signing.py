"""AWS Signature Version 4, for the requests that clients send to S3 themselves.

    signer = Signer(Location("my-bucket", "eu-west-1"), Credentials(access_key, secret_key))
    signer.posts(keys, content_type="image/png", owner="alice", max_size=MIB, now=now)   → forms
    signer.get(key, now=now, expires_in=3600)                                            → a URL

Sources, all on docs.aws.amazon.com: "Authenticating Requests: Browser-Based Uploads Using POST" and
"POST Policy" for forms, "Authenticating Requests: Using Query Parameters" for URLs. The answers are
the AWS SDK's, byte for byte, as the tests hold; this module exists because that takes a hundred
microseconds for a form.

Times are whole seconds since the epoch. Nothing here reads a clock, the network or a setting.
"""

import functools
import hmac
import json
import time
from binascii import b2a_base64
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256
from json.encoder import encode_basestring_ascii as json_string
from typing import Final, NamedTuple
from urllib.parse import quote

from sign_s3.location import AddressingStyle, Location

__all__ = [
    "AddressingStyle",
    "Credentials",
    "CredentialsExpired",
    "Location",
    "PresignedPost",
    "Signer",
]

#: The longest life of a form here; S3 itself sets no limit.
MAX_POST_SECONDS: Final = 300
#: The longest life S3 takes for a URL: seven days.
MAX_URL_SECONDS: Final = 604_800


class CredentialsExpired(Exception):
    """The session credentials have ended, so nothing signed with them would be accepted."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """What signs. ``token`` and ``expires_at`` (aware) belong to session credentials."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires_at: datetime | None = None


# A named tuple because it is built once per form, and costs half of what a frozen dataclass does.
class PresignedPost(NamedTuple):
    """A form: POST ``fields``, and last the file, to ``url`` as multipart/form-data."""

    url: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs for one bucket with one set of credentials.

    Every method raises `CredentialsExpired` once session credentials have ended, caps what it signs
    at their end, and raises `ValueError` for a life out of range and for a key that is empty.
    """

    location: Location
    credentials: Credentials

    def posts(
        self,
        keys: Iterable[str],
        *,
        content_type: str,
        owner: str,
        max_size: int,
        min_size: int = 1,
        acl: str = "",
        now: int,
        expires_in: int = MAX_POST_SECONDS,
    ) -> list[PresignedPost]:
        """One form per key, in their order.

        Each policy pins by equality: bucket, key, Content-Type, ``x-amz-meta-userid`` (the owner)
        and acl (left out when empty), and holds the file to ``min_size`` to ``max_size`` bytes,
        both included. It allows nothing else, since S3 refuses fields that no condition names. It
        ends ``expires_in`` seconds after `now`.
        """
        if not 0 <= min_size <= max_size:
            raise ValueError(f"not a range of sizes: {min_size} to {max_size}")
        location = self.location
        life = self._life(now, expires_in, MAX_POST_SECONDS)
        moment = self._moment(now)
        # Only the key differs between forms, so the text on either side of it is made once, spaced
        # as json.dumps would write it. What is not quoted by json_string is ASCII by its grammar.
        acl_pinned = f'{{"acl": {json_string(acl)}}}, ' if acl else ""
        head = (
            f'{{"expiration": "{_expiration(now + life)}", "conditions": [{acl_pinned}'
            f'{{"Content-Type": {json_string(content_type)}}}, '
            f'{{"x-amz-meta-userid": {json_string(owner)}}}, '
            f'["content-length-range", {min_size}, {max_size}], '
            f'{{"bucket": "{location.bucket}"}}, {{"key": '
        )
        tail = f"}}, {moment.conditions}]}}"
        common = {
            **({"acl": acl} if acl else {}),
            "Content-Type": content_type,
            "x-amz-meta-userid": owner,
            "key": "",
            **moment.fields,
        }
        signing_key, url = moment.signing_key, location.url

        forms = []
        for key in keys:
            text = f"{head}{json_string(key)}{tail}"
            # S3 fills in ${filename} in any form field, so a value that holds it pins nothing. One
            # character is found in a tenth of the time that two take.
            if not key or ("$" in text and "${" in text):
                raise ValueError("a form takes no empty key and no variables")
            policy = b2a_base64(text.encode(), newline=False)
            fields = {
                **common,
                "key": key,
                "policy": policy.decode(),
                "x-amz-signature": hmac.digest(signing_key, policy, "sha256").hex(),
            }
            forms.append(PresignedPost(url, fields))
        return forms

    def get(
        self, key: str, *, now: int, expires_in: int, params: Mapping[str, str] | None = None
    ) -> str:
        """A URL to read an object; ``params`` may override headers (``response-content-type``…)."""
        return self.presign("GET", key, now=now, expires_in=expires_in, params=params)

    def put(self, key: str, *, now: int, expires_in: int, headers: Mapping[str, str]) -> str:
        """A URL to write an object. The client must send exactly these headers' values."""
        return self.presign("PUT", key, now=now, expires_in=expires_in, headers=headers)

    def presign(
        self,
        method: str,
        key: str,
        *,
        now: int,
        expires_in: int,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> str:
        """A URL for one request: UploadPart is PUT with params ``partNumber`` and ``uploadId``.

        It is valid from `now`, which may lie in the past, for ``expires_in`` seconds. The host is
        always signed, and so is every header given here, in any case.
        """
        if not key:
            raise ValueError("a URL without a key would act on the bucket")
        location = self.location
        life = self._life(now, expires_in, MAX_URL_SECONDS)
        moment = self._moment(now)
        path = location.root + quote(key)
        names, header_lines = "host", f"host:{location.host}"
        if headers:
            names, header_lines = _canonical_headers({**headers, "host": location.host})

        # S3 sorts the parameters before it checks the signature: "Security-Token" sorts before
        # "SignedHeaders", though the SDK writes it after, and anything of ours in its own place.
        start, token = f"{moment.query}&X-Amz-Expires={life}", moment.token_query
        signed_headers = f"&X-Amz-SignedHeaders={names.replace(';', '%3B')}"
        query, canonical_query = start + signed_headers + token, start + token + signed_headers
        if params:
            own = [f"{_quoted(name)}={_quoted(value)}" for name, value in params.items()]
            query = "&".join([*own, query])
            pairs = (pair.partition("=") for pair in query.split("&"))
            canonical_query = "&".join("".join(pair) for pair in sorted(pairs))

        request = (
            f"{method}\n{path}\n{canonical_query}\n{header_lines}\n\n{names}\nUNSIGNED-PAYLOAD"
        )
        digest = sha256(request.encode("ascii")).hexdigest()
        text = f"AWS4-HMAC-SHA256\n{moment.stamp}\n{moment.scope}\n{digest}"
        signature = hmac.digest(moment.signing_key, text.encode("ascii"), "sha256").hex()
        return f"{location.origin}{path}?{query}&X-Amz-Signature={signature}"

    def _moment(self, now: int) -> "_Moment":
        key = self.credentials
        return _moment(key.access_key, key.secret_key, key.token, self.location.region, now)

    def _life(self, now: int, expires_in: int, longest: int) -> int:
        """Seconds from `now` that something signed may live."""
        if not 0 < expires_in <= longest:
            raise ValueError(f"a life of {expires_in} s is not within 1 to {longest}")
        if (end := self.credentials.expires_at) is None:
            return expires_in
        if (left := int(end.timestamp()) - now) <= 0:
            raise CredentialsExpired("the session credentials have ended")
        return min(expires_in, left)


# S3 accepts one signing key all day, so its four HMACs are done once. Small on purpose: one entry
# per secret and region in use, and yesterday's.
@functools.lru_cache(maxsize=16)
def _signing_key(secret_key: str, day: str, region: str) -> bytes:
    """The derived key of `day` (YYYYMMDD)."""
    key = f"AWS4{secret_key}".encode()
    for part in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode("ascii"), "sha256")
    return key


class _Moment(NamedTuple):
    """What everything signed in the same second has in common."""

    stamp: str
    scope: str
    signing_key: bytes
    #: The fields of a form that say how it is signed, and the text that pins them.
    fields: Mapping[str, str]
    conditions: str
    #: The first parameters of a URL, and the last: the session's token or nothing.
    query: str
    token_query: str


# Formatting times and joining scopes costs more than looking them up, and requests of one second
# share them. The arguments are plain strings since hashing a dataclass costs as much again.
@functools.lru_cache(maxsize=64)
def _moment(access_key: str, secret_key: str, token: str | None, region: str, now: int) -> _Moment:
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now))
    day = stamp[:8]
    scope = f"{day}/{region}/s3/aws4_request"
    credential = f"{access_key}/{scope}"
    fields = {
        "x-amz-algorithm": "AWS4-HMAC-SHA256",
        "x-amz-credential": credential,
        "x-amz-date": stamp,
    }
    token_query = ""
    if token:
        fields["x-amz-security-token"] = token
        token_query = f"&X-Amz-Security-Token={_quoted(token)}"
    return _Moment(
        stamp,
        scope,
        _signing_key(secret_key, day, region),
        fields,
        conditions=", ".join(json.dumps({name: value}) for name, value in fields.items()),
        query=f"X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential={_quoted(credential)}"
        f"&X-Amz-Date={stamp}",
        token_query=token_query,
    )


@functools.lru_cache(maxsize=64)
def _expiration(end: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(end))


def _quoted(text: str) -> str:
    """AWS's UriEncode: everything but unreserved characters, ``/`` included."""
    return quote(text, safe="")


def _canonical_headers(headers: Mapping[str, str]) -> tuple[str, str]:
    """The names joined by ``;`` and the lines, lower-cased, sorted, runs of blanks made one."""
    lines = sorted((name.lower(), " ".join(value.split())) for name, value in headers.items())
    names = ";".join(name for name, _ in lines)
    return names, "\n".join(f"{name}:{value}" for name, value in lines)
