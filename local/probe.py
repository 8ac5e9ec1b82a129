"""Whether an S3 checks what it is sent. Forms prove nothing against one that takes anything.

Speaks plain HTTP with our own signatures, so the demo's parent process needs no SDK.
"""

import secrets
import time
import urllib.error
import urllib.request
from typing import Final

from local.processes import ProcessError
from local.store import Store
from sign_s3.signing import PresignedPost

_BOUNDARY: Final = "sign-s3-probe"
_BODY: Final = b"probe"


def knows_key(store: Store) -> bool:
    """Whether the store accepts signatures of its key; it is asked for an object nobody has."""
    url = store.signer(store.incoming).get("probe", now=int(time.time()), expires_in=60)
    # A missing object or bucket is 404; an unknown key or a wrong secret is 403.
    return _status(urllib.request.Request(url)) in {200, 404}


def require_policies(store: Store) -> None:
    """`ProcessError` unless the store takes a good form and refuses a forged and a changed one."""
    key = f"probe/{secrets.token_hex(8)}"
    good = _form(store, key)
    forged = _form(store, key, secret_key="not-the-secret")
    changed = PresignedPost(good.url, {**good.fields, "key": f"{key}-elsewhere"})
    for form, name in ((forged, "a forged form"), (changed, "a changed form")):
        if _post(form) < 400:
            raise ProcessError(f"{store.endpoint_url} took {name}: it checks no signatures")
    if (status := _post(good)) >= 300:
        raise ProcessError(f"{store.endpoint_url} refused a good form with {status}")
    url = store.signer(store.incoming).presign("DELETE", key, now=int(time.time()), expires_in=60)
    _status(urllib.request.Request(url, method="DELETE"))


def _form(store: Store, key: str, secret_key: str | None = None) -> PresignedPost:
    signer = store.signer(store.incoming, secret_key=secret_key)
    [form] = signer.posts(
        [key],
        content_type="text/plain",
        owner="probe",
        max_size=len(_BODY),
        now=int(time.time()),
    )
    return form


def _post(form: PresignedPost) -> int:
    parts = [
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in form.fields.items()
    ]
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="probe"\r\n\r\n'
    body = "".join([*parts, head]).encode() + _BODY + f"\r\n--{_BOUNDARY}--\r\n".encode()
    content_type = f"multipart/form-data; boundary={_BOUNDARY}"
    return _status(urllib.request.Request(form.url, body, {"Content-Type": content_type}))


def _status(request: urllib.request.Request) -> int:
    # Not through a proxy of the environment: the store is on this machine.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=10) as answer:
            status: int = answer.status
    except urllib.error.HTTPError as refused:
        with refused:
            status = refused.code
    return status
