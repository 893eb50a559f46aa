"""The sections of the configuration. Every option is declared once, here, with its kind, default and help."""

import json
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Any

from . import kinds
from .store_url import StoreUrl

MOST_WORKERS = 8
APIS = ("v2", "v1", "api", "ui")


def option(default: Any, kind: Any, help: str) -> Any:
    """One option of a section. `default` is written as in the file. `help` goes on after "KEY: "."""
    return field(default=kind.check(default), metadata={"kind": kind, "help": help, "default": json.dumps(default)})


@dataclass(frozen=True)
class ServerConfig:
    listen: str = option("127.0.0.1:5000", kinds.Listen(), "address and port to serve on; port 0 takes a free one")
    workers: int = option(0, kinds.Number(0, 256), f"worker processes; 0 = one per core, at most {MOST_WORKERS}")
    external_url: str = option(
        "",
        kinds.BaseUrl(),
        "URL by which clients reach the registry; the address where they log in begins with it, and so do the links of"
        " pages. A path in it is one that a proxy removes. Empty = the name that the client asked for",
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
    apis: tuple[str, ...] = option(
        list(APIS),
        kinds.Several(APIS),
        "what is served: v2 = clients such as docker, v1 = search and old engines, api = /api/v1, ui = web pages",
    )
    readme_images: tuple[str, ...] = option(
        [],
        kinds.Hosts(),
        "hosts whose pictures READMEs show, by https, such as img.example.org or *.example.org; pictures of all other"
        " hosts are links",
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
    url: StoreUrl | None = option(
        "",
        kinds.ObjectStoreUrl(),
        "object store for the blobs: s3://BUCKET/PREFIX?endpoint=URL&region=NAME, swift://CONTAINER/PREFIX?auth=URL,"
        " oss://BUCKET/PREFIX?region=NAME, and the same with cos, bos or kodo; empty = files in storage.root",
    )
    access_key: str = option(
        "",
        kinds.Text(),
        "access key for the object store; the user, or the id of the application credential, for Swift",
    )
    secret_key: str = option("", kinds.Secret(), "its secret key; the key or password for Swift; not shown")
    session_token: str = option("", kinds.Secret(), "session token of temporary keys; not shown")
    credentials_file: str = option(
        "",
        kinds.Text(),
        "file with these three, as AWS writes it and readable by its owner only; it is read again when it changes",
    )
    redirect: bool = option(
        True, kinds.Switch(), "clients fetch blobs from the object store themselves; false = the bytes go through us"
    )
    no_redirect_networks: tuple[IPv4Network | IPv6Network, ...] = option(
        [], kinds.Networks(), "addresses and networks of clients that cannot reach the object store"
    )
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
    session_idle: float = option(
        28800, kinds.seconds(60), "seconds without a request after which somebody is signed out of the pages"
    )
    session_life: float = option(
        604800, kinds.seconds(60), "seconds after which one has to sign in to the pages again in any case"
    )


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
