"""The store that starts and commands see of a bucket (`storage.stores.Driver`)."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ...errors import StartError
from ...outbound.client import Client, Observer
from .. import Marker, Storage, StorageFailed
from .bucket import Bucket, Refused
from .credentials import Credentials, FileCredentials, FixedCredentials
from .names import BLOBS, MARKER
from .storage import ObjectStorage, marker_text, read_marker
from .vendors import bucket

T = TypeVar("T")
# Pulls that go through us hold one each.
_CONNECTIONS = 256


class ObjectDriver:
    """section: the section `storage` of the configuration."""

    marked_by = f"the object {MARKER}"

    def __init__(self, section):
        url = section.url
        self._place = url
        self._redirects = section.redirect
        if section.credentials_file:
            self._credentials = FileCredentials(Path(section.credentials_file))
        else:
            self._credentials = FixedCredentials(
                Credentials(section.access_key, section.secret_key, section.session_token)
            )

    def __str__(self) -> str:
        where = self._place.endpoint or self._place.more.get("auth", "")
        return f"{self._place.kind}://{self._place.bucket}/{self._place.prefix}".rstrip("/") + f" at {where}"

    def requests(self, observer: Observer = Observer()) -> Bucket:
        """The requests to the store, over connections of their own."""
        return self.requests_over(Client(ca_file=self._place.ca, connections=_CONNECTIONS, observer=observer))

    def requests_over(self, client: Client) -> Bucket:
        """The same over a client of the caller's."""
        return bucket(self._place, self._credentials, client, self._redirects)

    def _ask(self, question: Callable[[Bucket], T]) -> T:
        """Raises StartError."""
        asked = self.requests()
        try:
            return question(asked)
        except StorageFailed as error:
            raise StartError(f"can't use the store {self}: {error}") from error
        finally:
            asked.close()

    def exposed(self) -> str:
        return ""

    def make(self) -> None:
        """The bucket has to be there. Raises StartError."""
        self._ask(lambda asked: asked.require())

    def is_empty(self) -> bool:
        return self._ask(lambda asked: not any(asked.objects(BLOBS)))

    def prepare(self, owner: Marker) -> None:
        """Raises StartError, also if another registry has marked the store at the same moment."""
        found = self.marker()
        if found is None:
            self._ask(lambda asked: _mark_first(asked, owner))
            found = self.marker()
            if found is None or found.id != owner.id:
                raise StartError(f"another registry has taken the store {self}: choose another prefix in storage.url")
        if found.precedes(owner):
            self.mark(owner)

    def marker(self) -> Marker | None:
        return self._ask(read_marker)

    def mark(self, owner: Marker) -> None:
        self._ask(lambda asked: asked.put(MARKER, marker_text(owner)))

    def open(self, observer: Observer | None = None) -> Storage:
        return ObjectStorage(self.requests(observer or Observer()), self._redirects)


def _mark_first(asked: Bucket, owner: Marker) -> None:
    """Some servers write although there is a marker, so the caller reads it afterwards."""
    try:
        asked.put(MARKER, marker_text(owner), if_absent=True)
    except Refused as error:
        if error.status not in (409, 412):
            raise
