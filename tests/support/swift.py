"""A real OpenStack Swift of four processes and memcached, in a temporary directory, with TempAuth."""

from __future__ import annotations

import atexit
import functools
import json
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from dockboard_registry.storage import stores
from tests.support import places
from tests.support.object_stores import options
from tests.support.server import free_port
from tests.support.tools import tool

# Four programs in Python start at once, beside all that a full test run does.
START_SECONDS = 180
USER, KEY = "test:tester", "testing"
# Another user of the account, who may do what the rights of a container say.
READER, READER_KEY = "test:reader", "reading"
_BACKENDS = ("account", "container", "object")

_SWIFT = """
[swift-hash]
swift_hash_path_prefix = tests
swift_hash_path_suffix = tests
[storage-policy:0]
name = gold
default = yes
"""
_PROXY = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl {sign_in} slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
node_timeout = 60
conn_timeout = 5
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:{memcached}
"""
_TEMPAUTH = """
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
user_test_reader = reading
storage_url_scheme = http
"""
_FILTERS = ("catch_errors", "gatekeeper", "healthcheck", "listing_formats", "bulk", "tempurl", "slo")
_BACKEND = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
swift_dir = {etc}
devices = {devices}
mount_check = false
disable_fallocate = true
recon_cache_path = {etc}
[pipeline:main]
pipeline = healthcheck {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
[filter:healthcheck]
use = egg:swift#healthcheck
"""
# What swift-ring-builder does with "create 4 1 0", "add" and "rebalance", for all rings in one process.
_RINGS = """
import json, sys
from swift.common.ring import RingBuilder

directory, ports = sys.argv[1], json.loads(sys.argv[2])
for kind, port in ports.items():
    builder = RingBuilder(4, 1, 0)
    device = {"region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1, "meta": ""}
    builder.add_dev({**device, "replication_ip": "127.0.0.1", "replication_port": port})
    builder.rebalance()
    builder.get_ring().save(f"{directory}/{kind}.ring.gz")
"""


class Swift:
    """One node. Its data are in a directory that takes extended attributes.

    program: one of those that are installed beside each other. sign_in: the filters by which users sign in, and what
    their sections say.
    """

    program = "swift-proxy-server"
    sign_in = "tempauth", _TEMPAUTH

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="dockboard-swift-", dir=places.MEMORY))
        atexit.register(shutil.rmtree, self.directory, ignore_errors=True)
        self._bin = tool(self.program).resolve().parent
        self.port, self._memcached = free_port(), free_port()
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def auth(self) -> str:
        return f"http://127.0.0.1:{self.port}/auth/v1.0"

    def start(self) -> Swift:
        self._configure()
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        command = [str(tool("memcached")), "-l", "127.0.0.1", "-p", str(self._memcached), "-U", "0", "-u", user]
        self._run(command)
        for kind in (*_BACKENDS, "proxy"):
            self._run([str(self._bin / f"swift-{kind}-server"), str(self._file(f"{kind}-server.conf"))])
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            ended = {process.args[0]: process.returncode for process in self._processes if process.poll() is not None}
            if ended or time.monotonic() > end:
                self.kill()
                log = self._file("log").read_text()[-4000:]
                raise AssertionError(f"Swift did not start within {START_SECONDS} s; ended: {ended}\n{log}")
            time.sleep(0.1)
        return self

    def _file(self, name: str) -> Path:
        return self.directory / name

    def _configure(self) -> None:
        devices = self._file("devices")
        (devices / "d1").mkdir(parents=True)
        user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
        about = {"user": user, "etc": self.directory, "devices": devices}
        self._file("swift.conf").write_text(_SWIFT)
        filters = "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in _FILTERS)
        names, sections = self.sign_in
        proxy = _PROXY.format(port=self.port, memcached=self._memcached, sign_in=names, **about)
        self._file("proxy-server.conf").write_text(proxy + filters + sections)
        ports = {kind: free_port() for kind in _BACKENDS}
        for kind, port in ports.items():
            self._file(f"{kind}-server.conf").write_text(_BACKEND.format(kind=kind, port=port, **about))
        command = [str(self._bin / "python"), "-c", _RINGS, str(self.directory), json.dumps(ports)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def _run(self, command: list[str], more: dict[str, str] | None = None) -> None:
        """Start a server. more: variables for its environment."""
        given = {**os.environ, **(more or {})}
        with open(self._file("log"), "ab") as log:
            made = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, env=given
            )
        self._processes.append(made)

    def _answers(self) -> bool:
        """Whether a container can be made: then every server answers."""
        try:
            request = urllib.request.Request(self.auth, headers={"X-Auth-User": USER, "X-Auth-Key": KEY})
            with urllib.request.urlopen(request, timeout=10) as answer:
                token, url = answer.headers["X-Auth-Token"], answer.headers["X-Storage-Url"]
            made = urllib.request.Request(f"{url}/ready", headers={"X-Auth-Token": token}, method="PUT")
            with urllib.request.urlopen(made, timeout=10):
                return True
        except OSError:
            return False

    def make(self) -> str:
        """Make an empty container; its name."""
        name = f"registry-{secrets.token_hex(6)}"
        settings = {**self.settings(name), "storage_redirect": "false"}
        stores.driver(options(settings)).requests().call("PUT", None)
        return name

    def settings(self, bucket: str, prefix: str = "", more: str = "") -> dict[str, object]:
        """The options of a registry that keeps its blobs there."""
        return {
            "storage_url": f"swift://{bucket}/{prefix}?auth={self.auth}{more}",
            "storage_access_key": USER,
            "storage_secret_key": KEY,
        }

    def let_read(self, container: str) -> None:
        """Let the other user read a container and list it."""
        asked = stores.driver(options({**self.settings(container), "storage_redirect": "false"})).requests()
        asked.call("POST", None, fields={"X-Container-Read": READER})

    def kill(self) -> None:
        """Each server is the first process of a group of its own, which workers belong to."""
        processes, self._processes = self._processes, []
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@functools.cache
def shared() -> Swift:
    """The one that all tests of a session share which do it no harm."""
    server = Swift()
    atexit.register(server.kill)
    return server.start()
