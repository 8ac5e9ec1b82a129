"""The quota of one user, asked for many times at the same moment, on whichever database it is."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import httpx

from e2e.security.conftest import Guarded
from e2e.security.person import Person, codes
from local import service
from local.pictures import picture
from local.processes import free_port, wait_until

AT_ONCE: Final = 8
FILES: Final = 3


def test_of_many_attaches_at_once_no_more_than_the_quota_succeed(
    guarded: Guarded, tmp_path: Path
) -> None:
    port, small = free_port(), picture("PNG", 8, 8)
    env = {**guarded.env, "QUOTA_FILES": str(FILES), "QUOTA_BYTES": str(100 * len(small))}
    # Two workers, so that nothing in one process can be what holds it.
    web = service.serve(env, port=port, workers=2, log=tmp_path / "service.log")
    try:
        wait_until(lambda: service.healthy(port), web, patience=60)
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as http:
            alice = Person(http, "alice")
            alice.sign_up()
            keys = [alice.upload(small) for _ in range(AT_ONCE)]
            seen: Counter[int] = Counter()
            while keys:
                with ThreadPoolExecutor(AT_ONCE) as pool:
                    answers = list(pool.map(alice.post, keys))
                seen.update(answer.status_code for answer in answers)
                for answer in answers:
                    assert answer.status_code in {201, 400, 503}, answer.text
                    if answer.status_code == 400:
                        assert codes(answer) == [("quota_exceeded", "non_field_errors")]
                # A worker that waits for S3 with all it has says so; those are sent again.
                keys = [
                    key
                    for key, answer in zip(keys, answers, strict=True)
                    if answer.status_code == 503
                ]
            assert (seen[201], seen[400]) == (FILES, AT_ONCE - FILES)

            post = alice.call("GET", f"/users/{alice.id}/posts/").json()["results"][0]["id"]
            assert alice.call("DELETE", f"/posts/{post}/").status_code == 204
            assert alice.post(alice.upload(small)).status_code == 201
            assert alice.post(alice.upload(small)).status_code == 400
    finally:
        web.stop()
