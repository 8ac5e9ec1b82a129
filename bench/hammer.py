"""A load generator for where there is no wrk: asyncio, keep-alive, no pipelining.

    python -m bench.hammer URL METHOD HEADERS-AS-JSON BODY SECONDS CONNECTIONS

It reads just enough of HTTP/1.1 to find an answer's end, and prints what `servers` makes wrk print.
"""

import asyncio
import json
import statistics
import sys
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(slots=True)
class Tally:
    requests: int = 0
    failed: int = 0
    times: list[float] = field(default_factory=list)


async def answer(reader: asyncio.StreamReader) -> bool:
    """Read one answer; whether it was a success."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if (length := head.partition(b"content-length:")[2]) != b"":
        await reader.readexactly(int(length.split(b"\r\n", 1)[0]))
    elif b"transfer-encoding: chunked" in head:
        while size := int(await reader.readline(), 16):
            await reader.readexactly(size + 2)
        await reader.readline()
    return head.split(b" ", 2)[1].startswith(b"2")


async def connection(host: str, port: int, request: bytes, until: float, tally: Tally) -> None:
    reader, writer = await asyncio.open_connection(host, port)
    while (began := time.perf_counter()) < until:
        writer.write(request)
        tally.failed += not await answer(reader)
        tally.requests += 1
        tally.times.append(time.perf_counter() - began)
    writer.close()


async def hammer(request: bytes, host: str, port: int, seconds: float, connections: int) -> Tally:
    tally = Tally()
    until = time.perf_counter() + seconds
    await asyncio.gather(
        *(connection(host, port, request, until, tally) for _ in range(connections))
    )
    return tally


def written(url: str, method: str, headers: dict[str, str], body: str) -> bytes:
    """The request as it goes over the wire."""
    parts = urlsplit(url)
    lines = [f"{method} {parts.path}{'?' + parts.query if parts.query else ''} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in {"Host": parts.netloc, **headers}.items()]
    if body:
        lines.append(f"Content-Length: {len(body.encode())}")
    return "\r\n".join([*lines, "", body]).encode()


def main() -> None:
    url, method, headers, body, seconds, connections = sys.argv[1:]
    began = time.perf_counter()
    parts = urlsplit(url)
    request = written(url, method, json.loads(headers), body)
    host, port = parts.hostname or "127.0.0.1", parts.port or 80
    tally = asyncio.run(hammer(request, host, port, float(seconds), int(connections)))
    print(
        json.dumps(
            {
                "requests": tally.requests,
                "seconds": time.perf_counter() - began,
                "failed": tally.failed,
                "p50_us": 1e6 * statistics.median(tally.times),
            }
        )
    )


if __name__ == "__main__":
    main()
