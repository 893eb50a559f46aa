"""Bodies in the chunked transfer coding, decoded in the buffers that they are read into (RFC 9112 section 7.1)."""

import re

from ..errors import UploadInvalid
from .socketbody import SocketBody


def _grammar(before: bytes) -> tuple[re.Pattern, re.Pattern]:
    """Framing up to the next chunk's data, or to the end of the body, and a part of it; `before` is the line end of the chunk before."""
    whole = before + rb"(?:0{1,15}\r\n\r\n|(?!0+\r)(?P<size>[0-9A-Fa-f]{1,15})\r\n)"
    part = rb"(?:[0-9A-Fa-f]{1,15}(?:\r(?:\n\r?)?)?)?"
    return re.compile(whole), re.compile(rb"\r?|\r\n" + part if before else part)


# Longer than the longest framing, so that one piece of it decides.
_FRAMING_BYTES = 40
_FIRST, _LATER = _grammar(b""), _grammar(rb"\r\n")


class ChunkedBody(SocketBody):
    """A body of unknown length; no extensions, no trailers.

    Whatever else comes is a malformed body. Reading may go beyond its end: what lies there is never taken for a request, and
    the connection is closed after the answer.
    """

    def __init__(self, exchange):
        super().__init__(exchange, None)
        self._framing = b""
        self._grammar = _FIRST
        self._left = 0
        # The last framing between two chunks, and the size that it told: most senders' chunks are all of one size.
        self._usual, self._usual_size = b"", 0
        self._over = False
        self._malformed = False
        self._surplus = False

    @property
    def ended(self) -> bool:
        return self._over

    @property
    def rest_is_short(self) -> bool:
        return self._over

    async def discard(self, limit: int) -> bool:
        return not self._malformed and await super().discard(limit) and not self._surplus

    def fill(self, buffer: memoryview) -> int:
        """Decode what has come: the data of the chunks moves together over the framing between them."""
        while not (self._over or self._malformed):
            count = self._receive(buffer)
            if not count:
                return 0
            if decoded := self._decode(buffer, count):
                return decoded
        return 0

    def _decode(self, buffer: memoryview, count: int) -> int:
        """Decode buffer[:count] in place; returns how many bytes of data it has now."""
        start = stop = 0
        while start < count and not (self._over or self._malformed):
            if self._left:
                taken = min(self._left, count - start)
                buffer[stop : stop + taken] = buffer[start : start + taken]
                start, stop, self._left = start + taken, stop + taken, self._left - taken
            else:
                start = self._read_framing(buffer, start, count)
        self._surplus = self._over and (start < count or len(self._backlog) > 0)
        return stop

    def _read_framing(self, buffer: memoryview, start: int, count: int) -> int:
        """Read what stands between two pieces of data; returns where the data goes on. A part is kept until the rest has come."""
        piece = bytes(buffer[start : min(count, start + _FRAMING_BYTES)])
        if self._usual and not self._framing and piece.startswith(self._usual):
            self._left = self._usual_size
            return start + len(self._usual)
        before, (whole, part) = self._grammar, self._grammar
        framing = self._framing + piece
        found = whole.match(framing)
        if found is None:
            self._framing = framing
            self._malformed = part.fullmatch(framing) is None
            return start + len(piece)
        used = found.end() - len(self._framing)
        self._framing, self._grammar = b"", _LATER
        self._left = int(found["size"] or b"0", 16)
        self._over = not self._left
        if before is _LATER and not self._over:
            self._usual, self._usual_size = found.group(), self._left
        return start + used

    async def _ready(self) -> float:
        if self._malformed:
            raise UploadInvalid("the chunked body is malformed")
        return await super()._ready()
