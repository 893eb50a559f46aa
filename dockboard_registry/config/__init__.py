"""The configuration is loaded and shown here; options.py declares every option.

The environment overrules the file (TOML), and flags overrule the environment. One rule makes all names:
`server.workers` is `workers` in the file's section [server], and DOCKBOARD_SERVER_WORKERS in the environment. An
unknown name is an error.
"""

import os
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import Field, dataclass, field, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

from . import checks, kinds
from .database_url import MySQLUrl, parse_mysql
from .options import (
    MOST_WORKERS,
    AuthConfig,
    DatabaseConfig,
    GcConfig,
    LogConfig,
    MailConfig,
    MetricsConfig,
    ServerConfig,
    StorageConfig,
)

PREFIX = "DOCKBOARD_"
# Names for the project's own tests. They may stand in the environment of a server that the tests start.
IGNORED = ("DOCKBOARD_TESTS_", "DOCKBOARD_PYZ")


class ConfigError(Exception):
    """The configuration can't be used. `problems` are sentences; each names the key and where it was found."""

    def __init__(self, *problems: str):
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class Config:
    """The whole configuration. `sources` says where the value of each key comes from."""

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
        """The absolute path of the SQLite file, or the place of the MySQL database."""
        return database_place(self.database.url) or self.storage.root / "registry.db"

    @property
    def database_reserve(self) -> int:
        """storage.reserve for the disk of an SQLite file.

        The value that was set counts only if the store is on the same disk. Otherwise the default counts.
        """
        reserve, place = self.storage.reserve, self.database_place
        if reserve > 0 and isinstance(place, Path) and place.parent != self.storage.root:
            return -1
        return reserve

    @property
    def needs_account(self) -> bool:
        """Whether nobody could do anything without an account: others reach the server, and nobody may pull or push
        without one.
        """
        return self.auth.anonymous in ("", "none") and not kinds.is_loopback(kinds.split_address(self.server.listen)[0])

    @property
    def scheme(self) -> str:
        return "https" if self.server.tls_certificate else "http"

    def reload(self) -> "Config":
        """The configuration as its file says now. Raises ConfigError."""
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
        """As the file would have it."""
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
    """What a valid value of database.url names: an SQLite file (its absolute path) or a MySQL database.

    None if it is empty.
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
    """The configuration from flags, environment and file. Nothing is created or changed.

    `options` are flags by key (`server.listen`), and `config`, the name of the file. Raises ConfigError with all that
    is wrong.
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
    if found := checks.problems(config.server, config.mail, config.storage, config.database_place):
        raise ConfigError(*found)
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
    """(source, key, value) of all that was set.

    A later one overrules an earlier one. A value that is a function converts text.
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
    """(name, key) of the names in the environment that are options."""
    known = {option.environment: key for key, option in OPTIONS.items()}
    ours = [name for name in sorted(environ) if name.startswith(PREFIX) and not name.startswith(IGNORED)]
    for name in ours:
        if name not in known:
            problems.append(f"environment {name}: there is no such setting{_nearest(name, known)}")
    return [(name, known[name]) for name in ours if name in known]


def _nearest(word: str, known: Mapping[str, Any]) -> str:
    found = get_close_matches(word, known, n=1, cutoff=0)
    return f"; did you mean {found[0]}?" if found else ""


class Setting(NamedTuple):
    """One option in effect. value: as the file would have it, without secrets. source: default, or where it was set."""

    key: str
    value: str
    source: str
    default: str
    help: str


def settings(config: Config) -> list[Setting]:
    """All options with their values, in the order of the sections."""
    return [
        Setting(
            item.key,
            item.kind.toml(getattr(getattr(config, item.section), item.field.name)),
            config.sources.get(item.key, "default"),
            item.default,
            item.help,
        )
        for item in OPTIONS.values()
    ]


def show(config: Config) -> str:
    """The whole configuration as TOML, each key with its help and where its value comes from."""
    lines: list[str] = []
    for setting in settings(config):
        section, _, name = setting.key.partition(".")
        if f"[{section}]" not in lines:
            lines += [*([""] if lines else []), f"[{section}]"]
        lines += [f"# {setting.help}", f"{name} = {setting.value}  # {setting.source}"]
    return "\n".join([*lines, ""])


def table() -> str:
    """The options as the table of docs/configuration.md."""
    lines = ["| key | default | what it is |", "|---|---|---|"]
    lines += [f"| `{item.key}` | `{item.default}` | {item.help} |" for item in OPTIONS.values()]
    return "\n".join(lines)
