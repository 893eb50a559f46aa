"""Who makes a request of the API or of a page, with the rights that were found out for it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from ...clients import network_of
from ...db import Tx
from ...domain.access.rule import ANONYMOUS, Principal
from ...domain.audit import Actor
from ...domain.rights.recheck import recheck_of


class Asker(NamedTuple):
    """services: app.Services. address: where the request came from. recheck: see Actor."""

    services: Any
    address: str
    principal: Principal = Principal()
    recheck: Callable[[Tx, int], None] | None = None

    @property
    def people(self) -> Any:
        """The services that concern accounts (AccountServices)."""
        return self.services.people

    @property
    def actor(self) -> Actor:
        """Who makes the change, for the audit."""
        return Actor(str(self.principal), self.address, self.recheck)

    def count_change(self) -> None:
        """Count a change, because each is a row of the audit and waits for the database's only writer.

        Raises TooManyRequests if there were too many lately.
        """
        if self.principal.kind == ANONYMOUS:
            return
        rate = self.people.administrators_changes if self.principal.administrator else self.people.changes
        rate.take((self.principal.kind, self.principal.id))

    def count_search(self) -> None:
        """Count a search, of the account or of the network, because few of them can run at a time.

        Raises TooManyRequests if there were too many lately.
        """
        if self.principal.kind == ANONYMOUS:
            self.people.signed_out_searches.take(network_of(self.address))
        else:
            self.people.searches.take((self.principal.kind, self.principal.id))


def asker_of(services: Any, address: str, principal: Principal, access_version: int) -> Asker:
    """The asker whose principal was found out at this access version. A change asks again if it is not the same any
    more.
    """
    return Asker(services, address, principal, recheck_of(services.principals, principal, access_version))
