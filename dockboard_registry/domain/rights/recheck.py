"""By what right a change is asked for, and whether it is still there when the change is made.

Between the question of rights and the transaction a body may come slowly, or a password be computed. A change that was
asked for by somebody who lost the right in that time is not made.
"""

from typing import NamedTuple

from ...db import Tx
from ...errors import RightsChanged
from ..access.rule import ANONYMOUS, Principal
from ..credentials import access_tokens
from ..credentials.signed_tokens import Holder
from .principals import Principals


class Standing(NamedTuple):
    """Who was asked about, at this access version.

    Called in a transaction with the access version that it found; raises RightsChanged.
    """

    principals: Principals
    holder: Holder
    access_version: int

    def __call__(self, tx: Tx, found: int) -> None:
        if found == self.access_version:
            return
        principal, subject = self.holder
        if subject.kind == ANONYMOUS:
            raise RightsChanged
        known = self.principals.fresh(tx, subject.kind, subject.id)
        if known is None or known.generation != subject.generation or _rights(known.principal) != _rights(principal):
            raise RightsChanged
        if subject.token_id is not None and not access_tokens.counts(tx, subject.token_id):
            raise RightsChanged


def _rights(principal: Principal) -> tuple:
    """What the rule of access/rule.py goes by, but for scopes, which never change; in a form that can be compared."""
    grants = {(grant.pattern.text, grant.right) for each in principal.grants.values() for grant in each}
    return principal.state, principal.administrator, dict(principal.memberships), grants
