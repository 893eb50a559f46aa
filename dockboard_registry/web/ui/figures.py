"""Figures: marks and strips.

Figures are SVG without style attributes, which the content security policy forbids.
"""

import functools
import hashlib
from collections.abc import Sequence

from .markup import Markup, escape


@functools.lru_cache(1024)
def account(name: str, big: bool = False) -> Markup:
    """The mark of an account: four bars, made of its name alone. No picture is ever loaded."""
    bits = hashlib.sha256(name.encode()).digest()
    bars = []
    for row in range(4):
        length = 5 + bits[row + 1] % 5 * 2
        x = 3 if bits[row + 5] % 2 else 17 - length
        bars.append(f'<rect x="{x}" y="{3 + row * 4}" width="{length}" height="2.6"/>')
    kind = "mark big" if big else "mark"
    return Markup(
        f'<svg class="{kind}" viewBox="0 0 20 20" aria-hidden="true"><rect width="20" height="20"/>'
        f'<g class="h{bits[0] % 8}">{"".join(bars)}</g></svg>'
    )


@functools.lru_cache(4096)
def fingerprint(digest: str) -> Markup:
    """The mark of a digest: seven bars and one of eight colours. Equal digests look equal in a list."""
    digits = digest.partition(":")[2]
    bars = []
    for at in range(7):
        height = 3.5 * (1 + int(digits[at + 1], 16) % 4)
        bars.append(f'<rect x="{at * 4}" y="{14 - height:g}" width="3" height="{height:g}"/>')
    colour = int(digits[0], 16) % 8
    return Markup(f'<svg class="print h{colour}" viewBox="0 0 27 14" aria-hidden="true">{"".join(bars)}</svg>')


def strip(layers: Sequence[tuple[int, str]], label: str, whole: int = 0, tall: bool = False) -> Markup:
    """Layers side by side, as wide as they are large.

    All of one kind are one path of thick lines, so that a list of strips is short. layers: bytes and class ("own",
    "shared", ...). whole: bytes of the full width; 0 stands for the sum of the layers.
    """
    total = whole or sum(count for count, _ in layers) or 1
    room, x, drawn, pens = 1000 - 5 * max(len(layers) - 1, 0), 0, {}, {}
    for count, kind in layers:
        if count:
            width = max(round(room * count / total), 2)
            drawn.setdefault(kind, []).append(f"m{x - pens.get(kind, 0)} 0h{width}")
            pens[kind] = x + width
            x += width + 5
    paths = "".join(f'<path class="{kind}" d="{"".join(parts)}"/>' for kind, parts in drawn.items())
    return Markup(
        f'<svg class="{"strip tall" if tall else "strip"}" viewBox="0 -.5 1000 1" preserveAspectRatio="none" role="img"'
        f' aria-label="{escape(label)}">{paths}</svg>'
    )
