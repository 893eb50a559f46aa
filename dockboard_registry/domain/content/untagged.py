"""Manifests that no tag points to and no index holds: what is left when tags move on.

What refers to a manifest that is there, such as a signature, belongs to it and is not among them.
"""

from typing import NamedTuple

from ...db import Tx
from .references import HELD_BY_NO_INDEX

# Manifests that are looked at for one page, some at a time.
MOST_LOOKED_AT, _PIECE = 20_000, 2_000
_NEXT = "SELECT digest FROM manifests WHERE repository_id = ? AND digest > ? ORDER BY digest LIMIT 1 OFFSET ?"
_FOUND = (
    "SELECT digest, media_type, artifact_type, pushed_at FROM manifests WHERE repository_id = ? AND digest > ? AND"
    " digest <= ? AND NOT EXISTS (SELECT 1 FROM tags WHERE tags.repository_id = manifests.repository_id AND tags.digest"
    f" = manifests.digest) AND {HELD_BY_NO_INDEX} AND (subject IS NULL OR NOT EXISTS (SELECT 1 FROM manifests subjects"
    " WHERE subjects.repository_id = manifests.repository_id AND subjects.digest = manifests.subject)) ORDER BY digest"
    " LIMIT ?"
)
# Greater than every digest.
_END = "~"


class UntaggedManifest(NamedTuple):
    """pushed_at: in milliseconds since 1970."""

    digest: str
    media_type: str
    artifact_type: str | None
    pushed_at: int


class UntaggedPage(NamedTuple):
    """In the order of their digests. after: the digest behind which the next page begins; None if there is none.

    complete: False if the page has less because it looked at the bounded number of manifests.
    """

    manifests: list[UntaggedManifest]
    after: str | None
    complete: bool = True


def page(tx: Tx, repository_id: int, after: str, limit: int) -> UntaggedPage:
    """after: a digest, or empty for the first page."""
    found: list[UntaggedManifest] = []
    for _ in range(MOST_LOOKED_AT // _PIECE):
        (end,) = tx.one(_NEXT, repository_id, after, _PIECE - 1) or (_END,)
        rows = tx.all(_FOUND, repository_id, after, end, limit + 1 - len(found))
        found += [UntaggedManifest(*row) for row in rows]
        if len(found) > limit:
            return UntaggedPage(found[:limit], found[limit - 1].digest)
        if end == _END:
            return UntaggedPage(found, None)
        after = end
    return UntaggedPage(found, after, False)
