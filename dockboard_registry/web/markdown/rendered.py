"""Texts in Markdown as HTML, rendered once and kept."""

import hashlib
from collections import OrderedDict
from functools import cached_property, partial
from typing import NamedTuple

from . import blocks
from .links import Pictures
from .thread import RenderingThread

# Shorter texts take less than a few milliseconds, and are rendered in the event loop.
_SHORT = 2048
# Characters of HTML that are kept.
_KEPT = 4 << 20


class Rendered(NamedTuple):
    """whole: all of the text was rendered. Otherwise the rest is shown as plain text."""

    html: str
    whole: bool


class Renderer:
    """A worker's. It renders one long text at a time, in a thread. prefix: of the ids of headings."""

    def __init__(self, prefix: str):
        self._prefix = prefix
        self._kept: OrderedDict[bytes, Rendered] = OrderedDict()
        self._size = 0

    @cached_property
    def _thread(self) -> RenderingThread[Rendered]:
        return RenderingThread()

    async def html(self, text: str, pictures: Pictures, language: str = "") -> Rendered:
        """language: that of `pictures.words`."""
        key = hashlib.sha256(f"{language} {pictures.hosts} {text}".encode()).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if len(text) <= _SHORT:
            return self._keep(key, self._render(text, pictures))
        return self._keep(key, await self._thread.show(partial(self._render, text, pictures)))

    async def preview(self, owner: int, text: str, pictures: Pictures) -> Rendered:
        """A text that is not saved. It is not kept. owner: the account that asks. Raises TooManyRequests."""
        if len(text) <= _SHORT:
            return self._render(text, pictures)
        return await self._thread.preview(owner, partial(self._render, text, pictures))

    def _render(self, text: str, pictures: Pictures) -> Rendered:
        return Rendered(*blocks.render(text, self._prefix, pictures))

    def _keep(self, key: bytes, made: Rendered) -> Rendered:
        if key not in self._kept and len(made.html) <= _KEPT:
            self._kept[key] = made
            self._size += len(made.html)
        while self._size > _KEPT:
            self._size -= len(self._kept.popitem(last=False)[1].html)
        return made
