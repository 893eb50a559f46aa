"""What the bytes of a page may have: elements and attributes that run nothing, and addresses of this registry.

It reads a page as HTML, so a payload that is text counts as text, whatever it looks like.
"""

from __future__ import annotations

from html.parser import HTMLParser
from urllib.parse import urlsplit

from tests.support.http import Response

NEVER = {
    "iframe", "object", "embed", "applet", "base", "style", "img", "video", "audio", "source", "frame", "frameset",
    "math", "marquee", "portal", "template", "foreignobject", "use", "animate", "set", "image",
}  # fmt: skip
ADDRESSES = {
    "href",
    "src",
    "action",
    "formaction",
    "cite",
    "poster",
    "data",
    "background",
    "ping",
    "srcset",
    "xlink:href",
}
OUTSIDE = {"http", "https", "mailto"}
REL = {"noopener", "noreferrer", "nofollow"}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self.scripts = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        told = self.get_starttag_text() or ""
        if tag in NEVER or (tag == "meta" and "http-equiv" in values and values["http-equiv"].lower() != "refresh"):
            self.found.append(f"the element {told[:200]}")
        if tag == "script":
            self._script(values, told)
        for name, value in values.items():
            if name.startswith("on") or name in ("style", "srcdoc"):
                self.found.append(f"the attribute {name} in {told[:200]}")
            if name in ADDRESSES and not self._local(value) and not self._outside(tag, name, value, values):
                self.found.append(f"the address {value[:100]!r} in {told[:200]}")

    def _script(self, values: dict[str, str], told: str) -> None:
        self.scripts += 1
        if "/static/" not in values.get("src", "") or self.scripts > 1:
            self.found.append(f"the script {told[:200]}")

    @staticmethod
    def _local(value: str) -> bool:
        """A path of this registry, a query or a place in the page, as browsers read it."""
        if not value or value[0] in "#?":
            return True
        return value[0] == "/" and value[1:2] not in ("/", "\\") and not set(value) & set("\t\r\n")

    @staticmethod
    def _outside(tag: str, name: str, value: str, values: dict[str, str]) -> bool:
        """A link to another site, which learns nothing of this one."""
        named = tag == "a" and name == "href" and urlsplit(value).scheme in OUTSIDE and not set(value) & set("\t\r\n")
        return named and REL <= set(values.get("rel", "").split())


def harm_of(answer: Response) -> list[str]:
    """The same of an answer. One that is no page is a file to save, which no browser takes for a page."""
    kind = answer.headers.get("Content-Type", "")
    if kind.startswith("text/html"):
        return harm(answer.body.decode())
    saved = answer.headers.get("Content-Disposition", "").startswith("attachment")
    safe = saved or not answer.body or kind.startswith("text/plain")
    return [] if safe and answer.headers["X-Content-Type-Options"] == "nosniff" else [f"{kind} that is not to be saved"]


def harm(html: str) -> list[str]:
    """What a page has that it must not have."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.found
