"""A proxy between the service and its S3 that can be told to disturb what passes.

It forwards every byte as it came, the Host header included, so signatures stay valid. What happens
to a request is a function of its `Exchange`:

    with proxy.disturbing("CopyObject", lose_answer, times=1) as disturbance:
        …
    assert disturbance.count == 1
"""

import contextlib
import re
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedIOBase
from typing import Final
from urllib.parse import urlsplit

PATIENCE: Final = 20.0
_BUSY: Final = (
    b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
)


class Cut(Exception):
    """The connection to the client ends here, whatever it has got of its answer."""


@dataclass(frozen=True, slots=True)
class Message:
    """An HTTP request or answer as it stood on the wire."""

    head: bytes
    body: bytes

    @property
    def first_line(self) -> str:
        return self.head.partition(b"\r\n")[0].decode("latin-1")

    def header(self, name: str) -> str | None:
        found = re.search(rf"(?im)^{name}: *(.*?)\r$", self.head.decode("latin-1"))
        return found[1] if found else None

    @property
    def content(self) -> bytes:
        """The body without the lengths between its chunks."""
        if self.header("transfer-encoding") != "chunked":
            return self.body
        chunks, rest = b"", self.body
        while rest:
            size, _, rest = rest.partition(b"\r\n")
            length = int(size.split(b";")[0], 16)
            chunks, rest = chunks + rest[:length], rest[length + 2 :]
        return chunks

    def with_body(self, body: bytes) -> "Message":
        """The same with another body."""
        lines = [
            line
            for line in self.head.rstrip(b"\r\n").split(b"\r\n")
            if not line.lower().startswith((b"content-length:", b"transfer-encoding:"))
        ]
        lines.append(b"content-length: %d" % len(body))
        return Message(b"\r\n".join(lines) + b"\r\n\r\n", body)

    def __bytes__(self) -> bytes:
        return self.head + self.body


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request on its way, and the two ends it is between."""

    operation: str
    request: Message
    upstream: tuple[str, int]
    client: socket.socket

    @property
    def repeated(self) -> bool:
        """Whether the SDK has sent this request before (botocore.retries.standard)."""
        attempt = re.search(r"attempt=(\d+)", self.request.header("amz-sdk-request") or "")
        return attempt is not None and attempt[1] != "1"

    def forward(self) -> Message:
        """What S3 answers."""
        with (
            socket.create_connection(self.upstream, timeout=60) as connection,
            connection.makefile("rb") as stream,
        ):
            connection.sendall(bytes(self.request))
            return _read_answer(stream, to_head=self.request.first_line.startswith("HEAD "))

    def forward_half(self) -> None:
        """S3 sees a request that ends in the middle."""
        with socket.create_connection(self.upstream, timeout=60) as connection:
            whole = bytes(self.request)
            connection.sendall(whole[: len(whole) - max(len(self.request.body), len(whole)) // 2])

    def reply(self, data: Message | bytes) -> None:
        self.client.sendall(bytes(data))


Fault = Callable[[Exchange], None]


def refuse(exchange: Exchange) -> None:
    """S3 is too busy and says so."""
    head = b"HTTP/1.1 503 Slow Down\r\ncontent-type: application/xml\r\ncontent-length: %d\r\n\r\n"
    body = b"" if exchange.request.first_line.startswith("HEAD ") else _BUSY
    exchange.reply(head % len(_BUSY) + body)


def cut_request(exchange: Exchange) -> None:
    """The connection ends while the request is sent."""
    exchange.forward_half()
    raise Cut


def cut_answer(exchange: Exchange) -> None:
    """S3 did what it was asked; the connection ends in the middle of its answer."""
    answer = exchange.forward()
    exchange.reply(answer.head + answer.body[: len(answer.body) // 2])
    raise Cut


def cut_headers(exchange: Exchange) -> None:
    """As `cut_answer`, amid the headers."""
    answer = exchange.forward()
    exchange.reply(answer.head[: len(answer.head) // 2])
    raise Cut


def lose_answer(exchange: Exchange) -> None:
    """S3 did what it was asked and nothing of its answer arrives."""
    exchange.forward()
    raise Cut


def fail_every_second_delete(exchange: Exchange) -> None:
    """DeleteObjects deletes its keys and answers InternalError for every second of them."""
    keys = re.findall(rb"<Key>(.*?)</Key>", exchange.request.body)
    answer = exchange.forward()
    body = answer.content
    for key in keys[1::2]:
        deleted = rb"<Deleted>(?:(?!</Deleted>).)*<Key>" + re.escape(key) + rb"</Key>.*?</Deleted>"
        failed = b"<Error><Key>" + key + b"</Key><Code>InternalError</Code></Error>"
        body, found = re.subn(deleted, failed, body, flags=re.DOTALL)
        assert found == 1, body
    exchange.reply(answer.with_body(body))


class Gate:
    """Holds requests until it is opened or shut.

    With `answered`, S3 has done what it was asked and the answer is held; else the request is.
    """

    def __init__(self, *, answered: bool = False) -> None:
        self.held = 0
        self._answered = answered
        self._changed = threading.Condition()
        self._passable: bool | None = None

    def __call__(self, exchange: Exchange) -> None:
        answer = exchange.forward() if self._answered else None
        with self._changed:
            # The SDK sends one that waits too long here again, and that is no other request.
            self.held += not exchange.repeated
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._passable is not None)
        if not self._passable:
            raise Cut
        exchange.reply(answer or exchange.forward())

    def wait_for(self, number: int) -> None:
        """Return once so many requests stand here."""
        with self._changed:
            came = self._changed.wait_for(lambda: self.held >= number, PATIENCE)
        assert came, f"{self.held} requests came, not {number}"

    def open(self) -> None:
        """Let everything pass that stands here or comes."""
        self._decide(passable=True)

    def shut(self) -> None:
        """Cut off everything that stands here or comes."""
        self._decide(passable=False)

    def _decide(self, *, passable: bool) -> None:
        with self._changed:
            if self._passable is None:
                self._passable = passable
            self._changed.notify_all()


@dataclass
class Disturbance:
    """A fault in force: what it is for, how often it may still strike, how often it did."""

    operation: str
    fault: Fault
    after: int
    times: float
    count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def strikes(self, exchange: Exchange) -> bool:
        with self._lock:
            if self.operation not in {exchange.operation, "*"} or self.count >= self.times:
                return False
            if self.after:
                self.after -= 1
                return False
            self.count += 1
            return True


class Proxy:
    """Listens on the loopback interface as soon as it is made."""

    def __init__(self, upstream_url: str, port: int) -> None:
        upstream = urlsplit(upstream_url)
        assert upstream.hostname
        assert upstream.port
        self.url = f"http://127.0.0.1:{port}"
        #: Every request that came, as (operation, body).
        self.seen: list[tuple[str, bytes]] = []
        #: What went wrong in the proxy itself.
        self.failures: list[Exception] = []
        self._upstream = upstream.hostname, upstream.port
        self._port = port
        self._disturbances: list[Disturbance] = []
        self._clients: set[socket.socket] = set()
        self._listen()

    @contextmanager
    def disturbing(
        self, operation: str, fault: Fault, *, after: int = 0, times: float = float("inf")
    ) -> Iterator[Disturbance]:
        """Have the fault strike requests of this operation ("*": all), `after` so many, `times`."""
        disturbance = Disturbance(operation, fault, after, times)
        self._disturbances.append(disturbance)
        try:
            yield disturbance
        finally:
            self._disturbances.remove(disturbance)
            assert not self.failures, self.failures

    @contextmanager
    def holding(self, operation: str, *, answered: bool = False, after: int = 0) -> Iterator[Gate]:
        """Hold requests of this operation; those still held at the end are cut off."""
        gate = Gate(answered=answered)
        with self.disturbing(operation, gate, after=after):
            try:
                yield gate
            finally:
                gate.shut()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Refuse connections, and end those there are."""
        self.close()
        try:
            yield
        finally:
            self._listen()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        for client in list(self._clients):
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def _listen(self) -> None:
        proxy = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                proxy._clients.add(self.connection)
                try:
                    proxy._serve(self.rfile, self.connection)
                except (Cut, OSError):
                    pass  # one of the two ends is gone, which is what this is for
                except Exception as exc:  # noqa: BLE001 - a thread has nobody to tell
                    proxy.failures.append(exc)
                finally:
                    proxy._clients.discard(self.connection)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True
            block_on_close = False
            request_queue_size = 128

        self._server = Server(("127.0.0.1", self._port), Handler)
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()

    def _serve(self, stream: BufferedIOBase, client: socket.socket) -> None:
        while head := _read_head(stream):
            request = Message(head, b"")
            length = int(request.header("content-length") or 0)
            request = Message(head, stream.read(length))
            operation = _operation(request)
            self.seen.append((operation, request.body))
            exchange = Exchange(operation, request, self._upstream, client)
            for disturbance in list(self._disturbances):
                if disturbance.strikes(exchange):
                    disturbance.fault(exchange)
                    break
            else:
                exchange.reply(exchange.forward())


def _operation(request: Message) -> str:
    """S3's name for a request in path style."""
    method, target, _ = request.first_line.split(" ")
    url = urlsplit(target)
    has_key = "/" in url.path.strip("/")
    match method:
        case "POST" if url.query.startswith("delete"):
            return "DeleteObjects"
        case "PUT" if request.header("x-amz-copy-source"):
            return "CopyObject"
        case "HEAD":
            return "HeadObject" if has_key else "HeadBucket"
        case _:
            return f"{method.capitalize()}{'Object' if has_key else 'Bucket'}"


def _read_head(stream: BufferedIOBase) -> bytes:
    """Up to the empty line that ends it; nothing where the connection has ended."""
    lines = []
    while (line := stream.readline()) not in {b"\r\n", b""}:
        lines.append(line)
    return b"".join([*lines, b"\r\n"]) if lines and line else b""


def _read_answer(stream: BufferedIOBase, *, to_head: bool) -> Message:
    answer = Message(_read_head(stream), b"")
    if not answer.head:
        raise Cut
    if to_head or answer.first_line.split(" ")[1] in {"204", "304"}:
        return answer
    if (length := answer.header("content-length")) is not None:
        return Message(answer.head, stream.read(int(length)))
    if answer.header("transfer-encoding") == "chunked":
        return Message(answer.head, b"".join(_chunks(stream)))
    return Message(answer.head, stream.read())


def _chunks(stream: BufferedIOBase) -> Iterator[bytes]:
    """As they stand on the wire."""
    while True:
        size = stream.readline()
        length = int(size.split(b";")[0], 16)
        yield size + stream.read(length) + stream.readline()
        if length == 0:
            return
