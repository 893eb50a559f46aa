"""The drivers of object stores that the suites run over (drivers.py), each with a server of its own or a double."""

import json
import os
import secrets
from pathlib import Path

from dockboard_registry.storage import Marker, stores
from dockboard_registry.storage.objects.storage import ObjectStorage, name_of
from tests.support import clouds, keystone, object_stores, swift
from tests.support.rounds import LONG

# What a driver has besides the contract. LOCKS: one writer holds an upload at a time, and its bytes are under their key
# before `commit`. KEEPS_OPEN: a source can be read after its key was deleted. PROCESSES: other processes reach the same
# store. FULL: it can have no room left. VANISHES: it can be taken away. LISTS_UPLOADS: `keys` has uploads under way.
LOCKS, KEEPS_OPEN, PROCESSES, FULL, VANISHES = "locks", "keeps open", "processes", "full", "vanishes"
LISTS_UPLOADS = "lists uploads"


class ObjectDriver:
    """Blobs in a bucket of the session's server. What it needs lies in the directory, for child processes."""

    traits: tuple[str, ...] = (PROCESSES, VANISHES)
    name = ""

    def __init__(self, directory: Path):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        noted = directory / "settings"
        if not noted.exists():
            server = self.server()
            noted.write_text(json.dumps(server.settings(server.make(), "a/registry")))
        self._driver = stores.driver(object_stores.options(json.loads(noted.read_text())))
        self.bucket = self._driver.requests()
        self._driver.prepare(Marker("the contract's store", 0))

    def server(self):
        return object_stores.shared(self.name)

    def open(self) -> ObjectStorage:
        return self._driver.open()

    def lose(self) -> None:
        """Take the bucket away."""
        for page in self.bucket.objects(""):
            self.bucket.delete([found.name for found in page])
        clouds.drop(self.bucket)

    def damage(self, key: str, data: bytes) -> None:
        self.bucket.put(name_of(key), data)

    def remove(self, key: str) -> None:
        self.bucket.delete([name_of(key)])


class VersitygwDriver(ObjectDriver):
    """The first of two unrelated servers of S3."""

    name = "versitygw"
    traits = (*ObjectDriver.traits, LISTS_UPLOADS)


class MinioDriver(ObjectDriver):
    """The second one. It lists uploads under way only by the whole name of their object."""

    name = "minio"


class SwiftDriver(ObjectDriver):
    """Parts of uploads are objects of their own there, and are listed."""

    name = "swift"
    traits = (*ObjectDriver.traits, LISTS_UPLOADS)

    def server(self):
        return swift.shared()


class KeystoneDriver(SwiftDriver):
    """Swift with Keystone, which the registry signs in to with a password."""

    name = "keystone"

    def server(self):
        return keystone.shared()


class ApplicationDriver(SwiftDriver):
    """The same, with an application credential."""

    name = "keystone-application"

    def server(self):
        return keystone.Application(keystone.shared())


class OSSDriver(ObjectDriver):
    """A double of Alibaba Cloud's store."""

    name = "oss"
    traits = (*ObjectDriver.traits, LISTS_UPLOADS)

    def server(self):
        return clouds.Cloud(self.name)


class COSDriver(OSSDriver):
    """A double of Tencent Cloud's store."""

    name = "cos"


class BOSDriver(OSSDriver):
    """A double of Baidu's store."""

    name = "bos"


class KodoDriver(OSSDriver):
    """A double of Qiniu's store, which does not list uploads."""

    name = "kodo"
    traits = ObjectDriver.traits


class GivenDriver(ObjectDriver):
    """A store that somebody names, such as the live service of a vendor: its storage.url and keys are in the
    environment. Each test writes below a prefix of its own, and what fails may leave something there.
    """

    name = "given"
    traits = (PROCESSES, LISTS_UPLOADS)

    def server(self):
        return self

    def make(self) -> str:
        return f"contract-{secrets.token_hex(6)}"

    def settings(self, prefix: str, more: str) -> dict[str, object]:
        place, _, query = os.environ[GIVEN].partition("?")
        keys = {
            key: os.environ[f"DOCKBOARD_TESTS_{key.upper()}"] for key in ("storage_access_key", "storage_secret_key")
        }
        return {"storage_url": f"{place.rstrip('/')}/{prefix}/{more}?{query}", **keys}


GIVEN = "DOCKBOARD_TESTS_STORAGE_URL"
_ALWAYS = (VersitygwDriver, MinioDriver, SwiftDriver, OSSDriver, COSDriver, BOSDriver, KodoDriver)
# Keystone takes a minute to install, and is slow.
_SLOW = (KeystoneDriver, ApplicationDriver) if LONG else ()
_GIVEN = (GivenDriver,) if GIVEN in os.environ else ()
OBJECT_DRIVERS = (*_ALWAYS, *_SLOW, *_GIVEN)
