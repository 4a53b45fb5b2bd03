"""Five gigabytes that nobody takes: the gateway holds back whoever sends, and an end that leaves takes the other along.

Up to an origin that does not read and down to a client that does not, with a length and in chunks: the gateway's
growth. After the stall everything is read, and its bytes are counted. Then ends leave in the middle.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final

from gateway.proxy.server import Front
from tests.trials.ends import Ends, drain, end_heard_s, end_read_s, ends, push, read_head, reset
from tests.trials.verdict import Verdict, main

GIB: Final = 1 << 30
SIZE: Final = 5 * GIB
GROWTH: Final = 32 << 20
QUIET_S: Final = 3.0
GONE_S: Final = 1.0
_LOOK_S: Final = 0.02

Way = Callable[[Ends, int, float], Iterator[Verdict]]


def trial(front: Front, *, size: int = SIZE, quiet_s: float = QUIET_S) -> Iterator[Verdict]:
    """All of it on one front, with fresh gateways, so that nothing grows into room that another case has made."""
    with ends(front) as both:
        yield from up(both, size, quiet_s)
    with ends(front) as both:
        yield from down(both, size, quiet_s)
    with ends(front) as both:
        for what, leave in LEAVING.items():
            seconds = leave(both)
            yield Verdict(what, f"within {GONE_S:g} s", f"{seconds:.2f} s", seconds <= GONE_S)


def up(both: Ends, size: int, quiet_s: float) -> Iterator[Verdict]:
    """An upload to an origin that first does not read, and then does."""
    with both.exchange("POST /up", f"content-length: {size}") as (client, origin):
        with _growth(both) as grown:
            taken = push(client, size, quiet_s=quiet_s)
        yield _grew("an upload to an origin that does not read", grown[0], taken, size)
        with ThreadPoolExecutor(1) as pool, _growth(both) as grown:
            got = pool.submit(drain, origin, size)
            push(client, size - taken, quiet_s=30)
            arrived = got.result()
        yield _grew("the rest of it, once the origin reads", grown[0], arrived, size)
        yield Verdict("bytes of the upload that arrived", f"{size:,}", f"{arrived:,}", arrived == size)


def down(both: Ends, size: int, quiet_s: float) -> Iterator[Verdict]:
    """An answer to a client that first does not read, and then does."""
    with both.exchange("GET /down") as (client, origin):
        origin.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode())
        with _growth(both) as grown:
            taken = push(origin, size, quiet_s=quiet_s)
        yield _grew("an answer to a client that does not read", grown[0], taken, size)
        with ThreadPoolExecutor(1) as pool, _growth(both) as grown:
            head = read_head(client).partition(b"\r\n\r\n")[2]
            got = pool.submit(drain, client, size - len(head))
            push(origin, size - taken, quiet_s=30)
            arrived = got.result() + len(head)
        yield _grew("the rest of it, once the client reads", grown[0], arrived, size)
        yield Verdict("bytes of the answer that arrived", f"{size:,}", f"{arrived:,}", arrived == size)


def _grew(what: str, grown: int, taken: int, size: int) -> Verdict:
    seen = f"{grown / 2**20:+.1f} MiB while {taken / 2**20:,.0f} of {size / 2**20:,.0f} MiB were taken"
    return Verdict(what, f"growth under {GROWTH >> 20} MiB", seen, grown < GROWTH)


@contextmanager
def _growth(both: Ends) -> Iterator[list[int]]:
    """The most that the gateway holds beyond what it held at first, while the block runs."""
    first, most, over = both.held(), [0], threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_S):
            most[0] = max(most[0], both.held() - first)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield most
    finally:
        over.set()
        looking.join()


# An end leaves: how long until the other hears of it


def _client_leaves_waiting(both: Ends) -> float:
    with both.exchange("GET /waits") as (client, origin):
        client.close()
        return end_heard_s(origin)


def _client_leaves_upload(both: Ends) -> float:
    with both.exchange("POST /up", f"content-length: {SIZE}") as (client, origin):
        drain(origin, push(client, 1 << 20, quiet_s=1))
        client.close()
        return end_read_s(origin)


def _client_leaves_stalled_upload(both: Ends) -> float:
    """An origin that does not read hears nothing behind the bytes it has yet to read: the gateway must let go."""
    with both.exchange("POST /up", f"content-length: {SIZE}") as (client, _):
        push(client, SIZE, quiet_s=1)
        reset(client)
        return both.let_go_s()


def _client_leaves_answer(both: Ends) -> float:
    with both.exchange("GET /down") as (client, origin):
        origin.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n".encode())
        drain(client, push(origin, 1 << 20, quiet_s=1))
        client.close()
        return end_heard_s(origin)


def _client_leaves_stalled_answer(both: Ends) -> float:
    with both.exchange("GET /down") as (client, origin):
        origin.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n".encode())
        push(origin, SIZE, quiet_s=1)
        client.close()  # with unread bytes, which is a reset
        return end_heard_s(origin)


def _origin_leaves_upload(both: Ends) -> float:
    with both.exchange("POST /up", f"content-length: {SIZE}") as (client, origin):
        push(client, SIZE, quiet_s=1)
        reset(origin)
        return _stopped_s(client)


def _origin_leaves_answer(both: Ends) -> float:
    with both.exchange("GET /down") as (client, origin):
        origin.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {SIZE}\r\n\r\n".encode())
        push(origin, 1 << 20, quiet_s=1)
        read_head(client)
        reset(origin)
        return end_read_s(client)


def _stopped_s(client: socket.socket) -> float:
    """Seconds until a client that still sends is answered or cut."""
    begun = time.monotonic()
    client.settimeout(10)
    try:
        return time.monotonic() - begun if client.recv(65536) is not None else float("inf")
    except TimeoutError:
        return float("inf")
    except ConnectionError:
        return time.monotonic() - begun


LEAVING: Final[dict[str, Callable[[Ends], float]]] = {
    "a client that waits for an answer leaves: the origin hears of it": _client_leaves_waiting,
    "a client leaves within its upload: the origin hears of it": _client_leaves_upload,
    "a client leaves while its upload is stalled: the gateway lets go of the origin": _client_leaves_stalled_upload,
    "a client leaves within an answer: the origin hears of it": _client_leaves_answer,
    "a client leaves while an answer is stalled: the origin hears of it": _client_leaves_stalled_answer,
    "the origin leaves while an upload is stalled: the client hears of it": _origin_leaves_upload,
    "the origin leaves within an answer: the client hears of it": _origin_leaves_answer,
}

if __name__ == "__main__":
    main("streams", trial, __doc__)
