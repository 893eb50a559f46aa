"""What an exchange holds of its worker's memory: its body until it is answered, its answer until the kernel has taken
it.
"""

from collections.abc import Callable, Coroutine

from ..errors import Unavailable
from .budget import FREE, Share
from .heads import refusal
from .sending import spans

# Longer answers wait for room before they begin. Of shorter ones the part counts that the kernel does not take at once.
LARGE_ANSWER = 64 << 10


class Holding:
    """The part of Exchange that keeps to the budget (budget.py)."""

    _share: Share | None = None

    async def hold(self, size: int, piece: int) -> None:
        """So many bytes of the body are in memory, with the piece that has just come. Raises Unavailable."""
        if self._share is None:
            self._share = self.edge.budget.share(self._cut_busy)
        try:
            await self._share.grow(size, piece)
        except Unavailable:
            self.release()
            raise

    def _cut_busy(self) -> None:
        """End the connection in the middle of the body, and say why."""
        busy = Unavailable("the body came slowly, and others needed its room in memory", headers={"Retry-After": "2"})
        self.stream.refuse(refusal(self.face, busy))

    def held(self) -> None:
        """The whole body is in memory."""
        if self._share is not None:
            self._share.settle()

    def admit(self, send: Callable[[], None]) -> None:
        """Send the answer, at once or when there is room for it in the worker's memory.

        The request's body is not needed any more.
        """
        self.release()
        response = self.response
        if response.read is not None:
            return self.edge.spawn(self._admit_later(self._read(), send))
        size = min(response.length, spans.SMALL) if response.span is not None else len(response.body)
        if size > LARGE_ANSWER:
            self._share = self.edge.budget.share(self.stream.cut)
            if not self._share.take(size):
                return self.edge.spawn(self._admit_later(self._share.grow(size, size), send))
        return send()

    async def _read(self) -> None:
        """Take room for the body first, so that clients that do not read their answers have few bodies read.

        While it is read nobody cuts the client off. Raises Unavailable, and what `read` raises.
        """
        response, share = self.response, self.edge.budget.share(self.stream.cut)
        self._share = share
        await share.grow(response.length, spans.SMALL)
        if self.stream.closed():
            return
        share.settle()
        response.body = await response.read()
        if self._share is share:
            share.begin()

    async def _admit_later(self, room: Coroutine, send: Callable[[], None]) -> None:
        try:
            await room
        except Exception as error:
            self.drop_span()
            self.response = self.render(error)
        if self.stream.closed():
            self.drop_span()
            return self.end(499)
        return send()

    def owe(self, size: int) -> None:
        """So many bytes of the answer are in memory until the kernel has taken the last one.

        A slow reader holds them.
        """
        self.response.body = b""
        if size <= FREE:
            return self.release()
        if self._share is None:
            self._share = self.edge.budget.share(self.stream.cut)
        if not self._share.take(size):
            return self.stream.cut()
        self.stream.owed, self._share = self._share, None
        return None

    def release(self) -> None:
        """Nothing of this request is in memory any more."""
        if self._share is not None:
            self._share.release()
            self._share = None
