"""The store that starts and commands see of a bucket (`storage.stores.Driver`)."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from ...errors import StartError
from ...outbound.client import Client, Observer
from .. import Marker, Storage, StorageFailed
from .answers import S3Error
from .credentials import Credentials, FileCredentials, FixedCredentials
from .place import S3Place
from .s3 import S3
from .storage import MARKER, ObjectStorage, marker_text, read_marker

T = TypeVar("T")
# Pulls that go through us hold one each.
_CONNECTIONS = 256


class ObjectDriver:
    """section: the section `storage` of the configuration."""

    marked_by = f"the object {MARKER}"

    def __init__(self, section):
        url = section.url
        self._place = S3Place(
            url.bucket, url.prefix, url.endpoint, url.region, url.virtual, url.redirect_endpoint, url.ca
        )
        self._redirects = section.redirect
        if section.credentials_file:
            self._credentials = FileCredentials(Path(section.credentials_file))
        else:
            self._credentials = FixedCredentials(
                Credentials(section.access_key, section.secret_key, section.session_token)
            )

    def __str__(self) -> str:
        return str(self._place)

    def requests(self, observer: Observer = Observer()) -> S3:
        """The requests to the store, over connections of their own."""
        return S3(
            self._place, self._credentials, Client(ca_file=self._place.ca, connections=_CONNECTIONS, observer=observer)
        )

    def _ask(self, question: Callable[[S3], T]) -> T:
        """Raises StartError."""
        s3 = self.requests()
        try:
            return question(s3)
        except StorageFailed as error:
            raise StartError(f"can't use the store {self}: {error}") from error
        finally:
            s3.close()

    def exposed(self) -> str:
        return ""

    def make(self) -> None:
        """The bucket has to be there. Raises StartError."""
        self._ask(lambda s3: s3.call("HEAD", None))

    def prepare(self, owner: Marker) -> None:
        """Raises StartError, also if another registry has marked the store at the same moment."""
        found = self.marker()
        if found is None:
            self._ask(lambda s3: _mark_first(s3, owner))
            found = self.marker()
            if found is None or found.id != owner.id:
                raise StartError(f"another registry has taken the store {self}: choose another prefix in storage.url")
        if found.id == owner.id and found.epoch < owner.epoch:
            self.mark(owner)

    def marker(self) -> Marker | None:
        return self._ask(read_marker)

    def mark(self, owner: Marker) -> None:
        self._ask(lambda s3: s3.put(MARKER, marker_text(owner)))

    def open(self, observer: Observer | None = None) -> Storage:
        return ObjectStorage(self.requests(observer or Observer()), self._redirects)


def _mark_first(s3: S3, owner: Marker) -> None:
    """Some servers write although there is a marker, so the caller reads it afterwards."""
    try:
        s3.put(MARKER, marker_text(owner), if_absent=True)
    except S3Error as error:
        if error.status not in (409, 412):
            raise
