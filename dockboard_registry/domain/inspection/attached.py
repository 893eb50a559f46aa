"""What is attached to manifests: referrers, attestations in the same index, and what tools attach by tags.

That something is attached says nothing about whether it is valid: nothing is verified here.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ...db import Tx
from ...db.each import Each, EachLimited
from . import kinds

# Of each manifest so many are counted.
_MOST_COUNTED = 20
MOST_LISTED = 50
_KINDS = EachLimited(
    f"SELECT subject, artifact_type FROM manifests WHERE repository_id = ? AND subject = ? LIMIT {_MOST_COUNTED}"
)
_TAGS = Each("SELECT name FROM tags WHERE repository_id = ? AND name IN (...)")
_LISTED = (
    "SELECT digest, media_type, artifact_type, size, pushed_at FROM manifests WHERE repository_id = ? AND subject = ?"
    " AND digest > ? ORDER BY digest LIMIT ?"
)
_TAGGED = Each(
    "SELECT manifests.digest, manifests.media_type, manifests.artifact_type, manifests.size, manifests.pushed_at,"
    " tags.name FROM tags JOIN manifests ON manifests.repository_id = tags.repository_id AND manifests.digest ="
    " tags.digest WHERE tags.repository_id = ? AND tags.name IN (...)"
)


class Attached(NamedTuple):
    """kind: see kinds.py. to: the digest of what it is attached to. tag: that of a tool, or empty. size: in bytes, of
    the manifest. pushed_at: in milliseconds since 1970.
    """

    kind: str
    type: str
    to: str
    digest: str
    size: int
    pushed_at: int
    tag: str = ""


def kinds_of(tx: Tx, repository_id: int, digests: Sequence[str]) -> dict[str, list[str]]:
    """The kinds of what is attached to each of a few manifests, each kind once."""
    found: dict[str, set[str]] = {}
    for subject, artifact_type in _KINDS.all(tx, (repository_id,), digests):
        found.setdefault(subject, set()).add(kinds.of_type(artifact_type))
    names = {name: (digest, kind) for digest in digests for name, kind in kinds.tool_tags(digest).items()}
    for (name,) in _TAGS.all(tx, (repository_id,), sorted(names)):
        digest, kind = names[name]
        found.setdefault(digest, set()).add(kind)
    return {digest: [kind for kind in kinds.KINDS if kind in each] for digest, each in found.items()}


def listed(tx: Tx, repository_id: int, digests: Sequence[str], after: str = "") -> tuple[list[Attached], bool]:
    """What is attached to a manifest and the images of its index, a page of it; True if there is more.

    after: the digest of the last one that was seen, for the first of the manifests alone.
    """
    found = [] if after else _by_tags(tx, repository_id, digests)
    more = False
    for digest in digests[:1] if after else digests:
        rows = tx.all(_LISTED, repository_id, digest, after, MOST_LISTED + 1)
        more = more or (digest == digests[0] and len(rows) > MOST_LISTED)
        found += [
            Attached(kinds.of_type(type or media), type or media, digest, each, size, at)
            for each, media, type, size, at in rows[:MOST_LISTED]
        ]
    return found, more


def _by_tags(tx: Tx, repository_id: int, digests: Sequence[str]) -> list[Attached]:
    names: Mapping[str, tuple[str, str]] = {
        name: (digest, kind) for digest in digests for name, kind in kinds.tool_tags(digest).items()
    }
    return [
        Attached(names[tag][1], type or media, names[tag][0], digest, size, at, tag)
        for digest, media, type, size, at, tag in _TAGGED.all(tx, (repository_id,), sorted(names))
    ]
