"""Log lines: one record is one line, whatever a client puts into it."""

import contextlib
import io
import json
import logging
import re
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockboard_registry.config import LogConfig
from dockboard_registry.server import logs

FORMATTERS = {"text": logs.TextFormatter(), "json": logs.JsonFormatter()}
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
HOSTILE = 'a\r\nb\x00\x1b[2J\x7f\x85\u2028\u2029\u202e\ud800"\\é'


def record(message, *args, **extra):
    made = logging.LogRecord("web", logging.WARNING, __file__, 1, message, args, None)
    vars(made).update(extra)
    return made


def is_one_safe_line(line: str) -> bool:
    encoded = (line + "\n").encode(errors="backslashreplace")
    return line.isprintable() and len(line.splitlines()) == 1 and len(encoded) <= logs.LINE_LIMIT


@pytest.mark.parametrize("formatter", FORMATTERS.values(), ids=FORMATTERS)
@given(message=st.text(max_size=3000), value=st.text(max_size=3000))
def test_any_message_is_one_line(formatter, message, value):
    assert is_one_safe_line(formatter.format(record("%s", message, request=value)))


@pytest.mark.parametrize("formatter", FORMATTERS.values(), ids=FORMATTERS)
@pytest.mark.parametrize("text", [HOSTILE, "\x1b" * 20000, "é" * 20000, "\U0001f433" * 20000, '"' * 20000])
def test_long_and_hostile_messages_are_one_short_line(formatter, text):
    line = formatter.format(record(text.replace("%", "%%"), request=text))
    assert is_one_safe_line(line)
    assert "WARNING web: " in line or json.loads(line)["logger"] == "web"


def test_text_has_time_level_logger_message_and_fields():
    line = FORMATTERS["text"].format(record("pushed %s", "a/b\n", request="r1"))
    assert re.fullmatch(TIME + r" WARNING web: pushed a/b\\n request=r1", line)


def test_json_has_the_message_as_it_was():
    found = json.loads(FORMATTERS["json"].format(record("%s", HOSTILE, request="r1", size=3)))
    assert re.fullmatch(TIME, found.pop("ts"))
    assert found == {"level": "warning", "logger": "web", "message": HOSTILE, "request": "r1", "size": 3}


@pytest.mark.parametrize("formatter", FORMATTERS.values(), ids=FORMATTERS)
def test_a_traceback_stays_in_its_line(formatter):
    failed = record("failed")
    try:
        raise ValueError("two\nlines")
    except ValueError:
        failed.exc_info = sys.exc_info()
    line = formatter.format(failed)
    assert is_one_safe_line(line)
    assert "ValueError: two" in line


def written(capfd, config: LogConfig, *requests) -> list[str]:
    access = logs.AccessLog(config)
    for request in requests:
        access.write(*request)
    access.flush()
    access.flush()
    return capfd.readouterr().err.splitlines()


PLAIN = ("127.0.0.1", "GET", "/v2/x/manifests/y", 200, 1234, 0.0008, "req-id", "docker/20.10")


def test_access_lines_in_text(capfd):
    (line,) = written(capfd, LogConfig(), PLAIN)
    assert re.fullmatch(TIME + r' 127\.0\.0\.1 "GET /v2/x/manifests/y" 200 1234B 0\.8ms req-id "docker/20\.10" -', line)
    (line,) = written(capfd, LogConfig(), (*PLAIN, "user:ann/token:12"))
    assert line.endswith(' "docker/20.10" user:ann/token:12')


def test_access_lines_in_json(capfd):
    (line,) = written(capfd, LogConfig(format="json"), PLAIN)
    found = json.loads(line)
    assert re.fullmatch(TIME, found.pop("ts"))
    assert found == {
        "level": "info",
        "logger": "access",
        "remote": "127.0.0.1",
        "method": "GET",
        "path": "/v2/x/manifests/y",
        "status": 200,
        "bytes": 1234,
        "ms": 0.8,
        "request_id": "req-id",
        "user_agent": "docker/20.10",
        "who": "-",
    }


@pytest.mark.parametrize("format", ["text", "json"])
def test_names_in_utf8_are_shown_as_they_are(capfd, format):
    """The HTTP parser takes each byte for a character of Latin-1."""
    path, agent, damaged = (
        "/v2/größe/тег".encode().decode("latin1"),
        "Käse/1 🧀".encode().decode("latin1"),
        "/v2/gr\xf6\xdfe",
    )
    first, second = written(
        capfd,
        LogConfig(format=format),
        ("::1", "GET", path, 404, 0, 0.1, "id", agent),
        ("::1", "GET", damaged, 404, 0, 0.1, "id", "x"),
    )
    if format == "json":
        assert (json.loads(first)["path"], json.loads(first)["user_agent"]) == ("/v2/größe/тег", "Käse/1 🧀")
        assert json.loads(second)["path"] == "/v2/gr\udcf6\udcdfe"
    else:
        assert '"GET /v2/größe/тег" 404' in first and '"Käse/1 🧀"' in first
        assert r"/v2/gr\udcf6\udcdfe" in second


@pytest.mark.parametrize("format", ["text", "json"])
def test_access_lines_keep_hostile_fields_inside(capfd, format):
    hostile = (HOSTILE, HOSTILE, HOSTILE, 400, 0, 1.0, HOSTILE, HOSTILE, HOSTILE)
    long = ("::1", "G" * 20000, "\x1b" * 20000, 400, 0, 1.0, "\U0001f433" * 20000, '"' * 20000, "é" * 20000)
    lines = written(capfd, LogConfig(format=format), hostile, long, PLAIN)
    assert len(lines) == 3
    assert all(is_one_safe_line(line) for line in lines)
    if format == "text":
        # What a field holds can't look like the end of it.
        assert len(re.findall(r'(?<!\\)"', lines[0])) == 4
    else:
        assert json.loads(lines[0])["user_agent"] == HOSTILE
        assert json.loads(lines[1])["status"] == 400


@pytest.mark.parametrize(
    ("target", "shown"),
    [
        ("/v2/app/tags/list", "/v2/app/tags/list"),
        ("/v2/app%2Fb/x@y", "/v2/app%2Fb/x@y"),
        ("/v2/_catalog?n=5&last=a%2Fb&password=S", "/v2/_catalog?n=5&last=a%2Fb&..."),
        ("/v2/_catalog?n=5;token=S&last=x%26password%3DS", "/v2/_catalog?...&..."),
        ("/token?scope=repository%3Aa%2Fb%3Apull%2Cpush&n=5", "/token?scope=repository%3Aa%2Fb%3Apull%2Cpush&n=5"),
        ("/token?scope=repository:a:pull%26password=S", "/token?..."),
        ("/v2/#token=S", "/v2/#..."),
        ("/v2/?n=1#token=S", "/v2/?n=1#..."),
        ("/v2/%3ftoken=S", "/v2/%3f..."),
        ("http://bob:S@host/v2/?n=1", "http://host/v2/?n=1"),
        ("HTTP://bob:S/S@host/v2/", "HTTP://host/v2/"),
        ("http://bob:a?S%3FS#S@host/v2/?n=1", "http://host/v2/?n=1"),
        ("//bob:S@host/v2/", "//host/v2/"),
        ("http:bob:S@host", "..."),
        ("bob:S@host:443", "..."),
        ("S", "..."),
        ("", "..."),
        ("*", "*"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("format", ["text", "json"])
def test_targets_are_shown_without_secrets(capfd, format, target, shown):
    [line] = written(capfd, LogConfig(format=format), ("::1", "GET", target, 404, 0, 0.1, "id", "agent"))
    assert f'"GET {shown}"' in line if format == "text" else json.loads(line)["path"] == shown


def test_access_lines_come_in_order_and_many_do_not_wait(capfd):
    access = logs.AccessLog(LogConfig())
    for number in range(logs._NOTED + 1):
        access.write("::1", "GET", f"/v2/{number}", 200, 0, 0.0, f"r{number}", "x")
    before = capfd.readouterr().err.splitlines()
    access.flush()
    lines = before + capfd.readouterr().err.splitlines()
    assert len(before) == logs._NOTED
    assert [line.split()[3] for line in lines] == [f'/v2/{number}"' for number in range(logs._NOTED + 1)]


def test_access_log_off_writes_nothing(capfd):
    assert written(capfd, LogConfig(access=False), PLAIN) == []


def test_configure_sets_level_and_format_each_time():
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        with contextlib.redirect_stderr(io.StringIO()) as stream:
            logs.configure(LogConfig(level="warning"))
            logging.getLogger("a").info("no")
            logging.getLogger("a").warning("one")
            logs.configure(LogConfig(level="debug", format="json"))
            logging.getLogger("a").debug("two")
    finally:
        root.handlers[:], root.level = before
    first, second = stream.getvalue().splitlines()
    assert first.endswith(" WARNING a: one")
    assert json.loads(second)["message"] == "two"
