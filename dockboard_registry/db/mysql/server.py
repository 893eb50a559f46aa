"""Warnings at the start about settings of a MySQL server that endanger what is stored."""

import pymysql

from ...config.database_url import MySQLUrl
from .. import DatabaseFailed
from .database import MySQLTx, connect, discard

# The largest manifest has 4 MiB, and twice that if every byte has to be escaped.
_PACKET = 16 << 20
_OLDEST = {"MariaDB": (10, 6), "MySQL": (8, 0)}


def warnings(url: MySQLUrl) -> list[str]:
    """Sentences about durability, packets, row logs and version. None if the server can't be asked."""
    try:
        connection = connect(url)
    except (pymysql.Error, DatabaseFailed) as error:
        return [f"the settings of the database server could not be read: {error}"]
    try:
        found = dict(MySQLTx(connection).all("SHOW VARIABLES"))
    finally:
        discard(connection)
    return [*_durability(found), *_limits(found), *_version(found)]


def _durability(found: dict[str, str]) -> list[str]:
    said = []
    if found.get("innodb_flush_log_at_trx_commit") != "1":
        said.append("innodb_flush_log_at_trx_commit is not 1: a power cut can lose pushes that were acknowledged")
    if found.get("log_bin") == "ON" and found.get("sync_binlog") != "1":
        said.append("sync_binlog is not 1: after a power cut replicas can have other content than this server")
    if found.get("innodb_doublewrite", "ON") in ("OFF", "0"):
        said.append("innodb_doublewrite is off: a power cut can damage pages of the database")
    return said


def _limits(found: dict[str, str]) -> list[str]:
    said = []
    if int(found.get("max_allowed_packet", _PACKET)) < _PACKET:
        said.append(f"max_allowed_packet is below {_PACKET}: large manifests can't be pushed")
    if found.get("log_bin") == "ON" and found.get("binlog_format") == "STATEMENT":
        said.append("binlog_format is STATEMENT, which can't log transactions at READ COMMITTED: set it to ROW")
    return said


def _version(found: dict[str, str]) -> list[str]:
    text = found.get("version", "")
    kind = "MariaDB" if "MariaDB" in text else "MySQL"
    numbers = tuple(int(part) for part in text.split("-")[0].split(".")[:2] if part.isdigit())
    if numbers and numbers < _OLDEST[kind]:
        return [f"this is {kind} {text}; the registry is tested with {'.'.join(map(str, _OLDEST[kind]))} and later"]
    return []
