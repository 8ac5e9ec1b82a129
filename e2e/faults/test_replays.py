"""A form that is sent again while its first upload is just being attached (A7)."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.faults.phone import PICTURES, Phone
from e2e.faults.rig import Rig
from e2e.security.person import codes
from sign_s3.keys import MEDIA_PREFIX


@pytest.mark.parametrize(
    "replacement", [b"<script>alert(1)</script>", PICTURES[1]], ids=["a page", "another picture"]
)
def test_other_bytes_between_inspection_and_copy_become_no_record(
    rig: Rig, phone: Phone, replacement: bytes
) -> None:
    rig.serve(workers=1)
    [form] = phone.sign().json()
    key = form["fields"]["key"].removeprefix(MEDIA_PREFIX)

    def send(data: bytes) -> None:
        sent = phone.http.post(form["url"], data=form["fields"], files={"file": ("x", data)})
        assert sent.status_code == 204, sent.text

    send(PICTURES[0])
    with rig.proxy.holding("CopyObject") as gate, ThreadPoolExecutor(1) as pool:
        posted = pool.submit(phone.post, key)
        gate.wait_for(1)
        send(replacement)
        gate.open()
        answer = posted.result()

    assert (answer.status_code, codes(answer)) == (400, [("changed", "images.0")])
    assert rig.ledger.references([key]) == []
    assert rig.in_media([key]) == set()
