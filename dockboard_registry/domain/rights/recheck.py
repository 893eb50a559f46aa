"""Whether the rights with which a change was asked for are still there when it is made.

Between the question of rights and the transaction a body may come slowly, or a password be computed. If the right was
lost in that time, the change is not made.
"""

from collections.abc import Callable

from ...db import Tx
from ...errors import RightsChanged
from ..access.rule import ANONYMOUS, Principal
from ..credentials import access_tokens
from .principals import Principals


def recheck_of(principals: Principals, asked: Principal, access_version: int) -> Callable[[Tx, int], None]:
    """`Actor.recheck` for a change that was allowed to this principal at this access version.

    It takes a transaction and the access version there, and raises RightsChanged.
    """

    def recheck(tx: Tx, found: int) -> None:
        if found != access_version:
            _require_unchanged(tx, principals, asked)

    return recheck


def _require_unchanged(tx: Tx, principals: Principals, asked: Principal) -> None:
    if asked.kind == ANONYMOUS:
        raise RightsChanged
    fresh = principals.fresh(tx, asked.kind, asked.id)
    if fresh is None or _rights(fresh) != _rights(asked):
        raise RightsChanged
    if asked.token_id is not None and not access_tokens.is_valid(tx, asked.token_id):
        raise RightsChanged


def _rights(principal: Principal) -> tuple:
    """The rights that the rule of access/rule.py uses, in a form that can be compared.

    Without scopes, which never change.
    """
    grants = {(grant.pattern.text, grant.right) for each in principal.grants.values() for grant in each}
    return (
        principal.credential_generation,
        principal.state,
        principal.administrator,
        dict(principal.memberships),
        grants,
    )
