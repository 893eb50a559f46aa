"""Bodies in the chunked transfer coding, decoded in the buffers that they are read into (RFC 9112 section 7.1)."""

import re

from ...errors import BodyMalformed
from . import chunks
from .socketbody import SocketBody

# Longer than the longest framing without extensions, so one piece suffices to decide.
_FRAMING_BYTES = 40


class ChunkedBody(SocketBody):
    """A body of unknown length. It is malformed if it does not follow the grammar (chunks.py).

    Reading may go beyond its end. What lies there is never taken for a request, and the connection is closed after the
    answer.
    """

    def __init__(self, exchange):
        super().__init__(exchange, None)
        self._framing = b""
        self._grammar = chunks.FIRST
        self._overhead = chunks.ChunkOverhead()
        self._left = 0
        # The last framing between two chunks, and the size in it: most senders' chunks have one size.
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
        """Decode what has come. The data of the chunks moves together over the framing between them."""
        while not (self._over or self._malformed):
            count = self._receive(buffer)
            if not count:
                return 0
            if decoded := self._decode(buffer, count):
                return decoded
        return 0

    def _decode(self, buffer: memoryview, count: int) -> int:
        """Decode buffer[:count] in place, and return how many bytes of data it has now."""
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
        """Read what stands between two pieces of data, and return where the data goes on.

        A part is kept until the rest has come.
        """
        piece = bytes(buffer[start : min(count, start + _FRAMING_BYTES)])
        if self._usual and not self._framing and piece.startswith(self._usual):
            self._left = self._usual_size
            return start + len(self._usual)
        whole, part = self._grammar
        framing = self._framing + piece
        found = whole.match(framing)
        if found is None:
            self._framing = framing
            self._malformed = part.fullmatch(framing) is None or len(framing) > chunks.LINE_LIMIT
            return start + len(piece)
        used = found.end() - len(self._framing)
        self._framing = b""
        self._go_on(found)
        return start + used

    def _go_on(self, found: re.Match) -> None:
        """Called after a line. Data, another trailer or the end follows."""
        before, line = self._grammar, found.group()
        if before is chunks.TRAILER:
            self._over = found["end"] is not None
            self._malformed = not self._over and self._overhead.is_too_much_behind(len(line))
            return
        self._left = int(found["size"], 16)
        self._grammar = chunks.LATER if self._left else chunks.TRAILER
        if before is chunks.LATER and self._left and chunks.is_plain(len(line), self._left):
            self._usual, self._usual_size = line, self._left
        self._malformed = self._overhead.is_too_much(len(line), self._left)

    async def _ready(self) -> float:
        if self._malformed:
            raise BodyMalformed
        return await super()._ready()
