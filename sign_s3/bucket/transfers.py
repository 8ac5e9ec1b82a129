"""Files and copies of any size, in parts and with progress, on threads of their own."""

from collections.abc import Callable
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from s3transfer.manager import TransferConfig, TransferManager
from s3transfer.subscribers import BaseSubscriber

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from s3transfer.futures import TransferFuture

#: Called with the bytes done since the last call; negative where a part starts over.
Progress = Callable[[int], None]


class Watch(BaseSubscriber):
    """Carries a transfer's steps from its threads to the one that waits for it."""

    def __init__(self) -> None:
        self.steps: SimpleQueue[int | None] = SimpleQueue()

    def on_progress(self, future: "TransferFuture", bytes_transferred: int, **_: Any) -> None:
        self.steps.put(bytes_transferred)

    def on_done(self, future: "TransferFuture", **_: Any) -> None:
        self.steps.put(None)


class KnownSource(BaseSubscriber):
    """Tells a copy its source's size and ETag.

    Otherwise it asks for them by a HEAD, whose answer replaces the ETag each part is held to: on a
    store that ignores If-Match there, the wrong bytes would be copied without an error.
    """

    def __init__(self, size: int, etag: str) -> None:
        self._size, self._etag = size, etag

    def on_queued(self, future: "TransferFuture", **_: Any) -> None:
        future.meta.provide_transfer_size(self._size)
        future.meta.provide_object_etag(self._etag)


def run(
    client: "S3Client",
    config: TransferConfig,
    start: "Callable[[TransferManager, Watch], TransferFuture]",
    progress: Progress | None,
) -> None:
    """Start a transfer and wait for its end.

    `progress` runs in the calling thread, so it may use what belongs to that thread, such as a
    database connection. If it raises, the transfer is cancelled and cleaned up.
    """
    watch = Watch()
    with TransferManager(client, config) as manager:
        future = start(manager, watch)
        while (step := watch.steps.get()) is not None:
            if progress is not None:
                progress(step)
        future.result()
