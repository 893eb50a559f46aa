"""What stands within lines: code, emphasis, links, pictures, escapes."""

import html
import re
from bisect import bisect_right
from collections.abc import Mapping
from functools import cached_property

from . import links
from .emphasis import Emphasis
from .escapes import escape
from .links import Picture, Pictures
from .work import Work

# No part of it looks at more than a bounded number of characters, or looks at one again.
_MARK = re.compile(
    r"(?P<escaped>\\[!-/:-@\[-`{-~])"
    r"|(?P<line>\\\n)"
    r"|(?P<code>`++)"
    r"|<(?P<address>(?:https?://|mailto:)[^\s<>]{1,2000})>"
    r"|(?P<bare>\bhttps?://[^\s<>\"'`*()\[\]|\\]{1,2000})"
    r"|(?P<entity>&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});)"
    r"|(?P<picture>!\[)"
    r"|(?P<open>\[)"
    r"|(?P<close>\])"
    r"|(?P<run>\*++|_++|~~++)"
)
_TARGET = re.compile(
    r"\(\s{0,9}(?:<(?P<pointed>[^<>\n]{0,2000})>"
    r"|(?P<plain>[^\s()<>]{0,2000}(?:\([^\s()<>]{0,200}\)[^\s()<>]{0,200}){0,9}))"
    r"(?:\s{1,9}(?:\"[^\"]{0,500}\"|'[^']{0,500}'|\([^()]{0,500}\)))?\s{0,9}\)"
)
_LABEL = re.compile(r"\[([^\[\]]{0,200})\]")
_LONGEST_LABEL = 200
_DECORATION = re.compile(r"[*_`\[\]]")


class Inline:
    """Renders the lines of one document.

    references: addresses by their labels. headings: what the ids of headings begin with.
    """

    def __init__(self, work: Work, references: Mapping[str, str], headings: str, pictures: Pictures):
        self.work, self.references, self.headings, self.pictures = work, references, headings, pictures

    def html(self, text: str) -> str:
        return _Text(self, text).html()


def label(text: str) -> str:
    """A label as references are looked up by it."""
    return " ".join(text.split()).casefold()


class _Text:
    """One text.

    _brackets: those that are open: place in the output, place in the text, whether of a picture.
    _linked_until: what opened before this place of the output has a link in it, so it becomes no link itself.
    """

    def __init__(self, document: Inline, text: str):
        self._document, self._text, self._at = document, text, 0
        self._out: list[str] = []
        self._emphasis = Emphasis(self._out)
        self._brackets: list[tuple[int, int, bool]] = []
        self._linked_until = 0

    def html(self) -> str:
        text, work = self._text, self._document.work
        while work.has_marks and (found := _MARK.search(text, self._at)):
            work.mark()
            self._plain(found.start())
            self._at = found.end()
            getattr(self, f"_{found.lastgroup}")(found)
        self._plain(len(text))
        return "".join(self._out)

    def _plain(self, end: int) -> None:
        if end > self._at:
            self._out.append(escape(self._text[self._at : end]))

    def _escaped(self, found: re.Match) -> None:
        self._out.append(escape(found[0][1]))

    def _line(self, found: re.Match) -> None:
        self._out.append("<br>\n")

    def _code(self, found: re.Match) -> None:
        places = self._runs.get(len(found[0]), [])
        following = bisect_right(places, found.start())
        if following == len(places):
            self._out.append(found[0])
            return
        end = places[following]
        content = self._text[found.end() : end].replace("\n", " ")
        if content.startswith(" ") and content.endswith(" ") and content.strip():
            content = content[1:-1]
        self._out.append(f"<code>{escape(content)}</code>")
        self._at = end + len(found[0])

    @cached_property
    def _runs(self) -> dict[int, list[int]]:
        """Where runs of so many backticks stand."""
        found: dict[int, list[int]] = {}
        for run in re.finditer("`+", self._text):
            found.setdefault(len(run[0]), []).append(run.start())
        return found

    def _address(self, found: re.Match) -> None:
        address = links.target(found["address"], "")
        if address is None or self._is_in_link():
            self._out.append(escape(found["address"]))
        else:
            self._out.append(self._link(address, escape(found["address"].removeprefix("mailto:"))))

    def _bare(self, found: re.Match) -> None:
        """An address without marks around it. The sentence may go on after it."""
        text = found[0].rstrip(".,:;!?_~")
        self._at = found.start() + len(text)
        address = links.target(text, "")
        if address is None or self._is_in_link():
            self._out.append(escape(text))
        else:
            self._out.append(self._link(address, escape(text)))

    def _link(self, address: str, content: str) -> str:
        begin, end = links.tags(address)
        self._document.work.markup(begin)
        return begin + content + end

    def _is_in_link(self) -> bool:
        return bool(self._brackets)

    def _entity(self, found: re.Match) -> None:
        self._out.append(escape(html.unescape(found[0])))

    def _picture(self, found: re.Match) -> None:
        self._begin(found, True)

    def _open(self, found: re.Match) -> None:
        self._begin(found, False)

    def _begin(self, found: re.Match, is_picture: bool) -> None:
        self._emphasis.floor = len(self._out)
        self._brackets.append((len(self._out), found.end(), is_picture))
        self._out.append(found[0])

    def _close(self, found: re.Match) -> None:
        if not self._brackets:
            self._out.append("]")
            return
        place, begin, is_picture = self._brackets.pop()
        self._emphasis.floor = self._brackets[-1][0] if self._brackets else -1
        target = self._target(begin, found) if is_picture or place >= self._linked_until else None
        if target is None:
            self._out.append("]")
            return
        made = self._made(target, begin, found) if is_picture else self._linked(target, place)
        self._emphasis.forget(place)
        self._out[place:] = [made]

    def _target(self, begin: int, found: re.Match) -> str | None:
        """The address behind a closing bracket, or None. The text goes on after it."""
        given = _TARGET.match(self._text, self._at)
        address = (given["plain"] if given["pointed"] is None else given["pointed"]) if given else ""
        if given and len(address) <= links.LONGEST:
            self._at = given.end()
            return _unescaped(address)
        named = _LABEL.match(self._text, self._at)
        name = named[1] if named else ""
        if not name and found.start() - begin <= _LONGEST_LABEL:
            name = self._text[begin : found.start()]
        target = self._document.references.get(label(name)) if name else None
        if target is not None and named:
            self._at = named.end()
        return target

    def _made(self, target: str, begin: int, found: re.Match) -> Picture:
        words = _DECORATION.sub("", self._text[begin : min(found.start(), begin + 300)])
        made = links.picture(target, words, self._document.pictures)
        self._document.work.markup(made)
        return made

    def _linked(self, target: str, place: int) -> str:
        self._linked_until = place + 1
        inner = "".join([piece.bare if isinstance(piece, Picture) else piece for piece in self._out[place + 1 :]])
        address = links.target(target, self._document.headings)
        return inner if address is None else self._link(address, inner)

    def _run(self, found: re.Match) -> None:
        before, after = self._text[found.start() - 1 : found.start()], self._text[found.end() : found.end() + 1]
        self._emphasis.run(found[0], before, after)


def _unescaped(address: str) -> str:
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", html.unescape(address))
