import threading
import time

import pytest
from django.test import Client

from config.health import Readiness, require
from conftest import Buckets
from sign_s3.bucket import Bucket


def test_the_process_is_up() -> None:
    response = Client().get("/healthz")
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.django_db(transaction=True)
def test_ready_means_the_database_and_both_buckets_answer(buckets: Buckets) -> None:
    response = Client().get("/readyz")
    assert response.json() == {
        "status": "ok",
        "checks": {"database": "ok", "incoming_bucket": "ok", "media_bucket": "ok"},
    }
    assert response.status_code == 200


def test_a_probe_that_fails_is_named_and_its_reason_is_left_to_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fails() -> None:
        raise RuntimeError("password=hunter2")

    readiness = Readiness({"good": lambda: None, "bad": fails})
    assert readiness.states(1) == {"good": "ok", "bad": "unreachable"}
    assert [record.getMessage() for record in caplog.records] == [
        "not ready: bad: RuntimeError: password=hunter2"
    ]


def test_a_probe_that_hangs_is_unreachable_in_bounded_time_and_started_once() -> None:
    end, starts = threading.Event(), []

    def hangs() -> None:
        starts.append(1)
        end.wait(10)

    readiness = Readiness({"good": lambda: None, "slow": hangs})
    started = time.perf_counter()
    for _ in range(3):
        assert readiness.states(0.1) == {"good": "ok", "slow": "unreachable"}
    assert time.perf_counter() - started < 1
    assert starts == [1]
    end.set()
    assert readiness.states(1) == {"good": "ok", "slow": "ok"}


def test_many_who_ask_share_one_answer() -> None:
    starts: list[int] = []
    readiness = Readiness({"probe": lambda: starts.append(1)})
    for _ in range(10):
        readiness.states(1)
    assert starts == [1]


def test_a_bucket_that_is_missing_is_not_ready(buckets: Buckets) -> None:
    require(buckets.media)
    with pytest.raises(LookupError):
        require(Bucket("nowhere"))


def test_the_probes_are_asked_by_get_and_head_alone() -> None:
    assert Client().head("/healthz").status_code == 200
    refused = Client(enforce_csrf_checks=True).post("/healthz")
    assert (refused.status_code, refused["Allow"]) == (405, "GET, HEAD")
    assert refused.json()["errors"][0]["code"] == "method_not_allowed"
