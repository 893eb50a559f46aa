"""Keeps what clients sent out of the log: messages of libraries and texts of exceptions may repeat parts of requests.

The log has only those parts of a request that we choose: fields of the access log, and names in our own messages.
"""

import logging
import os
import sys
import threading
import traceback

_log = logging.getLogger("dockboard.process")
_LIBRARIES = ("tornado", "asyncio")
# Loggers of code that handles requests. They log an exception's type and place, and not its text.
_NEAR_REQUESTS = (*_LIBRARIES, "dockboard.http", "dockboard.edge", "dockboard.event_loop", "dockboard.process")
# Beginnings of libraries' messages, and what the log has in their place.
_WORDS = {
    "Malformed HTTP message": "refused a request that is not HTTP/1.1",
    "Unsatisfiable read": "refused a request whose head is too long",
    "SSL Error on": "a TLS handshake failed",
    "error on read": "a connection failed while it was read",
    "Write error on": "a connection failed while it was written to",
    "Uncaught exception": "an error was not handled",
    "Exception in callback": "a callback failed",
    "Task exception was never retrieved": "a task failed",
    "Future exception was never retrieved": "a task failed",
}


def keep_requests_out(record: logging.LogRecord) -> bool:
    """A filter for the handler of all records, which changes those that may repeat a request."""
    if not _is_below(record.name, _NEAR_REQUESTS):
        return True
    text = _instead(record) if _is_below(record.name, _LIBRARIES) else record.getMessage()
    if record.exc_info and record.exc_info[1] is not None:
        text += "\n" + trace_without_texts(record.exc_info[1])
    # A message without arguments is not a template: logging does not replace a % in it.
    record.msg, record.args, record.exc_info, record.exc_text, record.stack_info = text, (), None, None, None
    return True


def _is_below(name: str, loggers: tuple[str, ...]) -> bool:
    return any(name == logger or name.startswith(logger + ".") for logger in loggers)


def _instead(record: logging.LogRecord) -> str:
    template = str(record.msg)
    for beginning, words in _WORDS.items():
        if template.startswith(beginning):
            if beginning.startswith("Malformed") and record.args:
                return f"{words}, from {record.args[0]}"
            reason = next((error.reason for error in record.args or () if getattr(error, "reason", None)), None)
            return f"{words}: {reason}" if type(reason) is str and reason.replace("_", "").isalnum() else words
    return (
        f"a message is left out because it may repeat a request; it comes from line {record.lineno} of"
        f" {record.filename}"
    )


def trace_without_texts(error: BaseException | None) -> str:
    """The types of the error and its causes, and where they were raised.

    Their texts are left out, because they may repeat a request.
    """
    parts: list[str] = []
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        parts.append("".join(traceback.format_tb(error.__traceback__)) + _kind(error))
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich led to:\n".join(reversed(parts))


def _kind(error: BaseException) -> str:
    number = error.errno if isinstance(error, OSError) and type(error).__module__ == "builtins" else None
    return type(error).__name__ + (f": {os.strerror(number)}" if type(number) is int else "")


def catch_stray_errors() -> None:
    """Log errors that end a thread or can't be raised anywhere. Python would print them on standard error."""
    threading.excepthook = lambda stray: _log.error(
        "a thread failed", exc_info=(stray.exc_type, stray.exc_value, stray.exc_traceback)
    )
    sys.unraisablehook = lambda stray: _log.error(
        "an error was not handled", exc_info=(stray.exc_type, stray.exc_value, stray.exc_traceback)
    )
