"""database.url for MySQL: what each part means, when TLS is required, and that passwords are shown nowhere."""

import pytest

from dockboard_registry import config
from dockboard_registry.config import kinds
from dockboard_registry.config.database_url import masked, parse_mysql
from dockboard_registry.errors import StartError


def parse(url: str):
    return parse_mysql(url, kinds.is_loopback)


def test_all_parts():
    found = parse("mysql://us%40er:p%3A%2F%3F%23%25s@db.example:3307/regi%2Dstry?ca=/etc/ca.pem")
    assert (found.host, found.port, found.user, found.password, found.name) == (
        "db.example",
        3307,
        "us@er",
        "p:/?#%s",
        "regi-stry",
    )
    assert (found.tls, found.ca, found.socket, found.password_file) == (True, "/etc/ca.pem", "", "")


def test_what_is_left_out():
    found = parse("mysql://docker@localhost/registry")
    assert (found.port, found.password) == (3306, "")


@pytest.mark.parametrize(
    ("url", "tls"),
    [
        ("mysql://u:p@db.example/r", True),
        ("mysql://u:p@10.0.0.5/r", True),
        ("mysql://u:p@[2001:db8::1]/r", True),
        ("mysql://u:p@127.0.0.1/r", False),
        ("mysql://u:p@localhost/r", False),
        ("mysql://u:p@[::1]/r", False),
        ("mysql://u:p@db.example/r?tls=off", False),
        ("mysql://u:p@127.0.0.1/r?tls=verify", True),
        ("mysql://u:p@127.0.0.1/r?ca=/ca.pem", True),
        ("mysql://u:p@db.example/r?socket=/run/mysqld.sock", False),
    ],
)
def test_tls_is_verified_unless_nobody_is_between(url, tls):
    assert parse(url).tls is tls


@pytest.mark.parametrize(
    "url",
    [
        "mysql://",
        "mysql://u:p@h",
        "mysql://u:p@h/",
        "mysql://h/name",
        "mysql://u:p@h/a/b",
        "mysql://u:p@h:port/r",
        "mysql://u:p@h:99999/r",
        "mysql://u:p@h/r#x",
        "mysql://u:p@h/r?tls=yes",
        "mysql://u:p@h/r?ssl=off",
        "mysql://u:p@h/r?tls",
        "mysql://u:p@h/r?tls=off&ca=/ca.pem",
        "mysql://u:p@h/r?socket=/s&tls=verify",
    ],
)
def test_what_is_wrong_is_refused_without_showing_the_password(url):
    with pytest.raises(ValueError) as refused:
        parse(url)
    assert "u:p" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["mysql://u:secret@h/r", "mysql://u:a/b?secret@h/r", "mysql://:secret@h/r", "postgres://u:secret@h/r"]
)
def test_passwords_are_masked(url):
    assert "secret" not in masked(url)
    with pytest.raises(config.ConfigError) as refused:
        config.load({}, {"DOCKBOARD_DATABASE_URL": url.replace("mysql", "oracle")})
    assert "secret" not in str(refused.value)


def test_a_shown_configuration_hides_the_password():
    loaded = config.load({}, {"DOCKBOARD_DATABASE_URL": "mysql://docker:hunter2@127.0.0.1/registry"})
    assert "mysql://docker:***@127.0.0.1/registry" in config.show(loaded)
    for text in (config.show(loaded), str(loaded.database_place), repr(loaded.database_place)):
        assert "hunter2" not in text


def test_a_password_file_is_read_each_time_and_must_be_private(tmp_path):
    file = tmp_path / "password"
    file.write_text("first\n")
    file.chmod(0o600)
    url = f"mysql://docker@127.0.0.1/registry?password_file={file}"
    place = config.load({}, {"DOCKBOARD_DATABASE_URL": url}).database_place
    assert place.secret() == "first"
    file.write_text("second")
    assert place.secret() == "second"
    file.chmod(0o644)
    with pytest.raises(config.ConfigError, match="chmod 600"):
        config.load({}, {"DOCKBOARD_DATABASE_URL": url})
    file.unlink()
    with pytest.raises(StartError, match="password_file"):
        place.secret()
