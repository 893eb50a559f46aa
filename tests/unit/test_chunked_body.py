"""Bodies in the chunked coding, cut anywhere: what comes out, and what is refused."""

from __future__ import annotations

import random

import pytest

from dockboard_registry.http.bodies.chunkedbody import ChunkedBody


class Fed(ChunkedBody):
    """A body whose bytes come in these pieces."""

    def __init__(self, pieces):
        super().__init__(None)
        self._pieces = list(pieces)

    def _take(self, buffer: memoryview) -> int:
        if not self._pieces:
            return 0
        piece = self._pieces.pop(0)
        count = min(len(piece), len(buffer))
        buffer[:count] = piece[:count]
        if piece[count:]:
            self._pieces.insert(0, piece[count:])
        return count


def decoded(pieces, size: int = 1000) -> tuple[bytes, str]:
    """(the data, how it ended) of what comes in these pieces, through a buffer of that size."""
    body, buffer, found = Fed(pieces), memoryview(bytearray(b"\r\n3\r\n" * (size // 5 + 1)))[:size], b""
    while count := body.fill(buffer):
        found += bytes(buffer[:count])
    surplus = body._surplus or bool(body._pieces)
    return found, "malformed" if body._malformed else "more" if not body.ended else "surplus" if surplus else "whole"


def cut(data: bytes, dice: random.Random) -> list[bytes]:
    at = sorted(dice.randrange(len(data) + 1) for _ in range(dice.choice((0, 1, 3, 30))))
    return [piece for start, stop in zip([0, *at], [*at, len(data)]) if (piece := data[start:stop])]


@pytest.mark.parametrize("seed", range(300))
def test_data_comes_out_whatever_the_sizes_and_the_cuts(seed):
    dice = random.Random(seed)
    sizes = [dice.choice((3, 3, 3, 16, 300)) for _ in range(dice.randrange(1, 40))]
    chunks = [dice.choice((b"\r\n3\r\n" * 60, dice.randbytes(300)))[:size] for size in sizes]
    extensions = (
        [b""] if seed % 3 else [b"", b";x", b" ; a = b", b';name="a \\" value";\xe9', b";chunk-signature=" + b"f" * 64]
    )
    coded = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), dice.choice(extensions), chunk) for chunk in chunks)
    coded += dice.choice((b"0\r\n\r\n", b"000;x\r\n\r\n", b"0\r\nX-Digest: a b\r\nEmpty:\r\n\r\n"))
    rest = dice.choice((b"", b"", b"\r\n3\r\nabc", b"GET / HTTP/1.1\r\n"))
    assert decoded(cut(coded + rest, dice), dice.choice((7, 50, 1000))) == (
        b"".join(chunks),
        "surplus" if rest else "whole",
    )


@pytest.mark.parametrize(
    "framing",
    [
        b"none",
        b"3\r\n",
        b"\r3\r\n",
        b"\n3\r\n",
        b"\r\n3;x\n",
        b"\r\n3;\0\r\n",
        b"\r\n3;a\rb\r\n",
        b"\r\n3 \r\n",
        b"\r\n3x\r\n",
        b"\r\n 3\r\n",
        b"\r\n-3\r\n",
        b"\r\n\r\n3\r\n",
        b"\r\n3\n",
        b"\r\n0\r\nx",
        b"abc",
    ],
)
def test_what_is_no_framing_is_refused_behind_chunks_of_one_size(framing):
    for before in (b"", b"3\r\nabc", b"3\r\nabc\r\n3\r\nabc", b"3\r\nabc\r\n3\r\nabc\r\n3\r\nabc"):
        if before or framing not in (b"3\r\n", b"abc"):  # a beginning as good as any
            assert decoded([before + framing + b"123\r\n0\r\n\r\n"])[1] == "malformed", before


def test_a_whole_framing_behind_a_part_of_one_is_refused():
    for part in (b"\r", b"\r\n"):
        assert decoded([b"3\r\nabc" + b"\r\n3\r\nabc" * 3 + part, b"\r\n3\r\nabc\r\n0\r\n\r\n"]) == (
            b"abc" * 4,
            "malformed",
        )


@pytest.mark.parametrize(
    "trailer",
    [b"x", b": y\r\n", b"a b: y\r\n", b"X: y\n\r\n", b"X: \0\r\n", b" X: y\r\n", b"\n", b"X: a\rb\r\n", b"X\r\n"],
)
def test_what_is_no_trailer_is_refused(trailer):
    assert decoded([b"3\r\nabc\r\n0\r\n" + trailer + b"\r\n\r\n"])[1] == "malformed"


def test_lines_are_bounded_each_and_in_all():
    """Each of the skipped lines has a limit, and all of them together, beyond what is in proportion to the data."""
    assert decoded([b"3;" + b"x" * 3000 + b"\r\nabc\r\n0\r\n\r\n"]) == (b"abc", "whole")
    assert decoded([b"3;" + b"x" * 5000 + b"\r\nabc\r\n0\r\n\r\n"])[1] == "malformed"
    assert decoded([b"1;" + b"x" * 100 + b"\r\na\r\n"] * 1000)[1] == "malformed"
    assert decoded([b"3\r\nabc\r\n0\r\n", *[b"X: " + b"y" * 1000 + b"\r\n"] * 30])[1] == "malformed"
    assert decoded([b"3\r\nabc\r\n0\r\n", b"X: y\r\n" * 100, b"\r\n"]) == (b"abc", "whole")
    assert decoded([b"3\r\nabc\r\n0\r\n", b"X:\r\n" * 5000, b"\r\n"])[1] == "malformed"
    signed = b"400;chunk-signature=" + b"f" * 64 + b"\r\n" + b"x" * 1024 + b"\r\n"
    assert decoded([signed] * 400 + [b"0\r\n\r\n"], 1 << 16) == (b"x" * 409600, "whole")
