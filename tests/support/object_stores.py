"""Object stores in temporary directories, on free ports of 127.0.0.1, ended by their pids: versitygw and MinIO."""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

from dockboard_registry import config
from dockboard_registry.outbound.client import Client
from dockboard_registry.storage import StorageFailed
from dockboard_registry.storage.objects.credentials import Credentials, FixedCredentials
from dockboard_registry.storage.objects.vendors.place import S3Place
from dockboard_registry.storage.objects.vendors.s3 import S3
from tests.support import places
from tests.support.server import free_port
from tests.support.tools import ended, tool

START_SECONDS, STOP_SECONDS = 60, 20
ACCESS_KEY, SECRET_KEY = "docker-registry", "secret/+key=for-tests"


class ObjectStore:
    """One server of S3; it may be killed, stopped and started again over the same data on the same port."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], directory: Path, port: int):
        self.name, self.port, self.directory = name, port, directory
        self._command, self._environment = command, environment
        self.log = directory / "log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> ObjectStore:
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self._environment},
            )
        end = time.monotonic() + START_SECONDS
        while not self._answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.kill()
                raise AssertionError(f"{self.name} did not start:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.02)
        return self

    def _answers(self) -> bool:
        try:
            self.bucket("no-such-bucket", Client(budget=0)).call("HEAD", None)
        except StorageFailed as error:
            return getattr(error, "status", 0) in (403, 404)
        return True

    def bucket(self, name: str, client: Client | None = None, prefix: str = "") -> S3:
        place = S3Place(name, prefix, self.endpoint, "us-east-1", "path", self.endpoint, "path")
        return S3(place, FixedCredentials(Credentials(ACCESS_KEY, SECRET_KEY)), client or Client())

    def make(self) -> str:
        """Make an empty bucket; its name."""
        name = f"registry-{secrets.token_hex(6)}"
        self.bucket(name).call("PUT", None)
        return name

    def settings(self, bucket: str, prefix: str = "", endpoint: str = "", more: str = "") -> dict[str, object]:
        """The options of a registry that keeps its blobs there. endpoint: that of a proxy before it."""
        return {
            "storage_url": f"s3://{bucket}/{prefix}?endpoint={endpoint or self.endpoint}{more}",
            "storage_access_key": ACCESS_KEY,
            "storage_secret_key": SECRET_KEY,
        }

    def add_user(self, access_key: str, secret_key: str) -> None:
        """One who may do nothing but what the policy of a bucket allows. versitygw with `users` has them."""
        command = [str(tool("versitygw")), "admin", "--access", ACCESS_KEY, "--secret", SECRET_KEY]
        command += ["--endpoint-url", self.endpoint, "create-user"]
        command += ["--access", access_key, "--secret", secret_key, "--role", "user"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def kill(self) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            process.kill()
            process.wait()

    def stop(self) -> None:
        if self.process is not None:
            process, self.process = self.process, None
            ended(process, STOP_SECONDS)


def at(url: str) -> S3:
    """The bucket that storage.url names, past the registry."""
    found = config.kinds.ObjectStoreUrl().check(url)
    return S3(S3Place.of_url(found), FixedCredentials(Credentials(ACCESS_KEY, SECRET_KEY)), Client())


def options(settings: dict[str, object]) -> config.options.StorageConfig:
    """The section `storage` with these settings."""
    environ = {f"DOCKBOARD_{name.upper()}": str(value) for name, value in settings.items()}
    return config.load({}, environ).storage


def versitygw(users: Path | None = None) -> ObjectStore:
    """users: a directory for users besides the one of the tests."""
    directory, port = _directory("versitygw"), free_port()
    data = directory / "data"
    data.mkdir()
    kept = ["--iam-dir", str(users)] if users else []
    command = [str(tool("versitygw")), "--port", f"127.0.0.1:{port}", *kept, "posix", str(data)]
    keys = {"ROOT_ACCESS_KEY": ACCESS_KEY, "ROOT_SECRET_KEY": SECRET_KEY}
    return ObjectStore("versitygw", command, keys, directory, port)


def minio() -> ObjectStore:
    directory, port = _directory("minio"), free_port()
    command = [str(tool("minio")), "server", "--quiet", "--address", f"127.0.0.1:{port}"]
    command += ["--console-address", f"127.0.0.1:{free_port()}", str(directory / "data")]
    keys = {"MINIO_ROOT_USER": ACCESS_KEY, "MINIO_ROOT_PASSWORD": SECRET_KEY, "MINIO_BROWSER": "off"}
    return ObjectStore("minio", command, keys, directory, port)


def _directory(name: str) -> Path:
    made = Path(tempfile.mkdtemp(prefix=f"dockboard-{name}-", dir=places.MEMORY))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


MAKERS = {"versitygw": versitygw, "minio": minio}


@functools.cache
def shared(name: str) -> ObjectStore:
    """The server that all tests of a session share which do it no harm."""
    server = MAKERS[name]()
    atexit.register(server.kill)
    return server.start()
