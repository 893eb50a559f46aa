"""The client for which the running code works. Shared resources use it to serve all clients fairly."""

from contextvars import ContextVar
from typing import NamedTuple


class Client(NamedTuple):
    """owner: `Principal.account_key`, or an address where nobody logged in, or the name of a job. connection: the
    number of one of the owner's connections.
    """

    owner: str = ""
    connection: int = 0


current_client: ContextVar[Client] = ContextVar("current_client", default=Client())


def count_for(owner: str) -> None:
    """From now on this request counts for this account."""
    current_client.set(Client(owner, current_client.get().connection))
