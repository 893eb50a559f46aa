"""On whose behalf the code that runs now works: by this, clients take turns at what they share."""

from contextvars import ContextVar
from typing import NamedTuple


class Turn(NamedTuple):
    """owner: an account as `Principal.holder` names it, or else an address, or the name of a job; connection: one of the owner's, by a number."""

    owner: str = ""
    connection: int = 0


turn: ContextVar[Turn] = ContextVar("turn", default=Turn())


def identify(owner: str) -> None:
    """The request that is answered now is this account's."""
    turn.set(Turn(owner, turn.get().connection))
