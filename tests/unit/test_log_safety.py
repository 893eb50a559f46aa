"""What libraries say about requests, and what exceptions say, is not for the log."""

import logging
import ssl
import sys

import pytest

from dockboard_registry.server import log_safety

SECRET = "dbr_canary"


def raised(error: BaseException):
    try:
        try:
            raise ValueError(SECRET)
        except ValueError as cause:
            raise error from cause
    except type(error):
        return sys.exc_info()


def line(name: str, message: str, *args: object, exc_info=None) -> str:
    record = logging.LogRecord(name, logging.ERROR, "/somewhere/iostream.py", 714, message, args, exc_info)
    assert log_safety.keep_requests_out(record)
    return logging.Formatter("%(message)s").format(record)


@pytest.mark.parametrize("name", ["tornado.general", "tornado.application", "tornado.access", "asyncio"])
@pytest.mark.parametrize(
    ("message", "args", "words"),
    [
        ("Malformed HTTP message from %s: %s", ("::1", SECRET), "refused a request that is not HTTP/1.1, from ::1"),
        ("Unsatisfiable read, closing connection: " + SECRET, (), "refused a request whose head is too long"),
        (f"Exception in callback f({SECRET!r})", (), "a callback failed"),
        (f"Task exception was never retrieved\nfuture: <Task {SECRET}>", (), "a task failed"),
        (
            "Something new: %r",
            (SECRET,),
            "a message is left out because it may repeat a request; it comes from line 714 of iostream.py",
        ),
        (
            f"100% {SECRET}",
            (),
            "a message is left out because it may repeat a request; it comes from line 714 of iostream.py",
        ),
    ],
)
def test_a_librarys_words_are_replaced(name, message, args, words):
    assert line(name, message, *args) == words


def test_the_reason_of_a_failed_handshake_is_told():
    error = ssl.SSLError(1, "[SSL: X] " + SECRET)
    error.reason = "HTTP_REQUEST"
    assert (
        line("tornado.general", "SSL Error on %s %s: %s", 7, ("::1", 5), error)
        == "a TLS handshake failed: HTTP_REQUEST"
    )
    error.reason = SECRET + " "
    assert line("tornado.general", "SSL Error on %s %s: %s", 7, ("::1", 5), error) == "a TLS handshake failed"


@pytest.mark.parametrize(
    "name", ["tornado.application", "asyncio", "dockboard.http", "dockboard.event_loop", "dockboard.edge"]
)
@pytest.mark.parametrize(
    "error",
    [KeyError(SECRET), UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, SECRET), OSError(SECRET), OSError(5, SECRET)],
)
def test_an_error_is_told_by_its_type_and_place(name, error):
    found = line(name, "serving failed", exc_info=raised(error))
    assert SECRET not in found and type(error).__name__ in found and "ValueError" in found and "in raised" in found


def test_an_operating_systems_error_keeps_its_words():
    assert "OSError: Input/output error" in line("dockboard.http", "it failed", exc_info=raised(OSError(5, SECRET)))


def test_others_keep_their_words():
    assert line("dockboard.worker", "failed: %s", "100 %") == "failed: 100 %"
    assert line("tornadoes", "x %s", "y") == "x y"
