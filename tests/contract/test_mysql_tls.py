"""TLS to the database: verified or refused, never half."""

import asyncio
import contextlib
import time

import pytest

from dockboard_registry.config import database_place
from dockboard_registry.db import DatabaseFailed
from dockboard_registry.db.mysql.database import MySQLDatabase
from tests.protocol.certificates import make_certificate
from tests.support import mariadb

CIPHER = "SHOW STATUS LIKE 'Ssl_cipher'"


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificates")
    return {name: make_certificate(directory, name) for name in ("server", "stranger")}


@pytest.fixture(scope="module")
def server(certificates, tmp_path_factory):
    certificate, key = certificates["server"]
    with mariadb.MariaDB(
        tmp_path_factory.mktemp("mariadb"), f"--ssl-cert={certificate}", f"--ssl-key={key}"
    ) as started:
        started.make("registry")
        yield started


def cipher(url: str) -> str:
    with contextlib.closing(MySQLDatabase(database_place(url))) as database:
        return asyncio.run(database.read(lambda tx: tx.one(CIPHER)))[1]


def test_a_certificate_that_is_trusted(server, certificates):
    assert cipher(f"{server.url('registry')}?ca={certificates['server'][0]}")


@pytest.mark.parametrize("query", ["?tls=verify", "?ca=stranger"])
def test_a_certificate_that_is_not_trusted_is_refused_at_once(server, certificates, query):
    url = server.url("registry") + query.replace("stranger", str(certificates["stranger"][0]))
    begun = time.monotonic()
    with pytest.raises(DatabaseFailed, match="(?i)certificate"):
        cipher(url)
    assert time.monotonic() - begun < 5


def test_a_certificate_of_another_host_is_refused(server, certificates):
    url = server.url("registry").replace("127.0.0.1", "localhost")
    with pytest.raises(DatabaseFailed, match="(?i)certificate"):
        cipher(f"{url}?ca={certificates['server'][0]}")


def test_a_server_without_tls_is_refused_where_it_is_wanted(certificates):
    plain = mariadb.shared()
    with pytest.raises(DatabaseFailed, match="(?i)ssl|tls"):
        cipher(f"{plain.url(plain.make())}?ca={certificates['server'][0]}")


def test_without_tls_and_over_a_socket(server):
    assert cipher(f"{server.url('registry')}?tls=off") == ""
    assert cipher(f"{server.url('registry')}?socket={server.socket}") == ""


def test_a_file_of_certificates_that_holds_none(server, tmp_path):
    (tmp_path / "ca.pem").write_text("nothing")
    with pytest.raises(DatabaseFailed, match="ca.pem"):
        cipher(f"{server.url('registry')}?ca={tmp_path / 'ca.pem'}")
