"""Undoes content codings (RFC 9110 section 8.4.1) under caps of size and ratio; whatever breaks is a reason."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Callable, Mapping
from functools import partial
from typing import Protocol

import brotli  # type: ignore[import-untyped]  # it has no types

from gateway.diff.value import Unreadable

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MAX_BODY = 8 * 1024 * 1024  # bytes, after the content codings are undone
MAX_RATIO = 100  # decoded to encoded, from MAX_SMALL bytes on
MAX_SMALL = 1024 * 1024
MAX_CODINGS = 3
MAX_MEMBERS = 100  # of one gzip or zstd body; each is looked at with all that follows it
_ZSTD_WINDOW_LOG = 23  # 8 MiB, the most that HTTP allows (RFC 9659)


class _TooLargeError(Exception):
    """The decoded body passed its cap, or has too many members."""


class _CutError(Exception):
    """The encoded body ends before it should."""


def decode(body: bytes, coding: str) -> bytes | Unreadable:
    """Undo the content codings that a header names, the last one first."""
    names = [name for part in coding.split(",") if (name := part.strip().lower()) not in ("", "identity")]
    if len(names) > MAX_CODINGS:
        return Unreadable(f"the body has more than {MAX_CODINGS} content codings")
    for name in reversed(names):
        if name not in _DECODERS:
            return Unreadable(f"content-encoding {name[:40]} is not read")
        decoded = _undo(body, name)
        if isinstance(decoded, Unreadable):
            return decoded
        body = decoded
    return body if len(body) <= MAX_BODY else Unreadable(f"the body is larger than {MAX_BODY} bytes")


def _undo(body: bytes, name: str) -> bytes | Unreadable:
    cap = min(MAX_BODY, max(MAX_SMALL, MAX_RATIO * len(body)))
    try:
        return _DECODERS[name](body, cap) if body else b""
    except _TooLargeError:
        return Unreadable(f"the {name} body grows past {cap} bytes or {MAX_MEMBERS} members")
    except _CutError:
        return Unreadable(f"the {name} body is cut short", broken=True)
    except (zlib.error, brotli.error, zstd.ZstdError, EOFError):
        return Unreadable(f"the body is not {name}", broken=True)


def _gzip(body: bytes, cap: int) -> bytes:
    """One or several members (RFC 1952 section 2.2)."""
    return _members(body, cap, partial(zlib.decompressobj, 31))


def _deflate(body: bytes, cap: int) -> bytes:
    """With zlib's wrapping as the standard says, or with none as some servers send."""
    wrapped = len(body) > 1 and body[0] & 15 == 8 and (body[0] << 8 | body[1]) % 31 == 0
    stream = zlib.decompressobj(15 if wrapped else -15)
    decoded = stream.decompress(body, cap + 1)
    _check(decoded, cap, whole=stream.eof)
    if stream.unused_data:
        raise zlib.error
    return decoded


def _brotli(body: bytes, cap: int) -> bytes:
    stream = brotli.Decompressor()
    decoded = bytearray(stream.process(body, output_buffer_limit=cap + 1))
    while len(decoded) <= cap and not stream.is_finished() and not stream.can_accept_more_data():
        decoded += stream.process(b"", output_buffer_limit=cap + 1 - len(decoded))
    _check(decoded, cap, whole=stream.is_finished())
    return bytes(decoded)


def _zstd(body: bytes, cap: int) -> bytes:
    """One or several frames (RFC 8878 section 3.1)."""
    options: dict[int, int] = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW_LOG}
    return _members(body, cap, partial(zstd.ZstdDecompressor, options=options))


class _Stream(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int, /) -> bytes: ...


def _members(body: bytes, cap: int, stream_of: Callable[[], _Stream]) -> bytes:
    """What stands one after the other, each whole."""
    decoded = bytearray()
    for _ in range(MAX_MEMBERS):
        stream = stream_of()
        decoded += stream.decompress(body, cap + 1 - len(decoded))
        _check(decoded, cap, whole=stream.eof)
        body = stream.unused_data
        if not body:
            return bytes(decoded)
    raise _TooLargeError


def _check(decoded: bytes | bytearray, cap: int, *, whole: bool) -> None:
    if len(decoded) > cap:
        raise _TooLargeError
    if not whole:
        raise _CutError


_DECODERS: Mapping[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gzip,
    "x-gzip": _gzip,
    "deflate": _deflate,
    "br": _brotli,
    "zstd": _zstd,
}
