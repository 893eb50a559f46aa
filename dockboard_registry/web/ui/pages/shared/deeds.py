"""Deeds that take something away: a page says what will happen, and its button does it."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple

from .....errors import AccountUnknown, FieldInvalid, NameUnknown
from .....http.messages import Response
from ...forms import Wrong
from ...visit import Visit

# Fields that the form of a preview may have.
FIELDS = ("sure", "typed", "password")


class Preview(NamedTuple):
    """goes and stays: sentences. button: the deed. sent: fields that name it. back: address of the page before.

    typed: a name that has to be typed, for what has no way back. password: the deed takes the password, where it was
    not entered lately.
    """

    title: str
    goes: Sequence[str]
    stays: Sequence[str]
    button: str
    sent: Mapping[str, str]
    back: str
    typed: str = ""
    password: bool = False


def preview(visit: Visit, shown: Preview) -> Response:
    """The page that says what will happen."""
    values = shown._asdict() | {"sent": {**shown.sent, "sure": "1"}, "action": visit.url(visit.request.path)}
    return visit.page("confirm.html", **values, nothing=visit.t("error.unchanged"))


def is_sure(visit: Visit) -> bool:
    """Whether the form comes from a preview."""
    return visit.form.text("sure") == "1"


def is_again(visit: Visit) -> bool:
    """Whether a preview has to be shown again, because what it asks for was wrong."""
    return visit.problem is not None and is_sure(visit) and visit.wrong in FIELDS


def require_typed(visit: Visit, name: str) -> None:
    """Raise FieldInvalid if the name was not typed."""
    with visit.checking("typed"):
        if visit.form.text("typed") != name:
            raise Wrong("confirm.typed.wrong", name=name)


@contextmanager
def about(visit: Visit, field: str) -> Iterator[None]:
    """Errors inside are about this field, also that what it names does not exist."""
    with visit.checking(field):
        try:
            yield
        except (AccountUnknown, NameUnknown) as error:
            raise FieldInvalid(error.cause, error.next) from error
