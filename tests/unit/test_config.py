"""The configuration: order of sources, every refusal in words, and the table of docs/configuration.md."""

import os
import re
import tomllib
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockboard_registry import config
from dockboard_registry.config import ConfigError, kinds

ROOT = Path(__file__).parents[2]


def file_with(directory: Path, text: str) -> dict[str, str]:
    path = directory / "registry.toml"
    path.write_text(text)
    return {"config": str(path)}


def refusal(options=None, environ=None) -> str:
    """The words with which this configuration is refused."""
    with pytest.raises(ConfigError) as caught:
        config.load(options or {}, environ or {})
    return str(caught.value)


def test_without_anything_it_serves_on_loopback_only():
    found = config.load({}, {})
    assert found.server.listen == "127.0.0.1:5000"
    assert found.storage.root == Path.cwd() / "registry-data"
    assert found.database_place == found.storage.root / "registry.db"
    assert found.auth.anonymous == ""
    assert found.metrics.listen == ""
    assert found.log.access is True
    assert 1 <= found.workers <= 8
    assert found.sources == {}


def test_flags_overrule_the_environment_and_that_the_file(tmp_path):
    text = '[server]\nlisten = "127.0.0.1:1"\nworkers = 3\ndrain = 1.5\n[storage]\nroot = "/file"\n'
    options = {**file_with(tmp_path, text), "server.listen": "127.0.0.1:3"}
    found = config.load(options, {"DOCKBOARD_SERVER_LISTEN": "127.0.0.1:2", "DOCKBOARD_STORAGE_ROOT": "/environment"})
    assert found.server.listen == "127.0.0.1:3"
    assert found.storage.root == Path("/environment")
    assert (found.server.workers, found.server.drain) == (3, 1.5)
    assert found.sources["server.listen"] == "flag"
    assert found.sources["storage.root"] == "environment DOCKBOARD_STORAGE_ROOT"
    assert found.sources["server.workers"] == f"file {options['config']}"


def test_every_key_can_come_from_the_environment():
    for option in config.OPTIONS.values():
        value = re.sub(r'["\[\]]', "", option.kind.toml(option.field.default))
        found = config.load({}, {option.environment: value})
        assert getattr(getattr(found, option.section), option.field.name) == option.field.default
        assert found.sources == {option.key: f"environment {option.environment}"}


@settings(deadline=None)
@given(st.integers(0, 256), st.booleans(), st.lists(st.sampled_from(["10.0.0.0/8", "::1", "192.0.2.7"]), max_size=3))
def test_text_and_toml_mean_the_same(tmp_path_factory, workers, access, proxies):
    text = config.load(
        {},
        {
            "DOCKBOARD_SERVER_WORKERS": str(workers),
            "DOCKBOARD_LOG_ACCESS": "true" if access else "false",
            "DOCKBOARD_SERVER_TRUSTED_PROXIES": ", ".join(proxies),
        },
    )
    toml = f"[server]\nworkers = {workers}\ntrusted_proxies = {proxies}\n[log]\naccess = {str(access).lower()}\n"
    assert config.load(file_with(tmp_path_factory.mktemp("config"), toml), {}) == text
    assert text.server.trusted_proxies == tuple(map(ip_network, proxies))


def test_what_show_prints_is_a_file_that_means_the_same(tmp_path):
    environ = {
        "DOCKBOARD_GC_GRACE": "0",
        "DOCKBOARD_SERVER_TRUSTED_PROXIES": "10.0.0.0/8",
        "DOCKBOARD_DATABASE_URL": 'sqlite:/a "b" \\c',
    }
    shown = config.show(config.load({}, environ))
    assert set(tomllib.loads(shown)) == set(config.SECTIONS)
    assert config.load(file_with(tmp_path, shown), {}) == config.load({}, environ)
    assert "grace = 0  # environment DOCKBOARD_GC_GRACE" in shown
    assert 'listen = "127.0.0.1:5000"  # default' in shown


def test_the_page_on_configuration_has_the_table_of_options():
    page = (ROOT / "docs" / "configuration.md").read_text()
    assert config.table() in page, "put into docs/configuration.md what this prints:\n" + config.table()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DOCKBOARD_SERVER_WORKER", "DOCKBOARD_SERVER_WORKERS"),
        ("DOCKBOARD_GC_LEASES", "DOCKBOARD_GC_LEASE"),
        ("DOCKBOARD_AUTH_ANONYMUS", "DOCKBOARD_AUTH_ANONYMOUS"),
    ],
)
def test_an_unknown_name_in_the_environment_is_refused(name, meant):
    words = refusal(environ={name: "1"})
    assert name in words
    assert f"did you mean {meant}?" in words


def test_names_of_tests_and_of_others_are_left_alone():
    config.load({}, {"DOCKBOARD_TESTS_REQUIRED": "1", "DOCKBOARD_PYZ": "/x", "DOCKBOARDS": "1", "SERVER_LISTEN": "x"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[server]\nworker = 1", "no key server.worker; did you mean server.workers?"),
        ("[sever]\nworkers = 1", "no section [sever]; did you mean server?"),
        ("workers = 1", "no section [workers]"),
        ("server = 1", "server must be a section, written [server]"),
        ("[server]\nworkers = true", "server.workers must be a whole number from 0 to 256, not true"),
        ('[server]\nworkers = "2"', 'server.workers must be a whole number from 0 to 256, not "2"'),
        ("[server]\nworkers = 1.0", "server.workers must be a whole number"),
        ("[server]\nworkers = 257", "from 0 to 256, not 257"),
        ("[server]\ndrain = nan", "server.drain must be a number"),
        ("[server]\ndrain = inf", "server.drain must be a number"),
        ("[server]\nidle_timeout = 0", "server.idle_timeout must be a number from 1"),
        ("[server]\nlisten = 5000", "server.listen must be text in quotes, not 5000"),
        ("[server]\ntrusted_proxies = '10.0.0.0/8'", "server.trusted_proxies must be a list"),
        ("[server]\ntrusted_proxies = ['10.0.0.1/8']", "has host bits set"),
        ("[server]\ntrusted_proxies = [1]", "server.trusted_proxies must be a list"),
        ("[storage]\nroot = ''", "storage.root must name a directory"),
        ('[storage]\nroot = "a\\u0000b"', "storage.root must not hold control characters"),
        (
            "[storage]\nreserve = -2",
            (
                "storage.reserve must be a whole number of -1 or more (bytes), or a size such as 500MiB, 10GiB or 10G,"
                " not -2"
            ),
        ),
        ("[log]\naccess = 'yes'", 'log.access must be true or false, not "yes"'),
        ("[log]\nlevel = 'loud'", 'log.level must be one of debug, info, warning, error, not "loud"'),
        ("[auth]\nanonymous = 'all'", "auth.anonymous must be one of (empty), none, pull, push"),
        ("[database]\nurl = 'mysql://u@h/'", "database.url must name user, host and database"),
        ("[database]\nurl = 'registry.db'", "database.url must be sqlite:FILE"),
        ("[database]\nurl = 'sqlite::memory:'", "database.url must be sqlite:FILE"),
        ("[server]\nexternal_url = 'https://h/a//b'", "server.external_url must be http:// or https://"),
        ("[server]\nexternal_url = 'ftp://h'", "server.external_url must be http:// or https://"),
        ("[server]\nexternal_url = 'https://h:99999'", "server.external_url must be http:// or https://"),
        ("[server\n", "this is not TOML"),
        ("[server]\nworkers = 1\nworkers = 2", "this is not TOML"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_the_key(tmp_path, text, words):
    options = file_with(tmp_path, text)
    said = refusal(options)
    assert words in said
    assert options["config"] in said


def test_all_that_is_wrong_is_said_at_once(tmp_path):
    options = {**file_with(tmp_path, "[server]\nworkers = -1\nnothing = 2\n"), "storage.root": ""}
    said = refusal(options, {"DOCKBOARD_GC_GRACE": "an hour", "DOCKBOARD_X": "1"}).splitlines()
    assert len(said) == 5
    assert said[0].startswith(f"file {options['config']}: ")
    assert sum(line.startswith("environment DOCKBOARD_") for line in said) == 2
    assert sum(line.startswith("flag: storage.root") for line in said) == 1


def test_a_missing_or_unreadable_file_is_named(tmp_path):
    assert f"{tmp_path}/none.toml: No such file" in refusal({"config": f"{tmp_path}/none.toml"})
    assert "Is a directory" in refusal({"config": str(tmp_path)})
    (tmp_path / "latin.toml").write_bytes(b"# \xe4\n")
    assert "this is not TOML" in refusal({"config": f"{tmp_path}/latin.toml"})


@pytest.mark.parametrize(
    "address", ["127.0.0.1:5000", "127.9.9.9:0", "localhost:5000", "[::1]:65535", "[::ffff:127.0.0.1]:1"]
)
def test_loopback_needs_no_account(address):
    assert not config.load({"server.listen": address}, {}).needs_account


@pytest.mark.parametrize(
    "address", ["0.0.0.0:5000", "[::]:5000", "192.0.2.1:80", "registry.example:443", "[::ffff:192.0.2.1]:1"]
)
def test_any_other_address_needs_an_account_unless_everyone_has_a_right(address):
    for anonymous, needed in (("", True), ("none", True), ("pull", False), ("push", False)):
        found = config.load({"server.listen": address}, {"DOCKBOARD_AUTH_ANONYMOUS": anonymous})
        assert (found.auth.anonymous, found.needs_account) == (anonymous, needed)


@pytest.mark.parametrize(
    "address",
    ["", "5000", ":5000", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:٣", "::1:5000",
     "[127.0.0.1]:1", "[::1]",
     "a b:1", "a\n:1", "http://a:1", "-a:1", "127.0.0.1:5000:1", "[::1]:000001"],
)  # fmt: skip
def test_what_is_not_an_address_is_refused(address):
    assert "server.listen must" in refusal({"server.listen": address})


@given(st.text(max_size=30))
def test_any_text_as_an_address_is_taken_or_refused_in_words(text):
    try:
        host, port = kinds.split_address(text)
    except ValueError as error:
        assert str(error).startswith("must be HOST:PORT")
    else:
        assert 0 <= port <= 65535
        assert re.fullmatch(r"[0-9A-Za-z.:%-]+", host)


def test_metrics_may_be_off_the_server_not():
    assert config.load({}, {"DOCKBOARD_METRICS_LISTEN": ""}).metrics.listen == ""
    assert "server.listen must be HOST:PORT" in refusal(environ={"DOCKBOARD_SERVER_LISTEN": ""})


def test_tls_needs_certificate_and_key_and_a_private_key(tmp_path):
    certificate, key = tmp_path / "tls.crt", tmp_path / "tls.key"
    certificate.write_text("x")
    key.write_text("x")
    key.chmod(0o600)
    only_certificate = {"DOCKBOARD_SERVER_TLS_CERTIFICATE": str(certificate)}
    only_key = {"DOCKBOARD_SERVER_TLS_KEY": str(key)}
    assert "server.tls_certificate is set without server.tls_key" in refusal(environ=only_certificate)
    assert "server.tls_key is set without server.tls_certificate" in refusal(environ=only_key)
    assert config.load({}, only_certificate | only_key).scheme == "https"
    for mode in (0o640, 0o604, 0o620):
        key.chmod(mode)
        assert f"run: chmod 600 {key}" in refusal(environ=only_certificate | only_key)
    key.unlink()
    assert f"server.tls_key: can't read {key}: No such file" in refusal(environ=only_certificate | only_key)


def test_reload_reads_the_file_again(tmp_path):
    options = file_with(tmp_path, "[log]\nlevel = 'info'\n")
    found = config.load(options, {"DOCKBOARD_GC_GRACE": "7"})
    file_with(tmp_path, "[log]\nlevel = 'debug'\n")
    assert found.reload().log.level == "debug"
    assert found.reload().gc.grace == 7
    file_with(tmp_path, "[log]\nlevel = 'deafening'\n")
    with pytest.raises(ConfigError):
        found.reload()


def test_a_database_elsewhere_is_found_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = config.load({}, {"DOCKBOARD_DATABASE_URL": "sqlite:fast/my.db", "DOCKBOARD_STORAGE_ROOT": "data"})
    assert found.database_place == tmp_path / "fast/my.db"
    assert found.storage.root == tmp_path / "data"
    assert os.listdir(tmp_path) == []
