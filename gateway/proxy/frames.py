"""Where the frames of one direction of a WebSocket end, so that a Close can be put between two of them. Pure.

It reads lengths and never contents, and holds nothing back: what passes is not changed, only ended (RFC 6455, 5.2).
"""

from __future__ import annotations

from typing import Final

_HEAD: Final = 10  # bytes that tell how long a frame is, at most
_MORE, _NONE = 0, -1
_CLOSE: Final = 0x8
_OPCODES: Final = frozenset({0x0, 0x1, 0x2, _CLOSE, 0x9, 0xA})
_SHORT: Final = 125  # bytes; a control frame has no more


class Frames:
    """One direction; give it every byte in order. `masked` when a client sends it.

    `known` is false from the first byte on that can belong to no frame: then nobody knows where one ends.
    `closed` is true once a whole Close of the sender has passed.
    """

    __slots__ = ("_farewell", "_head", "_is_close", "_left", "_masked", "_said", "closed", "known")

    def __init__(self, *, masked: bool) -> None:
        self._masked = masked
        self._head = b""  # of a frame whose length is not told yet
        self._left = 0  # bytes of the frame under way
        self._is_close = False
        self._farewell = b""
        self._said = False
        self.closed = False
        self.known = True

    def pass_on(self, data: bytes) -> bytes:
        """What goes on of these bytes: all, or after a farewell nothing, or those before it and then it."""
        at = 0
        while at < len(data) and self.known:
            at = self._follow(data, at)
            if self._farewell and not self._said and self._between_frames:
                self._said = True
                ended = data[:at] + self._farewell
                self._follow_all(data, at)
                return ended
        return b"" if self._said else data

    def say_farewell(self, frame: bytes) -> bytes:
        """End this direction with a frame: it is what to send now, or empty when it has to wait for a frame's end."""
        self._farewell = frame
        self._said = self.known and self._between_frames
        return frame if self._said else b""

    @property
    def ended(self) -> bool:
        """Whether a Close has passed: the sender's, or ours."""
        return self._said or self.closed

    @property
    def _between_frames(self) -> bool:
        return not self._left and not self._head and self.known

    def _follow_all(self, data: bytes, at: int) -> None:
        while at < len(data) and self.known:
            at = self._follow(data, at)

    def _follow(self, data: bytes, at: int) -> int:
        """Follow the frame under way, or the next one, to its end or the data's; tells where that is."""
        if not self._left:
            head = self._head + data[at : at + _HEAD]
            self._left = _size(head, masked=self._masked)
            if self._left == _NONE:
                self.known = False
                return len(data)
            if self._left == _MORE:
                self._head = head
                return len(data)
            self._is_close = head[0] & 0x0F == _CLOSE
            at -= len(self._head)  # where the frame began
            self._head = b""
        step = min(self._left, len(data) - at)
        self._left -= step
        self.closed = self.closed or (self._is_close and not self._left)
        return at + step


def close_frame(code: int, *, mask: bytes = b"") -> bytes:
    """A Close without a reason; `mask` is four random bytes when a client sends it."""
    payload = code.to_bytes(2, "big")
    if not mask:
        return bytes((0x88, len(payload))) + payload
    return bytes((0x88, 0x80 | len(payload))) + mask + bytes(a ^ b for a, b in zip(payload, mask, strict=False))


def _size(head: bytes, *, masked: bool) -> int:
    """Bytes of the whole frame that begins so; _MORE of the head is needed, or it is _NONE."""
    if len(head) < 2:
        return _MORE
    opcode, length = head[0] & 0x0F, head[1] & 0x7F
    whole_control = length <= _SHORT and head[0] & 0x80
    if opcode not in _OPCODES or bool(head[1] & 0x80) != masked or (opcode >= _CLOSE and not whole_control):
        return _NONE
    begun = 2 + (4 if masked else 0)
    if length <= _SHORT:
        return begun + length
    more = 2 if length == 126 else 8
    if len(head) < 2 + more:
        return _MORE
    length = int.from_bytes(head[2 : 2 + more], "big")
    return _NONE if length >> 63 else begun + more + length
