"""Checks of options that belong together, and of the files that they name."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from . import kinds
from .database_url import MySQLUrl
from .options import MailConfig, ServerConfig, StorageConfig


def problems(server: ServerConfig, mail: MailConfig, storage: StorageConfig, database: Path | MySQLUrl) -> list[str]:
    """A sentence for each problem, which names the key."""
    return [*_tls_problems(server), *_mail_problems(mail), *_storage_problems(storage), *_database_problems(database)]


def storage_problems(storage: StorageConfig) -> list[str]:
    """The same for the section `storage` alone."""
    return list(_storage_problems(storage))


def _tls_problems(server: ServerConfig) -> Iterator[str]:
    if bool(server.tls_certificate) != bool(server.tls_key):
        given, other = ("tls_certificate", "tls_key") if server.tls_certificate else ("tls_key", "tls_certificate")
        yield f"server.{given} is set without server.{other}: TLS needs both"
        return
    for key, name in (("tls_certificate", server.tls_certificate), ("tls_key", server.tls_key)):
        if name:
            yield from _file_problems(f"server.{key}", name, secret=key == "tls_key")


def _mail_problems(mail: MailConfig) -> Iterator[str]:
    if not mail.host:
        return
    if not mail.sender:
        yield "mail.host is set without mail.sender: say which address mails are from"
    if bool(mail.user) != bool(mail.password_file):
        yield "mail.user and mail.password_file need each other: set both, or neither"
    if mail.password_file:
        yield from _file_problems("mail.password_file", mail.password_file, secret=True)
    if mail.user and mail.tls == "none" and not kinds.is_loopback(mail.host):
        yield (
            'mail.tls is "none": the password of mail.user would go over the network for all to read; use starttls'
            " or tls"
        )


def _storage_problems(storage: StorageConfig) -> Iterator[str]:
    if storage.url is None:
        return
    if storage.credentials_file:
        if storage.access_key or storage.secret_key or storage.session_token:
            yield "storage.credentials_file is set beside storage.access_key: leave out one of them"
        yield from _file_problems("storage.credentials_file", storage.credentials_file, secret=True)
    elif not storage.access_key or not storage.secret_key:
        yield (
            "storage.url needs storage.access_key and storage.secret_key, or storage.credentials_file: put the secret"
            " into the environment (DOCKBOARD_STORAGE_SECRET_KEY) or into that file"
        )
    if storage.url.kind == "kodo" and storage.session_token:
        yield "storage.session_token is set, and Kodo takes none: leave it out"
    if storage.url.ca:
        yield from _file_problems("storage.url, ca", storage.url.ca, secret=False)


def _database_problems(place: Path | MySQLUrl) -> Iterator[str]:
    if isinstance(place, MySQLUrl):
        for option, name in (("ca", place.ca), ("password_file", place.password_file)):
            if name:
                yield from _file_problems(f"database.url, {option}", name, secret=option == "password_file")


def _file_problems(key: str, name: str, secret: bool) -> Iterator[str]:
    try:
        with open(name, "rb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
    except OSError as error:
        yield f"{key}: can't read {name}: {error.strerror}"
        return
    if secret and mode & 0o077:
        yield f"{key}: others may use {name} (mode {mode:04o}); run: chmod 600 {name}"
