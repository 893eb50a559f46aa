"""The refusal to delete what a manifest refers to."""

from ...db import Tx
from ...errors import InUse

_IS_STORED = "SELECT 1 FROM manifests WHERE repository_id = ? AND digest = ?"


def in_use(tx: Tx, repository_id: int, what: str, kind: str, user: str) -> InUse:
    """what: the content. kind: "manifest" or "index". user: the digest of one that refers to it."""
    facts = {kind: user}
    if tx.one(_IS_STORED, repository_id, user):
        return InUse(f"{_A[kind]} of this repository refers to the {what}", f"delete {kind} {user} first", **facts)
    return InUse(f"{_A[kind]} that is being pushed or deleted refers to the {what}", "try again later", **facts)


_A = {"manifest": "a manifest", "index": "an index"}
