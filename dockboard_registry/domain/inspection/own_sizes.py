"""Bytes of each tag's image that no other image of the repository has, for lists that are sorted by them.

They change with every other image, so they are counted when somebody asks, and only where that is little work.
"""

from ...db import Tx
from ...errors import FieldInvalid
from ..content import references

# Tags of a repository, and layers and configs of all its manifests.
MOST_TAGS, MOST_REFERENCES = 2_000, 20_000
_TAGS = "SELECT COUNT(*) FROM (SELECT 1 AS one FROM tags WHERE repository_id = ? LIMIT ?) counted"


def of_tags(tx: Tx, repository_id: int) -> dict[str, int]:
    """By the digest that the tag points to; 0 is left out. Raises FieldInvalid where there is too much to count."""
    (tags,) = tx.one(_TAGS, repository_id, MOST_TAGS + 1)
    if tags > MOST_TAGS or references.count_blobs(tx, repository_id, MOST_REFERENCES + 1) > MOST_REFERENCES:
        raise FieldInvalid(
            f"the repository has more than {MOST_TAGS} tags or {MOST_REFERENCES} layers, too many to sort by own bytes",
            "sort by size",
        )
    return references.own_bytes(tx, repository_id)
