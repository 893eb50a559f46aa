"""Log lines on standard error. One record is one line, in text or JSON, whatever a client put into it."""

import contextlib
import functools
import json
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterable
from datetime import datetime, timezone

from ..config.options import LogConfig
from . import log_safety
from .log_writer import LogWriter

# PIPE_BUF: if several workers write to a pipe, a write of at most so many bytes is not torn.
LINE_LIMIT = 4096
# A JSON line may be too long, because one character may take six bytes.
_SHORT = {"path": 400, "request_id": 64, "user_agent": 100, "who": 200}
# So many lines are made in less than a millisecond, and the queue has room for them at any length.
_NOTED = 200
# Other methods are not logged: one may be a secret that somebody typed in the wrong place.
_METHODS = frozenset("GET HEAD POST PUT PATCH DELETE OPTIONS TRACE CONNECT".split())
_KNOWN_FIELDS = frozenset("n last digest digest-algorithm mount from artifactType tag ns".split())
_SCOPES = ("repository:", "repository%3A", "repository%3a", "registry:", "registry%3A", "registry%3a")
# In a value such a character, or its spelling in a URL, may begin another field.
_NEXT_FIELD = re.compile(r"[;=#]|%(?:23|26|3[BD])", re.I)
_PATH_END = re.compile(r"[?#]|%3F", re.I)
_HOST = re.compile(r"((?:https?:)?//)(?:.*@)?", re.I)
STANDARD_FIELDS = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def timestamp(seconds: float) -> str:
    """`2026-11-23T16:00:00.123Z`."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds")[:-6] + "Z"


def escaped(text: str) -> str:
    """The text with characters that are not printable as \\n, \\x1b, \\u2028, so it can't end a line or steer a
    terminal.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def quoted(text: str) -> str:
    """The same for a field in double quotes."""
    if '"' not in text and "\\" not in text and text.isprintable():
        return text
    return escaped(text.replace("\\", "\\\\").replace('"', '\\"'))


def without_secrets(target: str) -> str:
    """A request's target as the log shows it.

    People put passwords and tokens into queries, after a #, before the host, or in place of the whole target. Of a
    query only the values of fields that the registry reads and that are no secrets are kept.
    """
    if not target.startswith("/") or target.startswith("//"):
        target = _absolute(target)
    found = _PATH_END.search(target)
    path, mark, rest = (target[: found.start()], found.group(), target[found.end() :]) if found else (target, "", "")
    if mark != "?":
        return f"{path}{mark}..." if mark else path
    query, mark, _ = rest.partition("#")
    shown = "&".join(field if _is_known(*field.partition("=")) else "..." for field in query.split("&"))
    return f"{path}?{shown}{mark and '#...'}"


def _absolute(target: str) -> str:
    """A target that is no path: without what stands before the last @. Nothing if it is no target at all."""
    found = _HOST.match(target)
    return found[1] + target[found.end() :] if found else "*" if target == "*" else "..."


def _is_known(name: str, _: str, value: str) -> bool:
    return (name in _KNOWN_FIELDS or (name == "scope" and value.startswith(_SCOPES))) and _NEXT_FIELD.search(
        value
    ) is None


def received(text: str) -> str:
    """Text of a request as UTF-8, which nearly all clients send.

    The HTTP parser reads it as Latin-1. Other bytes become \\udcNN.
    """
    if text.isascii():
        return text
    try:
        return text.encode("latin1").decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return text


_known = functools.lru_cache(256)(quoted)


@functools.lru_cache(256)
def _shared(remote: str, method: str, path: str, agent: str, who: str) -> tuple[str, str]:
    """The parts that the lines of many requests have in common, before and after the figures.

    They are remembered, so the path must be without secrets.
    """
    asked = f'{_known(remote)} "{_method(method)} {quoted(received(path))}"'
    return asked, f'"{_known(received(agent))}" {_known(who)}'


def _method(method: str) -> str:
    return method if method in _METHODS else "OTHER"


def shortened(text: str, limit: int) -> str:
    """At most `limit` bytes of UTF-8, with ... at the end where something was cut."""
    if len(text) * 4 <= limit:
        return text
    data = text.encode(errors="backslashreplace")
    return text if len(data) <= limit else data[: limit - 3].decode(errors="ignore") + "..."


class TextFormatter(logging.Formatter):
    """`TIME LEVEL logger: message key=value`. A traceback stands in the same line."""

    def format(self, record: logging.LogRecord) -> str:
        text = f"{timestamp(record.created)} {record.levelname} {record.name}: {_message(record)}"
        more = "".join(f" {name}={value}" for name, value in _extra(record).items())
        return shortened(escaped(text + more), LINE_LIMIT - 1)


class JsonFormatter(logging.Formatter):
    """One object with ts, level, logger, message and the extra fields of the record."""

    def format(self, record: logging.LogRecord) -> str:
        entry = {"ts": timestamp(record.created), "level": record.levelname.lower(), "logger": record.name}
        message = _message(record)
        line = _dumps({**entry, "message": message, **_extra(record)})
        if len(line) < LINE_LIMIT:
            return line
        # A character may take six bytes in JSON. A sixth of the limit always fits beside the fixed fields.
        return _dumps({**entry, "message": shortened(message, LINE_LIMIT // 8)})


def _dumps(entry: dict) -> str:
    return json.dumps(entry, default=str, ensure_ascii=True)


def _message(record: logging.LogRecord) -> str:
    text = record.getMessage()
    if record.exc_info:
        text += "\n" + logging.Formatter().formatException(record.exc_info)
    return text


def _extra(record: logging.LogRecord) -> dict:
    return {name: value for name, value in vars(record).items() if name not in STANDARD_FIELDS}


class _ToWriter(logging.Handler):
    def __init__(self, writer: LogWriter):
        super().__init__()
        self._writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.put([_line(self.format(record))])


def _line(text: str) -> bytes:
    return text.encode(errors="backslashreplace") + b"\n"


def writer(config: LogConfig, on_drop: Callable[[int], None] = lambda lines: None, lasting: bool = False) -> LogWriter:
    """The writer of the log, for a process that must not wait for the log's reader."""

    def note(dropped: int) -> bytes:
        words = "lines of the log were dropped, since standard error was not read"
        return _line(
            _formatter(config).format(
                logging.makeLogRecord({"name": "dockboard.log", "levelname": "WARNING", "msg": f"{dropped} {words}"})
            )
        )

    return LogWriter(note, on_drop, lasting)


def _formatter(config: LogConfig) -> logging.Formatter:
    return JsonFormatter() if config.format == "json" else TextFormatter()


def configure(config: LogConfig, writer: LogWriter | None = None) -> None:
    """Send all logging to standard error as the configuration says, through the writer if there is one.

    It may be called again.
    """
    handler = logging.StreamHandler(sys.stderr) if writer is None else _ToWriter(writer)
    handler.setFormatter(_formatter(config))
    handler.addFilter(log_safety.keep_requests_out)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(config.level.upper())
    logging.raiseExceptions = False


def _write(pieces: Iterable[bytes]) -> None:
    for piece in pieces:
        with contextlib.suppress(OSError):
            os.write(2, piece)


class AccessLog:
    """One line for each request. `write` notes it, and `flush` writes it.

    on_first: called when there is something to flush. put: takes the lines, joined to pieces.
    """

    def __init__(
        self,
        config: LogConfig,
        on_first: Callable[[], None] = lambda: None,
        put: Callable[[Iterable[bytes]], None] = _write,
    ) -> None:
        self._on_first, self._put = on_first, put
        self._noted: list[tuple[float, tuple]] = []
        self._second = 0
        self._prefix = ""
        self._line = self._json if config.format == "json" else self._text
        if not config.access:
            self.write = _nothing

    def write(self, *request: str | int | float) -> None:
        """Note a request that was answered with `size` bytes of body, `seconds` after it came.

        The lines of many requests are made together later, which is cheaper.
        """
        self._noted.append((time.time(), request))
        count = len(self._noted)
        if count == 1:
            self._on_first()
        elif count >= _NOTED:
            self.flush()

    def _time(self, now: float) -> str:
        second = int(now)
        if second != self._second:
            self._second = second
            self._prefix = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        return f"{self._prefix}{int((now - second) * 1000):03d}Z"

    def _text(self, now, remote, method, path, status, size, seconds, request_id, agent, who="-") -> str:
        if "?" in path or "%" in path or "#" in path or not path.startswith("/") or path.startswith("//"):
            path = without_secrets(path)
        asked, asker = _shared(remote, method, path, agent, who)
        line = f"{self._time(now)} {asked} {status} {size}B {seconds * 1000:.1f}ms {quoted(request_id)} {asker}"
        return line if len(line) * 4 < LINE_LIMIT else shortened(line, LINE_LIMIT - 1)

    def _json(self, now, remote, method, path, status, size, seconds, request_id, agent, who="-") -> str:
        path = without_secrets(path)
        entry = {
            "ts": self._time(now),
            "level": "info",
            "logger": "access",
            "remote": remote,
            "method": _method(method),
            "path": received(path),
            "status": status,
            "bytes": size,
            "ms": round(seconds * 1000, 1),
            "request_id": request_id,
            "user_agent": received(agent),
            "who": who,
        }
        line = _dumps(entry)
        if len(line) < LINE_LIMIT:
            return line
        return _dumps({**entry, **{name: shortened(entry[name], size) for name, size in _SHORT.items()}})

    def flush(self) -> None:
        """Write the noted lines in pieces that no other worker's lines tear.

        Lines that standard error does not take are lost.
        """
        if not self._noted:
            return
        noted, self._noted = self._noted, []
        pieces, lines, size = [], [], 0
        for now, request in noted:
            data = self._line(now, *request).encode(errors="backslashreplace") + b"\n"
            size += len(data)
            if size > LINE_LIMIT:
                pieces.append(b"".join(lines))
                lines, size = [], len(data)
            lines.append(data)
        self._put([*pieces, b"".join(lines)])


def _nothing(*_: object) -> None:
    """AccessLog.write if the access log is off."""
