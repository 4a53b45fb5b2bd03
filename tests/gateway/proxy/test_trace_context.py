"""A request's trace is read strictly, and passed on as one header."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.proxy.trace_context import TraceParent, traceparent, with_traceparent

TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


def read(*values: bytes) -> TraceParent | None:
    """What a request with these headers says."""
    return traceparent(((b"host", b"x"), *((b"traceparent", value) for value in values)))


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (f"00-{TRACE}-{SPAN}-01", True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f" 00-{TRACE}-{SPAN}-03 ", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
        (f"cc-{TRACE}-{SPAN}-01-what-the-future-brings", True),
    ],
)
def test_a_parent_is_read(value: str, sampled: bool) -> None:
    """Also of a later version, as the recommendation asks."""
    assert read(value.encode()) == TraceParent(TRACE, SPAN, sampled)


@pytest.mark.parametrize(
    "value",
    [
        "",
        "x",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"00-{TRACE}-{SPAN}-0x",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01\n-",
        f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",
    ],
)
def test_nonsense_is_no_parent(value: str) -> None:
    """Wrong lengths, upper case, zeros, the forbidden version."""
    assert read(value.encode()) is None


def test_two_parents_are_none() -> None:
    """Nobody guesses."""
    good = f"00-{TRACE}-{SPAN}-01".encode()
    assert read(good, good) is None
    assert read() is None


def test_the_parent_is_replaced_where_it_stood_and_the_rest_stays() -> None:
    """One traceparent is left; tracestate goes with a trace that begins here."""
    headers = ((b"a", b"1"), (b"traceparent", b"x"), (b"tracestate", b"v=1"), (b"traceparent", b"y"), (b"a", b"2"))
    parent = TraceParent(TRACE, SPAN, False)
    ours = (b"traceparent", f"00-{TRACE}-{SPAN}-00".encode())
    assert with_traceparent(headers, parent, keep_state=True) == (
        (b"a", b"1"),
        (b"tracestate", b"v=1"),
        (b"a", b"2"),
        ours,
    )
    assert with_traceparent(headers, parent, keep_state=False) == ((b"a", b"1"), (b"a", b"2"), ours)


@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_not(value: bytes) -> None:
    """And what was read is written as it was, in version 00."""
    found = read(value)
    assert found is None or read(str(found).encode()) == found
