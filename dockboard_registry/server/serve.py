"""`serve`: take the data directory, bind, prepare, say where the server is, supervise the workers."""

import contextlib
import fcntl
import logging
import os
import resource
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from .. import __version__, startup
from ..config import Config
from ..config.kinds import split_address
from ..errors import StartError
from ..ownership import verify
from ..private_files import make_directory, open_own
from ..wording import counted
from . import logs, tls
from .listen import bind, listen
from .log_writer import LogWriter
from .supervisor import Supervisor

log = logging.getLogger("server")

# Seconds. The workers of a killed supervisor end at once, and with them their hold on the data directory.
LOCK_SECONDS = 5.0
# Seconds. At its end the server waits so long for the log's reader.
LOG_SECONDS = 1.0

BANNER = """\
Dockboard Registry {version}
Listening on {url}
{pages}Data in {place}
Try it:
    docker pull hello-world
    docker tag hello-world {host}/hello-world
{login}    docker push {host}/hello-world
"""
LOGIN = "    docker login {host}\n"
PAGES = "Pages at {url}/\n"
SETUP = "Pages at {url}/ (make the first account at {url}/setup)\n"

FIRST_ACCOUNT = """\
Others reach this address, so there is an account now, an administrator of the registry:
    name      admin
    password  {password}
The password is shown this once. Another one: registry.pyz user passwd admin
"""

FIRST_ACCOUNT_UNTOLD = """\
There is an account admin, an administrator, whose password an earlier start made and could not show.
Set one with the same configuration: registry.pyz user passwd admin
"""


def serve(config: Config) -> int:
    """Serve until told to stop, and return the exit status. Raises StartError."""
    writer = logs.writer(config.log)
    logs.configure(config.log, writer)
    try:
        return _serve(config, writer)
    finally:
        writer.settle(LOG_SECONDS)


def _serve(config: Config, writer: LogWriter) -> int:
    raise_descriptor_limit()
    verify(config)
    # A data directory with a MySQL database is shared by several nodes. One with SQLite belongs to one server.
    with (
        contextlib.nullcontext() if startup.is_shared(config) else data_lock(config.storage.root),
        startup.database_in_use(config),
    ):
        tls.context(config.server)
        listeners = bind("server.listen", config.server.listen)
        metrics = bind("metrics.listen", config.metrics.listen) if config.metrics.listen else []
        startup.prepare(config)
        store_id = startup.store_id(config)
        if config.needs_account:
            tell_first_password(config)
        for warning in startup.warnings(config):
            log.warning("database: %s", warning)
        listen("server.listen", config.server.listen, listeners)
        listen("metrics.listen", config.metrics.listen, metrics)
        supervisor = Supervisor(config, listeners, metrics, writer, store_id)
        supervisor.hold_signals()
        announce(config, listeners[0])
        return supervisor.run()


def raise_descriptor_limit() -> None:
    """Allow as many open files as the system lets this user have.

    A pull takes two, and the usual soft limit is 1024.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


@contextlib.contextmanager
def data_lock(root: Path) -> Iterator[None]:
    """Hold the data directory for this server alone. It is made if it is missing.

    The lock is the kernel's. It belongs to all processes of the server and ends with the last of them, however that
    ends.
    """
    try:
        make_directory(root)
        handle = open_own(root / ".lock")
    except OSError as error:
        raise StartError(f"can't use the data directory {root} (storage.root): {error.strerror}") from None
    with os.fdopen(handle, "r+b", buffering=0) as file:
        _lock(file.fileno(), root)
        _require_lock_file(file.fileno(), root)
        file.truncate(0)
        os.pwrite(file.fileno(), str(os.getpid()).encode(), 0)
        yield


def _require_lock_file(handle: int, root: Path) -> None:
    """Write only to a file that is empty or has the number of a process."""
    held = os.pread(handle, 40, 0)
    if held and not held.isdigit():
        raise StartError(
            f"{root / '.lock'} is not a file of the registry: it holds more than the number of a process. Move it away"
        )


def _lock(handle: int, root: Path) -> None:
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            pid = os.pread(handle, 20, 0).decode(errors="replace")
        except OSError as error:
            raise StartError(f"the file system of {root} (storage.root) has no locks: {error.strerror}") from None
        if _runs(pid) or time.monotonic() > deadline:
            raise StartError(
                f"another registry (process {pid or 'unknown'}) serves the data in {root}: stop it, or use another"
                " directory with --data DIR"
            )
        time.sleep(0.02)


def _runs(pid: str) -> bool:
    """Whether a process with this id exists, as far as can be known."""
    if not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except OSError:
        pass
    return True


def tell_first_password(config: Config) -> None:
    """Print it on standard output, where no log line ever goes. It counts as told only if it could be printed."""
    password = startup.first_password(config)
    if password is None:
        return
    text = FIRST_ACCOUNT.format(password=password) if password else FIRST_ACCOUNT_UNTOLD
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except OSError:
        log.warning(
            "standard output takes nothing: set the password of the account admin with registry.pyz user passwd admin"
        )
        return
    if password:
        startup.first_password_told(config)


def announce(config: Config, listener: socket.socket) -> None:
    """Print where the server is and what to try. It goes on if nobody reads this."""
    host, port = split_address(config.server.listen)
    port = listener.getsockname()[1]
    url = f"{config.scheme}://{'[' + host + ']' if ':' in host else host}:{port}"
    reached = _docker_host(config, url, port)
    login = LOGIN.format(host=reached) if startup.has_accounts(config) and config.auth.anonymous != "push" else ""
    pages = _pages(config, reached, port) if "ui" in config.server.apis else ""
    place = startup.store_place(config)
    text = BANNER.format(version=__version__, url=url, pages=pages, place=place, host=reached, login=login)
    with contextlib.suppress(OSError):
        sys.stdout.write(text)
        sys.stdout.flush()
    log.info("listening on %s with %s", url, counted(config.workers, "worker"))


def _pages(config: Config, reached: str, port: int) -> str:
    """The line that says where the pages are. The first account is made on this machine."""
    if not config.auth.anonymous and not startup.has_accounts(config):
        return SETUP.format(url=f"{config.scheme}://localhost:{port}")
    return PAGES.format(url=config.server.external_url or f"{config.scheme}://{reached}")


def _docker_host(config: Config, url: str, port: int) -> str:
    """What stands before the name of an image."""
    here = urlsplit(url).hostname in ("127.0.0.1", "localhost", "0.0.0.0", "::", "::1")
    if config.server.external_url:
        return urlsplit(config.server.external_url).netloc
    return f"localhost:{port}" if here else urlsplit(url).netloc
