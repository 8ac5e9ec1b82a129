"""S3 refuses, cuts connections, loses answers, hangs or is gone; requests end well all the same."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import httpx
import pytest

from e2e.faults.phone import PROFILES, Phone
from e2e.faults.proxy import (
    Fault,
    cut_answer,
    cut_headers,
    cut_request,
    fail_every_second_delete,
    lose_answer,
    refuse,
)
from e2e.faults.rig import Rig
from local import service

FAULTS: Final = (refuse, cut_request, cut_answer, cut_headers, lose_answer)
#: Requests of one process that may wait for S3 at once: ``max_waiting`` in sign_s3/conf.py.
MAX_WAITING: Final = 3


@pytest.fixture(autouse=True)
def _served(rig: Rig) -> Iterator[None]:
    rig.serve(workers=1)
    yield
    # Whatever a test did, it left a service whose workers are all free.
    assert service.healthy(rig.port)


def unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) > 0
    assert answer.json() == {
        "type": "server_error",
        "errors": [
            {
                "code": "service_unavailable",
                "detail": "Temporarily unavailable, try again later.",
                "attr": None,
            }
        ],
    }


def test_signing_goes_on_while_s3_is_down(rig: Rig, phone: Phone) -> None:
    """F1"""
    with rig.proxy.down():
        assert phone.sign(number=10).status_code == 201
        unavailable(phone.post(*phone.upload()))


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("operation", ["GetObject", "CopyObject"])
def test_a_post_whose_uploads_s3_fails_is_refused_and_may_be_sent_again(
    rig: Rig, phone: Phone, operation: str, fault: Fault
) -> None:
    """F2"""
    keys = phone.upload(number=2)

    with rig.proxy.disturbing(operation, fault) as disturbance:
        unavailable(phone.post(*keys))

    assert disturbance.count >= 2
    assert rig.ledger.references(keys) == []
    assert phone.post(*keys).status_code == 201
    rig.assert_sound(phone, keys)
    assert rig.in_incoming(keys) == set()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
@pytest.mark.parametrize("operation", ["GetObject", "CopyObject"])
def test_a_fault_that_passes_is_never_noticed(
    rig: Rig, phone: Phone, operation: str, fault: Fault
) -> None:
    """F3: the SDK sends a copy again whose answer was lost, and that ends in one attached row."""
    if (operation, fault) == ("CopyObject", cut_headers):
        pytest.skip("looks whole to the SDK; `Bucket` finds out and the client sends it again")
    keys = phone.upload()

    with rig.proxy.disturbing(operation, fault, times=1) as disturbance:
        assert phone.post(*keys).status_code == 201

    assert disturbance.count == 1
    rig.assert_sound(phone, keys)


def test_a_copy_whose_every_answer_is_lost_is_attached_by_the_next_request(
    rig: Rig, phone: Phone
) -> None:
    """F3: the object is there, no record is, and the client's own retry takes the row over."""
    keys = phone.upload()
    with rig.proxy.disturbing("CopyObject", lose_answer):
        unavailable(phone.post(*keys))
    assert rig.in_media(keys) == set(keys)
    assert rig.ledger.rows(keys)[keys[0]].state == "promoting"

    assert phone.post(*keys).status_code == 201

    rig.assert_sound(phone, keys)


def test_one_failing_copy_of_several_leaves_no_record_and_in_the_end_no_object(
    rig: Rig, phone: Phone
) -> None:
    keys = phone.upload(number=3)
    with rig.proxy.disturbing("CopyObject", refuse, after=1):
        unavailable(phone.post(*keys))
    rig.assert_sound(phone, keys)
    assert rig.ledger.references(keys) == []

    rig.settle()

    assert rig.in_media(keys) == set()
    answer = phone.post(*keys)
    assert answer.status_code == 400
    assert {error["code"] for error in answer.json()["errors"]} == {"released"}


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_an_upload_that_cannot_be_discarded_is_attached_all_the_same(
    rig: Rig, phone: Phone, fault: Fault
) -> None:
    """What stays in the incoming bucket is for its lifecycle rule, or for a rollback."""
    keys = phone.upload()
    with rig.proxy.disturbing("DeleteObjects", fault):
        assert phone.post(*keys).status_code == 201
    rig.assert_sound(phone, keys)

    assert phone.roll_back(*keys).status_code == 409

    rig.assert_sound(phone, keys)
    assert rig.in_incoming(keys) == set()


def test_a_client_that_never_got_its_201_cannot_roll_its_file_away(rig: Rig, phone: Phone) -> None:
    """F5"""
    keys = phone.upload()
    with rig.proxy.holding("DeleteObjects", answered=True) as gate:
        with pytest.raises(httpx.ReadTimeout):
            phone.http.post(
                "/posts/",
                json={"images": keys},
                headers={"Authorization": f"Bearer {phone.account.access}"},
                timeout=0.5,
            )
        gate.wait_for(1)

    answer = phone.roll_back(*keys)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "attached")
    rig.assert_sound(phone, keys)
    retried = phone.post(*keys)
    assert (retried.status_code, retried.json()["errors"][0]["code"]) == (409, "attached")


@pytest.mark.parametrize("operation", ["HeadObject", "DeleteObjects"])
def test_a_rollback_that_s3_fails_may_be_sent_again(rig: Rig, phone: Phone, operation: str) -> None:
    keys = phone.upload(number=2)
    with rig.proxy.disturbing(operation, lose_answer):
        unavailable(phone.roll_back(*keys))

    assert phone.roll_back(*keys).status_code == 204
    assert rig.in_incoming(keys) == set()
    assert phone.post(*keys).status_code == 400


def test_records_are_deleted_at_once_while_s3_is_down_and_their_files_after(
    rig: Rig, phone: Phone
) -> None:
    """F7, L2: a post, an account; S3 refuses connections, then hangs, then is back."""
    other = rig.phone()
    posted, face, wall = phone.upload(), other.upload(PROFILES), other.upload(number=2)
    post = phone.post(*posted).json()
    assert other.call("PATCH", "/users/me/", {"profile_image": face[0]}).status_code == 200
    assert other.post(*wall).status_code == 201
    keys = [*posted, *face, *wall]

    with rig.proxy.down():
        began = time.monotonic()
        assert phone.call("DELETE", f"/posts/{post['id']}/").status_code == 204
        assert other.call("DELETE", "/users/me/").status_code == 204
        assert time.monotonic() - began < 1
        assert rig.backstage.sweep()["failed"] == 4
    rig.ledger.age(3600, keys)
    with rig.proxy.holding("DeleteObjects"):
        assert rig.backstage.sweep()["failed"] == 4
    assert rig.in_media(keys) == set(keys)
    assert {row.state for row in rig.ledger.rows(keys).values()} == {"deleting"}
    # Each failure put the next attempt off: nothing is due at this moment.
    assert rig.backstage.sweep()["deleted"] == 0

    rig.settle()

    assert rig.in_media(keys) == set()
    assert {row.state for row in rig.ledger.rows(keys).values()} == {"deleted"}


def test_keys_that_a_partial_answer_names_stay_due_and_go_later(rig: Rig, phone: Phone) -> None:
    """F9"""
    rig.settle()
    keys = phone.upload(number=10)
    post = phone.post(*keys).json()
    assert phone.call("DELETE", f"/posts/{post['id']}/").status_code == 204

    with rig.proxy.disturbing("DeleteObjects", fail_every_second_delete, times=1):
        swept = rig.backstage.sweep()

    assert (swept["deleted"], swept["failed"]) == (5, 5)
    states = rig.ledger.run(
        "SELECT deletes_sent, attempts, COUNT(*) FROM sign_s3_mediaobject"
        f" WHERE key IN ({', '.join(['%s'] * 10)}) AND state = 'deleting'"
        " GROUP BY deletes_sent, attempts ORDER BY deletes_sent",
        *keys,
    )
    assert states == [(0, 1, 5), (1, 0, 5)]
    # Not due before the backoff is over, and then they go.
    assert rig.backstage.sweep()["deleted"] == 0
    rig.ledger.age(20, keys)
    assert rig.backstage.sweep()["deleted"] == 5
    rig.assert_nothing_left(phone, keys)


@pytest.mark.parametrize("operation", ["GetObject", "CopyObject"])
def test_one_hanging_bucket_takes_some_workers_and_never_all(
    rig: Rig, phone: Phone, operation: str
) -> None:
    """Signing answers quickly throughout, more attaches are refused quickly, all recover."""
    phones = [rig.phone() for _ in range(MAX_WAITING + 1)]
    uploads = [each.upload() for each in phones]
    signings: list[float] = []
    with ThreadPoolExecutor(MAX_WAITING) as pool, rig.proxy.holding(operation) as gate:
        hanging = [
            pool.submit(each.post, *keys)
            for each, keys in zip(phones[:MAX_WAITING], uploads, strict=False)
        ]
        gate.wait_for(MAX_WAITING)
        while not all(attach.done() for attach in hanging):
            began = time.monotonic()
            if len(signings) == 5:
                unavailable(phones[-1].post(*uploads[-1]))
                assert time.monotonic() - began < 0.5
                unavailable(phones[-1].roll_back(*uploads[-1]))
                assert time.monotonic() - began < 1
                began = time.monotonic()
            assert phone.sign().status_code == 201
            signings.append(time.monotonic() - began)
        for attach in hanging:
            unavailable(attach.result())

    slowest = sorted(signings)[int(len(signings) * 0.95)]
    print(f"{len(signings)} signings, the slowest 5 % from {slowest * 1000:.1f} ms")
    assert len(signings) > 100
    assert slowest < 0.1
    for each, keys in zip(phones, uploads, strict=True):
        assert each.post(*keys).status_code == 201
        rig.assert_sound(each, keys)
