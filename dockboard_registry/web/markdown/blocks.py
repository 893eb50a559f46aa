"""Blocks: headings, paragraphs, lists, quotes, code, tables and rules."""

import re
from collections.abc import Iterator

from . import lines, links
from .escapes import escape
from .inline import Inline, label
from .links import Pictures
from .work import MOST_DEPTH, Work

HIGHEST, LOWEST = 2, 6
_MOST_IDS = 1000


def render(text: str, prefix: str, pictures: Pictures) -> tuple[str, bool]:
    """The HTML, and whether all of it was looked at. prefix: what the ids of headings begin with."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    document = _Document(text, prefix, pictures)
    html = document.blocks(lines.split(text), 0)
    return html, not document.work.is_over


class _Document:
    def __init__(self, text: str, prefix: str, pictures: Pictures):
        self.work = Work(len(text))
        addresses = {label(name): address for name, address in lines.definitions(text).items()}
        self._inline = Inline(self.work, addresses, prefix, pictures)
        self._prefix, self._level, self._ids = prefix, HIGHEST, {}

    def blocks(self, source: list[str], depth: int, tight: bool = False) -> str:
        return "\n".join(_Blocks(self, source, depth, tight).html())

    def inline(self, text: str) -> str:
        return self._inline.html(text)

    def heading(self, level: int, text: str) -> str:
        """One level lower than it says, and no level is left out."""
        self._level = min(max(level + 1, HIGHEST), self._level + 1, LOWEST)
        return f"<h{self._level}{self._id(text)}>{self.inline(text)}</h{self._level}>"

    def _id(self, text: str) -> str:
        name = links.heading_id(text)
        again = self._ids.get(name, 0)
        self._ids[name] = again + 1
        id = f"{name}-{again}" if again else name
        if not name or len(self._ids) > _MOST_IDS or (again and id in self._ids):
            return ""
        self._ids[id] = max(self._ids.get(id, 0), 1)
        made = f' id="{escape(self._prefix + id)}"'
        self.work.markup(made)
        return made


class _Blocks:
    """The blocks of these lines, from the first to the last."""

    def __init__(self, document: _Document, source: list[str], depth: int, tight: bool):
        self._document, self._source, self._depth, self._tight = document, source, depth, tight
        self._at = 0

    def html(self) -> Iterator[str]:
        while self._at < len(self._source):
            if self._document.work.is_over:
                rest = "\n".join(self._source[self._at :])
                yield f"<pre>{escape(rest)}</pre>" if rest.strip() else ""
                return
            if made := self._block(self._source[self._at]):
                yield made

    def _take(self) -> bool:
        """Go on to the next line. False: there is none that may be looked at."""
        self._at += 1
        return self._document.work.line() and self._at < len(self._source)

    def _block(self, line: str) -> str:
        if lines.is_blank(line):
            self._take()
            return ""
        if lines.indent(line) >= 4:
            return self._indented()
        first = line.lstrip(" ")[0]
        if first == "#" and (found := lines.HEADING.match(line)):
            return self._heading(found, line)
        if first in "`~" and (found := lines.FENCE.match(line)):
            return self._fence(found, line)
        if first in "-*_" and lines.is_rule(line):
            self._take()
            return "<hr>"
        return self._nested(line, first) or self._paragraph(line)

    def _nested(self, line: str, first: str) -> str:
        if self._depth >= MOST_DEPTH:
            return ""
        if first == ">":
            return self._quote()
        if (first in "-+*" or first.isdigit()) and (found := lines.BULLET.match(line)):
            return self._list(found)
        return ""

    def _heading(self, found: re.Match, line: str) -> str:
        self._take()
        text = line[found.end() :].strip()
        bare = text.rstrip("#")
        if not bare or bare[-1] in " \t":
            text = bare.rstrip()
        return self._document.heading(len(found[1]), text)

    def _indented(self) -> str:
        begin = self._at
        while self._take():
            line = self._source[self._at]
            if not lines.is_blank(line) and lines.indent(line) < 4:
                break
        return _code([line[4:] for line in self._source[begin : self._at]])

    def _fence(self, found: re.Match, line: str) -> str:
        indent, mark = lines.indent(line), found[1]
        content = []
        while self._take():
            line = self._source[self._at]
            bare = line.strip()
            if bare[:1] == mark[0] and len(bare) >= len(mark) and not bare.strip(mark[0]):
                self._take()
                break
            content.append(line[min(indent, lines.indent(line)) :])
        return _code(content)

    def _quote(self) -> str:
        content = []
        while True:
            line = self._source[self._at]
            found = lines.QUOTE.match(line)
            if found is None and (lines.is_blank(line) or lines.is_blank(content[-1]) or lines.interrupts(line)):
                break
            content.append(line[found.end() :] if found else line)
            if not self._take():
                break
        return f"<blockquote>\n{self._document.blocks(content, self._depth + 1)}\n</blockquote>"

    def _list(self, found: re.Match) -> str:
        mark = found[2][-1]
        number = found[2][:-1]
        items, loose = [], False
        while found and found[2][-1] == mark and not self._document.work.is_over:
            item, ends_blank, inner_blank = self._item(found)
            items.append(item)
            line = self._source[self._at] if self._at < len(self._source) else ""
            found = None if lines.is_rule(line) else lines.BULLET.match(line)
            goes_on = found is not None and found[2][-1] == mark
            loose |= inner_blank or (ends_blank and goes_on)
        made = [f"<li>{self._document.blocks(item, self._depth + 1, not loose)}</li>" for item in items]
        tag = "ol" if number else "ul"
        begin = f' start="{int(number)}"' if number and int(number) != 1 else ""
        return f"<{tag}{begin}>\n" + "\n".join(made) + f"\n</{tag}>"

    def _item(self, found: re.Match) -> tuple[list[str], bool, bool]:
        """The lines of the item, whether a blank line ends it, and whether there is one in it."""
        line, spaces = self._source[self._at], found[3]
        width = len(line) if spaces is None else found.start(3)
        if spaces and len(spaces) < 4 and not lines.is_blank(line[width:]):
            width += len(spaces)
        content, blank, inner = [line[width:]], False, False
        while self._take():
            line = self._source[self._at]
            if lines.is_blank(line):
                blank = True
                content.append("")
                continue
            if lines.indent(line) >= (width if spaces is not None else found.end(2) + 1):
                line = line[width if spaces is not None else found.end(2) + 1 :]
                inner |= blank
            elif blank or lines.interrupts(line) or lines.BULLET.match(line):
                break
            blank = False
            content.append(line)
        return content, blank, inner

    def _paragraph(self, line: str) -> str:
        if lines.DEFINITION.match(line):
            self._take()
            return ""
        begin = self._at
        while self._take():
            line = self._source[self._at]
            if lines.is_blank(line):
                break
            if (found := lines.UNDERLINE.match(line)) and lines.indent(line) < 4:
                text = _joined(self._source[begin : self._at])
                self._take()
                return self._document.heading(1 if found[1][0] == "=" else 2, text)
            if self._at == begin + 1 and (alignments := lines.columns(self._source[begin], line)):
                return self._table(self._source[begin], alignments)
            if lines.interrupts(line):
                break
        text = self._document.inline(_joined(self._source[begin : self._at]))
        return text if self._tight else f"<p>{text}</p>"

    def _table(self, header: str, alignments: list[str]) -> str:
        head = self._row(header, alignments, 'th scope="col"')
        rows = []
        while self._take():
            line = self._source[self._at]
            if self._document.work.is_over or lines.is_blank(line) or lines.interrupts(line):
                break
            rows.append(self._row(line, alignments, "td"))
        body = "<tbody>" + "\n".join(rows) + "</tbody>" if rows else ""
        # A wide table is scrolled sideways, also with the keyboard.
        return f'<table tabindex="0"><thead>{head}</thead>{body}</table>'

    def _row(self, line: str, alignments: list[str], tag: str) -> str:
        self._document.work.mark(len(alignments))
        cells = lines.cells_of(line)[: len(alignments)]
        cells += [""] * (len(alignments) - len(cells))
        made = []
        for alignment, cell in zip(alignments, cells):
            kind = ' class="num"' if alignment == "right" else ""
            text = self._document.inline(cell.strip().replace("\\|", "|"))
            begin = f"<{tag}{kind}>"
            self._document.work.markup(begin)
            made.append(f"{begin}{text}</{tag[:2]}>")
        return "<tr>" + "".join(made) + "</tr>"


def _joined(source: list[str]) -> str:
    """The lines of a paragraph. Two spaces at the end of a line break it."""
    found = []
    for line in source:
        text = line.strip()
        found.append(text + "\\" if line.endswith("  ") and not text.endswith("\\") else text)
    return "\n".join(found).removesuffix("\\") if source[-1].endswith("  ") else "\n".join(found)


def _code(content: list[str]) -> str:
    return f"<pre><code>{escape(chr(10).join(content).rstrip())}</code></pre>"
