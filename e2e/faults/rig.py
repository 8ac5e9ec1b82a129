"""The service beside an S3 that can fail, and what must hold whatever happened to them."""

import itertools
import os
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import httpx

from e2e.faults.backstage import Backstage
from e2e.faults.ledger import Ledger
from e2e.faults.phone import Phone
from e2e.faults.proxy import Proxy
from local import service
from local.processes import Child, wait_until
from local.store import Store
from sign_s3.keys import MEDIA_PREFIX

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HOUR: Final = 3600


@dataclass
class Rig:
    """Buckets, database and service of its own; the service reaches S3 through the proxy."""

    store: Store
    s3: "S3Client"
    proxy: Proxy
    ledger: Ledger
    env: dict[str, str]
    port: int
    state: Path
    backstage: Backstage = field(init=False)
    web: Child | None = None
    phones: list[Phone] = field(default_factory=list)
    _workers: int = 0
    _names: "itertools.count[int]" = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.backstage = Backstage(self.env)

    # ------------------------------------------------------------------ processes

    def serve(self, *, workers: int) -> None:
        """Have the service run with so many workers."""
        if self.web is not None and self.web.running() and self._workers == workers:
            return
        self.stop()
        log = self.state / "service.log"
        self.web = service.serve(self.env, port=self.port, workers=workers, log=log)
        self._workers = workers
        wait_until(lambda: service.healthy(self.port), self.web, patience=60)

    def kill(self) -> None:
        """``kill -9`` of every process of the service."""
        assert self.web is not None
        os.killpg(self.web.process.pid, signal.SIGKILL)
        self.web.process.wait()

    def stop(self) -> None:
        if self.web is not None:
            self.web.stop()

    def close(self) -> None:
        self.stop()
        self.backstage.close()
        for phone in self.phones:
            phone.http.close()
        self.proxy.close()
        self.ledger.close()

    def phone(self) -> Phone:
        """A client with an account of its own."""
        http = httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}", trust_env=False, timeout=httpx.Timeout(60)
        )
        phone = Phone(http, self.backstage.account(f"user-{next(self._names)}"))
        self.phones.append(phone)
        return phone

    # ------------------------------------------------------------------ what is there

    def held(self, bucket: str, keys: Sequence[str]) -> dict[str, str]:
        """Those of the keys that a bucket holds, with their ETags."""
        found: dict[str, str] = {}
        for key in keys:
            listed = self.s3.list_objects_v2(Bucket=bucket, Prefix=MEDIA_PREFIX + key)
            for item in listed.get("Contents", []):
                found[key] = item["ETag"].strip('"')
        return found

    def in_media(self, keys: Sequence[str]) -> set[str]:
        return set(self.held(self.store.media, keys))

    def in_incoming(self, keys: Sequence[str]) -> set[str]:
        return set(self.held(self.store.incoming, keys))

    def assert_sound(self, phone: Phone, keys: Sequence[str]) -> None:
        """S1, S2 and S8 of keys the phone uploaded, and that nothing attached is forgotten."""
        rows = self.ledger.rows(keys)
        references = Counter(self.ledger.references(keys))
        media = self.held(self.store.media, keys)
        assert set(references.values()) <= {1}, f"S2: {references}"
        assert {key: media.get(key) for key in references} == {
            key: phone.etags[key] for key in references
        }, "S1: a reference whose bytes are not those that were uploaded"
        assert media.keys() <= rows.keys(), "S8: an object without a row"
        attached = {key for key, row in rows.items() if row.state == "attached"}
        assert attached == references.keys(), "attached means referred to, and the other way round"

    def settle(self) -> None:
        """Sweep, as often and as late as it takes until nothing more is to be done."""
        for _ in range(4):
            self.ledger.age(HOUR)
            self.backstage.sweep()

    def assert_nothing_left(self, phone: Phone, keys: Sequence[str]) -> None:
        """Once the phone deleted all its posts, the sweep leaves no object in the media bucket."""
        wall = f"/posts/?author={phone.account.id}&limit=100"
        while posts := phone.http.get(wall).json()["results"]:
            for post in posts:
                assert phone.call("DELETE", f"/posts/{post['id']}/").status_code == 204
        self.settle()
        assert self.in_media(keys) == set()
        assert {row.state for row in self.ledger.rows(keys).values()} <= {"deleted"}
