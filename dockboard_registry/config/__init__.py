"""The configuration: every option is declared once, here, with its kind, default and help.

The file (TOML) is overruled by the environment, and that by flags. One rule names all keys: `server.workers` in words
is `workers` in the file's section [server], and DOCKBOARD_SERVER_WORKERS in the environment. What is not known is an
error.
"""

import json
import os
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from . import kinds
from .database_url import MySQLUrl, parse_mysql

PREFIX = "DOCKBOARD_"
# Names for the project's own tests, which may stand in the environment of a server that they start.
IGNORED = ("DOCKBOARD_TESTS_", "DOCKBOARD_PYZ")
MOST_WORKERS = 8


class ConfigError(Exception):
    """The configuration can't be used; `problems` are sentences that name where each was found, and the key."""

    def __init__(self, *problems: str):
        super().__init__("\n".join(problems))
        self.problems = problems


def option(default: Any, kind: Any, help: str) -> Any:
    """One option of a section; `default` is written as in the file, `help` reads on from "KEY: "."""
    return field(default=kind.check(default), metadata={"kind": kind, "help": help, "default": json.dumps(default)})


@dataclass(frozen=True)
class ServerConfig:
    listen: str = option("127.0.0.1:5000", kinds.Listen(), "address and port to serve on; port 0 takes a free one")
    workers: int = option(0, kinds.Number(0, 256), f"worker processes; 0 = one per core, at most {MOST_WORKERS}")
    external_url: str = option(
        "",
        kinds.BaseUrl(),
        "URL by which clients reach the registry; the address where they log in begins with it. Empty = the name that"
        " the client asked for",
    )
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = option(
        [],
        kinds.Networks(),
        "proxies (addresses or networks) whose X-Forwarded-For, Forwarded and X-Request-Id are believed",
    )
    tls_certificate: str = option("", kinds.Text(), "PEM file with the certificate and its chain; serves https")
    tls_key: str = option("", kinds.Text(), "PEM file with the certificate's key, readable by its owner only")
    drain: float = option(60, kinds.seconds(), "seconds that running requests get to finish when the server stops")
    header_timeout: float = option(10, kinds.seconds(1), "seconds that a client may take to send a request's header")
    idle_timeout: float = option(75, kinds.seconds(1), "seconds that a connection may stay open between requests")
    body_timeout: float = option(60, kinds.seconds(1), "seconds in which at least 1 KiB/s of a body has to arrive")
    fast_paths: bool = option(
        True,
        kinds.Switch(),
        "plain requests and large bodies go the short ways; false = Tornado reads and writes everything",
    )
    open_uploads: int = option(
        10000, kinds.Number(1), "upload sessions that may be open at once; each client may have a share of them"
    )


@dataclass(frozen=True)
class DatabaseConfig:
    url: str = option(
        "",
        kinds.DatabaseUrl(),
        "sqlite:FILE or mysql://USER:PASSWORD@HOST:PORT/NAME; empty = registry.db in storage.root",
    )
    connections: int = option(8, kinds.Number(4, 256), "connections to MySQL that one worker may have")
    small_blobs: int = option(
        32768,
        kinds.Size(0, 32768),
        "blobs of at most so many bytes are kept in the database, longer ones in files; 0 = all in files",
    )


@dataclass(frozen=True)
class StorageConfig:
    root: Path = option("./registry-data", kinds.Directory(), "data directory")
    reserve: int = option(
        -1,
        kinds.Size(-1),
        "bytes of the disk that pushes and other growing changes leave free; -1 = 5 % of the disk, at most 1 GiB",
    )


@dataclass(frozen=True)
class AuthConfig:
    anonymous: str = option(
        "",
        kinds.Choice(("", "none", "pull", "push")),
        "what everyone may do: none, pull or push; empty = all from this machine until there is an account, and nothing"
        " otherwise. Where others reach server.listen, the first start with none or nothing makes the account admin and"
        " prints its password once",
    )
    organizations: str = option(
        "administrators",
        kinds.Choice(("administrators", "users")),
        "who may make organizations by the API: administrators, or all users",
    )
    quarantine: float = option(
        2592000, kinds.seconds(), "seconds until the name of a deleted user or organization is free again"
    )
    quota_repositories: int = option(
        0,
        kinds.Number(0),
        "repositories that a user's or an organization's namespace may have where nothing else was set; 0 = no limit",
    )
    quota_bytes: int = option(0, kinds.Size(0), "bytes that such a namespace may hold; 0 = no limit")
    registration: str = option(
        "off",
        kinds.Choice(("off", "open", "approval", "invitation")),
        "who may make an account: nobody but administrators, everyone, everyone whom an administrator then approves, or"
        " who has an invitation",
    )

    key_rotation: float = option(
        7776000,
        kinds.seconds(),
        "seconds after which /token signs with a new key; tokens of the key before the previous one end then. 0 = only"
        " by command",
    )
    audit_days: int = option(0, kinds.days(), "days that the list of changes (audit) goes back; 0 = for ever")


@dataclass(frozen=True)
class MailConfig:
    host: str = option(
        "", kinds.Text(), "server that takes mail, for people who forgot their password; empty = no mail is sent"
    )
    port: int = option(587, kinds.Number(1, 65535), "its port")
    tls: str = option(
        "starttls",
        kinds.Choice(("starttls", "tls", "none")),
        "starttls, tls from the first byte, or none; the server's certificate is verified",
    )
    user: str = option("", kinds.Text(), "name to log in with; empty = without logging in")
    password_file: str = option("", kinds.Text(), "file with the password for it, readable by its owner only")
    sender: str = option("", kinds.MailAddress(), "e-mail address that mails are from")


@dataclass(frozen=True)
class GcConfig:
    interval: float = option(
        3600, kinds.seconds(), "seconds between rounds of collecting garbage; 0 = never on its own"
    )
    grace: float = option(3600, kinds.seconds(), "seconds between giving up a blob and removing its bytes")
    lease: float = option(86400, kinds.seconds(), "seconds that a repository keeps a blob that no manifest refers to")
    upload_expiry: float = option(
        86400, kinds.seconds(), "seconds after which an upload that does not go on is dropped"
    )
    empty_upload_expiry: float = option(
        600, kinds.seconds(), "seconds after which an upload without any bytes is dropped"
    )


@dataclass(frozen=True)
class LogConfig:
    level: str = option("info", kinds.Choice(("debug", "info", "warning", "error")), "debug, info, warning or error")
    format: str = option("text", kinds.Choice(("text", "json")), "text, or json: one object a line")
    access: bool = option(True, kinds.Switch(), "one line for each request")


@dataclass(frozen=True)
class MetricsConfig:
    listen: str = option("", kinds.Listen(may_be_off=True), "address and port for Prometheus; empty = off")


@dataclass(frozen=True)
class Config:
    """The whole configuration. `sources` tells for each key where its value comes from."""

    server: ServerConfig = ServerConfig()
    database: DatabaseConfig = DatabaseConfig()
    storage: StorageConfig = StorageConfig()
    auth: AuthConfig = AuthConfig()
    mail: MailConfig = MailConfig()
    gc: GcConfig = GcConfig()
    log: LogConfig = LogConfig()
    metrics: MetricsConfig = MetricsConfig()
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    options: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)
    environ: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    @property
    def workers(self) -> int:
        """How many worker processes to run."""
        return self.server.workers or min(MOST_WORKERS, cores())

    @property
    def database_place(self) -> Path | MySQLUrl:
        """The SQLite file, absolute, or where the MySQL database is."""
        return database_place(self.database.url) or self.storage.root / "registry.db"

    @property
    def database_reserve(self) -> int:
        """storage.reserve for the disk of an SQLite file: as it is set where that is the store's disk too, else the
        default, or none.
        """
        reserve, place = self.storage.reserve, self.database_place
        if reserve > 0 and isinstance(place, Path) and place.parent != self.storage.root:
            return -1
        return reserve

    @property
    def needs_account(self) -> bool:
        """Whether nobody could do anything without an account: others reach the server, and not everyone may pull or
        push.
        """
        return self.auth.anonymous in ("", "none") and not kinds.is_loopback(kinds.split_address(self.server.listen)[0])

    @property
    def scheme(self) -> str:
        return "https" if self.server.tls_certificate else "http"

    def reload(self) -> "Config":
        """The configuration as its file says now; raises ConfigError."""
        return load(self.options, self.environ)


@dataclass(frozen=True)
class Option:
    """One row of the table of options."""

    section: str
    field: Field

    @property
    def key(self) -> str:
        return f"{self.section}.{self.field.name}"

    @property
    def environment(self) -> str:
        return PREFIX + self.key.replace(".", "_").upper()

    @property
    def kind(self) -> Any:
        return self.field.metadata["kind"]

    @property
    def help(self) -> str:
        return self.field.metadata["help"]

    @property
    def default(self) -> str:
        """As the file would say it."""
        return self.field.metadata["default"]


SECTIONS = {
    section.name: section.type for section in fields(Config) if section.name not in ("sources", "options", "environ")
}
OPTIONS = {
    option.key: option
    for name, section in SECTIONS.items()
    for option in (Option(name, item) for item in fields(section))
}


def database_place(url: str) -> Path | MySQLUrl | None:
    """What a right value of database.url names: an SQLite file, absolute, or a MySQL
    database; None where it is empty.
    """
    scheme, _, rest = url.partition(":")
    if scheme == "mysql":
        return parse_mysql(url, kinds.is_loopback)
    return Path(rest).absolute() if rest else None


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def load(options: Mapping[str, str], environ: Mapping[str, str] | None = None) -> Config:
    """The configuration from flags, environment and file; raises ConfigError with all that is wrong.

    `options` are flags by key (`server.listen`), and `config`, the name of the file. Nothing is created or changed.
    """
    environ = dict(os.environ if environ is None else environ)
    problems: list[str] = []
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, key, value in _given(options, environ, problems):
        try:
            values[key] = OPTIONS[key].kind.check(value() if callable(value) else value)
            sources[key] = source
        except ValueError as error:
            problems.append(f"{source}: {key} {error}")
    if problems:
        raise ConfigError(*problems)
    config = Config(**_sections(values), sources=sources, options=dict(options), environ=environ)
    _check(config)
    return config


def _sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values by key -> sections by name."""
    return {
        name: section(**{key.partition(".")[2]: value for key, value in values.items() if key.startswith(name + ".")})
        for name, section in SECTIONS.items()
    }


def _given(
    options: Mapping[str, str], environ: Mapping[str, str], problems: list[str]
) -> Iterator[tuple[str, str, Any]]:
    """(source, key, value) of all that is set, what counts more coming later; a value in
    text is yet to be converted.
    """
    if options.get("config"):
        yield from _file_values(options["config"], problems)
    for name, key in _environment_keys(environ, problems):
        yield f"environment {name}", key, _later(key, environ[name])
    for key in OPTIONS:
        if options.get(key) is not None:
            yield "flag", key, _later(key, options[key])


def _later(key: str, text: str) -> Any:
    return lambda: OPTIONS[key].kind.of_text(text)


def _file_values(name: str, problems: list[str]) -> Iterator[tuple[str, str, Any]]:
    for section, content in _read(name).items():
        if section not in SECTIONS:
            problems.append(f"file {name}: there is no section [{section}]{_nearest(section, SECTIONS)}")
        elif not isinstance(content, dict):
            problems.append(f"file {name}: {section} must be a section, written [{section}]")
        else:
            for item, value in content.items():
                key = f"{section}.{item}"
                if key in OPTIONS:
                    yield f"file {name}", key, value
                else:
                    problems.append(f"file {name}: there is no key {key}{_nearest(key, OPTIONS)}")


def _read(name: str) -> dict[str, Any]:
    try:
        with open(name, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"can't read the configuration file {name}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"file {name}: this is not TOML: {error}") from None


def _environment_keys(environ: Mapping[str, str], problems: list[str]) -> list[tuple[str, str]]:
    """(name, key) of the names that are ours."""
    known = {option.environment: key for key, option in OPTIONS.items()}
    ours = [name for name in sorted(environ) if name.startswith(PREFIX) and not name.startswith(IGNORED)]
    for name in ours:
        if name not in known:
            problems.append(f"environment {name}: there is no such setting{_nearest(name, known)}")
    return [(name, known[name]) for name in ours if name in known]


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    found = get_close_matches(word, known, n=1, cutoff=0)
    return f"; did you mean {found[0]}?" if found else ""


def _check(config: Config) -> None:
    """What concerns several options, and the files that they name."""
    problems = [*_tls_problems(config.server), *_mail_problems(config.mail), *_database_problems(config.database_place)]
    if problems:
        raise ConfigError(*problems)


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


def show(config: Config) -> str:
    """The whole configuration as TOML, each key with its help and where its value comes from."""
    lines = []
    for name in SECTIONS:
        lines.append(f"[{name}]")
        for item in (item for item in OPTIONS.values() if item.section == name):
            value = getattr(getattr(config, name), item.field.name)
            lines.append(f"# {item.help}")
            lines.append(f"{item.field.name} = {item.kind.toml(value)}  # {config.sources.get(item.key, 'default')}")
        lines.append("")
    return "\n".join(lines)


def table() -> str:
    """The options as the table of docs/configuration.md."""
    lines = ["| key | default | what it is |", "|---|---|---|"]
    lines += [f"| `{item.key}` | `{item.default}` | {item.help} |" for item in OPTIONS.values()]
    return "\n".join(lines)
