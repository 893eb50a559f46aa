"""The client for which the running code works. Clients take turns by it at shared resources."""

from contextvars import ContextVar
from typing import NamedTuple


class Turn(NamedTuple):
    """owner: an account as `Principal.holder` names it, or else an address, or the name of a job; connection: one of
    the owner's, by a number.
    """

    owner: str = ""
    connection: int = 0


turn: ContextVar[Turn] = ContextVar("turn", default=Turn())


def identify(owner: str) -> None:
    """From now on this request counts for this account."""
    turn.set(Turn(owner, turn.get().connection))
