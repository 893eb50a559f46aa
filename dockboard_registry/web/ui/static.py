"""Files of the program that pages need: style sheet, script, icon.

Their address has a hash of their content, so browsers keep them for ever. They are compressed once.
"""

import functools
import gzip
import hashlib
import pkgutil
from typing import NamedTuple

from ...errors import NotFound
from ...http.messages import Request, Response

TYPES = {
    "dockboard.css": "text/css; charset=utf-8",
    "dockboard.js": "text/javascript; charset=utf-8",
    "mark.svg": "image/svg+xml",
}
_FOREVER, _ASK_AGAIN = "public, max-age=31536000, immutable", "no-cache"


class File(NamedTuple):
    content: bytes
    packed: bytes
    media_type: str


@functools.cache
def _files() -> dict[str, File]:
    found = {}
    for name, media_type in TYPES.items():
        content = pkgutil.get_data(__package__, f"static/{name}")
        found[name] = File(content, gzip.compress(content, 9, mtime=0), media_type)
    return found


@functools.cache
def version() -> str:
    """The part of all addresses that changes with the content of any file."""
    whole = hashlib.sha256()
    for name, file in sorted(_files().items()):
        whole.update(name.encode() + b"\0" + file.content)
    return whole.hexdigest()[:12]


def path(name: str) -> str:
    """The address of a file, below the registry's own."""
    return f"/static/{version()}/{name}"


def answer(request: Request, asked: str, name: str) -> Response:
    """The file. Raises NotFound.

    During an upgrade a page of one version may ask a node of another one: it gets the file as this node has it.
    """
    file = _files().get(name)
    if file is None:
        raise NotFound("there is no such file")
    headers = {
        "Content-Type": file.media_type,
        "Cache-Control": _FOREVER if asked == version() else _ASK_AGAIN,
        "Vary": "Accept-Encoding",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    if "gzip" not in request.headers.get("Accept-Encoding", ""):
        return Response(200, headers, file.content)
    return Response(200, {**headers, "Content-Encoding": "gzip"}, file.packed)
