"""The head of an answer: in the form that Tornado takes, and in bytes for what leaves outside of it."""

import time
from email.utils import formatdate
from http.client import responses

from ..errors import RegistryError
from .faces import Face
from .messages import Fields, Response, SharedFields, check_values, lines

_STATUS = {int(status): f"HTTP/1.1 {int(status)} {phrase}" for status, phrase in responses.items()}
_CLOSE = "Connection: close\r\n"


class Clock:
    """The Date header, made anew once a second (RFC 9110 section 6.6.1)."""

    def __init__(self):
        self._second = 0
        self._text = ""

    def __call__(self) -> str:
        second = int(time.time())
        if second != self._second:
            self._second, self._text = second, formatdate(second, usegmt=True)
        return self._text


def require_sendable(response: Response) -> None:
    """Raises ValueError if a header field cannot be sent: it has a character outside Latin-1, or would end its line."""
    if type(response.headers) is not SharedFields:
        check_values(response.headers)


def keeps_alive(exchange) -> bool:
    """Whether the connection is for further requests; HTTP/1.1 only."""
    return not exchange.request.headers.closes and not exchange.edge.draining


def fields(exchange) -> Fields:
    """The fields of the exchange's response. They are those of `head`, in the same order."""
    response = exchange.response
    fields = Fields(response.headers)
    fields["Date"] = exchange.edge.date()
    fields.update(exchange.face.fields)
    fields["X-Request-Id"] = exchange.request.id
    fields["X-Content-Type-Options"] = "nosniff"
    if exchange.request.version == "HTTP/1.0":
        # Tornado closes and says so in HTTP/1.1 only; nginx sent its next request into the closing connection. It
        # overrules this where keep-alive was asked for.
        fields["Connection"] = "close"
    if response.status not in (204, 304):
        fields["Content-Length"] = str(response.length)
    return fields


def head(exchange, keep: bool) -> bytes:
    """The head of the exchange's response, as it goes over the wire."""
    response = exchange.response
    status = response.status
    fields = response.headers
    own = fields.lines if type(fields) is SharedFields else lines(fields)
    length = f"Content-Length: {response.length}\r\n" if status not in (204, 304) else ""
    return (
        f"{_STATUS.get(status) or f'HTTP/1.1 {status} Unknown'}\r\n{own}Date:"
        f" {exchange.edge.date()}\r\n{exchange.face.fields.lines}X-Request-Id:"
        f" {exchange.request.id}\r\nX-Content-Type-Options: nosniff\r\n{length}{'' if keep else _CLOSE}\r\n"
    ).encode("latin1")


def refusal(face: Face, error: RegistryError) -> bytes:
    """The whole answer to a connection that is closed after it, in the middle of its request."""
    response = face.error(error)
    own = f"{_STATUS[response.status]}\r\n{lines(response.headers)}{face.fields.lines}{_CLOSE}"
    return f"{own}Content-Length: {response.length}\r\n\r\n".encode("latin1") + response.body
