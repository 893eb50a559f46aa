"""What a page is: its path, who may open it, its handlers and its form."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple

from ...errors import Unsupported
from ...http.messages import Response
from ...names import ACCOUNT_GRAMMAR, DIGEST_GRAMMAR, REPOSITORY_GRAMMAR, TAG_GRAMMAR
from ..auth.permissions import Permission
from . import forms
from .visit import Visit

Handler = Callable[[Visit], Awaitable[Response]]
# What a name in braces in a path may be.
NAMES: Mapping[str, str] = {
    "repository": REPOSITORY_GRAMMAR,
    "tag": TAG_GRAMMAR,
    "digest": DIGEST_GRAMMAR,
    **dict.fromkeys(("account", "user", "organization", "team", "robot", "token", "namespace"), ACCOUNT_GRAMMAR),
    "id": "[0-9]{1,19}",
    "key": "[0-9a-f]{32}",
    "word": "[a-z-]{1,64}",
    "file": "[a-z.-]{1,64}",
    "version": "[0-9a-f]{12}",
}
IN_PATH = re.compile(r"\{([a-z]+)\}")


class Page(NamedTuple):
    """A page, and the form that it may have.

    path: with names of NAMES in braces. get shows the page; post does what its form asks for. When post raises an error
    that the visitor can put right, get shows the page again with what was sent. deeds: what the page's forms ask for
    (their field `do`), each with the fields that its form always has. fields: what a form may have besides. most: bytes
    of the form. private: browsers keep no copy. sends: who may send the form, if not everyone who may open the page.
    """

    path: str
    permission: Permission
    get: Handler | None = None
    post: Handler | None = None
    deeds: Mapping[str, tuple[str, ...]] = {}
    fields: tuple[str, ...] = ()
    most: int = forms.MOST_BODY
    private: bool = False
    sends: Permission | None = None

    @property
    def known_fields(self) -> set[str]:
        """All fields that the page's forms may have."""
        return {*self.fields, *(field for fields in self.deeds.values() for field in fields)}

    def permission_for(self, method: str) -> Permission:
        return self.sends if method == "POST" and self.sends is not None else self.permission

    def handler(self, method: str) -> Handler:
        """Raises Unsupported, which names the methods of the page."""
        by_method = {"GET": self.get, "HEAD": self.get, "POST": self.post}
        found = by_method.get(method)
        if found is None:
            allowed = ", ".join(name for name, each in by_method.items() if each is not None)
            raise Unsupported(f"this page has no method {method[:16]!a}", headers={"Allow": allowed})
        return found
