"""Forms that visitors send: the fields of the body, and the fields as pages show them again after an error."""

import binascii
import re
from collections.abc import Collection, Mapping

from ...errors import BadRequest, FieldInvalid, MediaUnsupported
from ...http.messages import Request
from ...wording import quoted

MOST_BODY = 64 << 10
_MOST_FIELDS = 1200
_TYPE = "application/x-www-form-urlencoded"
_NO_ESCAPE = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# Every form may have these: the token against forgery, where to go on, which of the page's deeds it asks for.
_COMMON = frozenset({"_csrf", "next", "do"})


class Wrong(FieldInvalid):
    """Why a form comes back, as a sentence of messages/ with its values."""

    def __init__(self, said: str, **values: object):
        super().__init__(said, next="")
        self.said, self.values = said, values


class Form:
    """The fields of a form by name, each with its values in their order."""

    def __init__(self, fields: dict[str, list[str]]):
        self.fields = fields

    def text(self, name: str, default: str = "") -> str:
        """The value without the spaces around it; the first one where there are several."""
        return self.raw(name, default).strip()

    def raw(self, name: str, default: str = "") -> str:
        """The value as it was typed, for passwords and long texts. Line ends are single newlines."""
        values = self.fields.get(name)
        return values[0].replace("\r\n", "\n") if values else default

    def all(self, name: str) -> list[str]:
        return self.fields.get(name, [])

    def has(self, name: str) -> bool:
        """Whether a box is ticked, or a field was sent at all."""
        return name in self.fields

    def require_deed(self, deeds: Mapping[str, Collection[str]]) -> None:
        """Require that the form asks for one of the deeds, and has all fields of it. Raises BadRequest."""
        deed = self.text("do")
        if deed not in deeds:
            raise BadRequest("the form asks for nothing that this page does", "send it from the page")
        missing = [field for field in deeds[deed] if not self.has(field)]
        if missing:
            raise BadRequest(f"the form lacks the field {missing[0]}", "send it from the page")


EMPTY = Form({})


async def read(request: Request, known: Collection[str], most: int = MOST_BODY) -> Form:
    """The form in the body. known: the fields that the page's forms have. Raises BadRequest, MediaUnsupported,
    SizeInvalid.
    """
    media_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type != _TYPE:
        raise MediaUnsupported("this is no form of a page", f"send Content-Type: {_TYPE}")
    body = await request.body.read_all(most)
    try:
        fields = _fields(body)
    except ValueError as error:
        raise BadRequest(
            f"the form has more than {_MOST_FIELDS} fields, or bytes that are not UTF-8", "send it from the page"
        ) from error
    unknown = fields.keys() - _COMMON - set(known)
    if unknown:
        raise BadRequest(f"the form has an unknown field {quoted(min(unknown))}", "send it from the page")
    return Form(fields)


def _fields(body: bytes) -> dict[str, list[str]]:
    """The values of each field. Raises ValueError."""
    pairs = [pair for pair in body.split(b"&", _MOST_FIELDS) if pair]
    if len(pairs) > _MOST_FIELDS:
        raise ValueError
    found: dict[str, list[str]] = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        found.setdefault(_decoded(name), []).append(_decoded(value))
    return found


def _decoded(data: bytes) -> str:
    """Text without percent escapes. urllib takes half a second for a README in Chinese; quoted-printable, which differs
    in the sign only, is decoded in C. Raises ValueError.
    """
    data = data.replace(b"+", b" ")
    if b"%" in data:
        if _NO_ESCAPE.search(data):
            raise ValueError
        data = binascii.a2b_qp(data.replace(b"=", b"=3D").replace(b"%", b"="))
    return data.decode()
