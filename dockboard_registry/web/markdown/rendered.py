"""Texts in Markdown as HTML, rendered once and kept."""

import asyncio
import hashlib
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from . import blocks
from .links import Pictures

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
        self._thread: ThreadPoolExecutor | None = None

    async def html(self, text: str, pictures: Pictures, language: str = "") -> Rendered:
        """language: that of `pictures.words`."""
        key = hashlib.sha256(f"{language} {pictures.hosts} {text}".encode()).digest()
        if key in self._kept:
            self._kept.move_to_end(key)
            return self._kept[key]
        if len(text) <= _SHORT:
            return self._keep(key, self._render(text, pictures))
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "markdown")
        made = await asyncio.get_running_loop().run_in_executor(self._thread, self._render, text, pictures)
        return self._keep(key, made)

    def _render(self, text: str, pictures: Pictures) -> Rendered:
        return Rendered(*blocks.render(text, self._prefix, pictures))

    def _keep(self, key: bytes, made: Rendered) -> Rendered:
        if key not in self._kept and len(made.html) <= _KEPT:
            self._kept[key] = made
            self._size += len(made.html)
        while self._size > _KEPT:
            self._size -= len(self._kept.popitem(last=False)[1].html)
        return made
