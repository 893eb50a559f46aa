"""How a signed token looks in the v1 API: `Token signature=…,repository="ns/name",access=read`.

docker puts `Token ` before the whole value that it was given, so it comes back with the word twice.
"""

import re
from typing import NamedTuple

from ...errors import Unauthorized

_TOKEN = re.compile(r'(?:(?i:token) +)+signature=([A-Za-z0-9_.-]+),repository="([^"]{1,300})",access=read', re.A)


class ShownToken(NamedTuple):
    """signature: a signed token. repository: as the client says, so nobody has checked it."""

    signature: str
    repository: str


def write(signature: str, repository: str) -> str:
    """The value that the client is given."""
    return f'Token signature={signature},repository="{repository}",access=read'


def is_token(header: str | None) -> bool:
    return header is not None and header[:6].lower() == "token "


def read(header: str) -> ShownToken:
    """What an Authorization header of this kind shows. Raises Unauthorized."""
    found = _TOKEN.fullmatch(header)
    if found is None:
        raise Unauthorized("the token is not one of this registry", "begin the pull again")
    return ShownToken(*found.groups())
