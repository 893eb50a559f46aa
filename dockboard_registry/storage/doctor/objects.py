"""Tries an object store: first whether it is reached and lets us in, then each request that the driver makes.

What is written has names that the collector takes for strays. So it goes by itself if this process is killed.
"""

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from ...errors import StartError
from ...outbound.client import Answer, Client, Request
from ...outbound.connections import Limits
from ...outbound.errors import OutboundError
from ...steps import OK, Examined, StepFailed, Steps, StepSkipped
from ...wording import counted
from .. import StorageError, StorageFailed, new_key
from ..objects.bucket import Refused
from ..objects.driver import ObjectDriver
from ..objects.names import name_of
from ..objects.parts import LEAST, Parts
from ..objects.storage import read_marker
from . import policies
from .policies import ABORT, DELETE, LIST, READ, UPLOADS, WRITE

_LIMITS = Limits(connect=5.0, send=20.0, answer=20.0, read=20.0)
# Seconds. A store refuses requests that are signed more than 15 minutes away; Date has whole seconds.
_SKEW_REFUSED, _SKEW_WARNED = 900, 60
# So long a list may lag behind what was written. Those of Swift do.
_LAG_SECONDS = 10.0
_BUDGET = 5.0
_PIECE = 100_000
REACH, CLOCK, ENTER = "reach the server", "clock", "sign in"
LISTED, WRITTEN, READ_BACK, RANGE = "list objects", "write", "read", "read a part"
BEGUN, LISTED_UPLOADS, CONTINUED = "upload in parts", "list uploads", "go on elsewhere"
JOINED, DROPPED = "read what was joined", "drop an upload"
DELETED, SIGNED, PRIVATE, MARKED, CLEAN = "delete", "signed URL", "closed to others", "marker", "leave nothing"
# The right that each step uses.
_RIGHTS = {
    LISTED: LIST,
    WRITTEN: WRITE,
    READ_BACK: READ,
    RANGE: READ,
    BEGUN: WRITE,
    LISTED_UPLOADS: UPLOADS,
    CONTINUED: WRITE,
    JOINED: READ,
    DROPPED: ABORT,
    DELETED: DELETE,
    MARKED: READ,
    SIGNED: READ,
}
_DENIED = ("AccessDenied", "AllAccessDisabled", "403")


def examine_objects(section) -> Examined:
    """section: the section `storage` of the configuration, which names an object store."""
    trial = _Trial(section)
    try:
        trial.run()
    except BaseException:
        with contextlib.suppress(StorageError, StepFailed):
            trial.clean()
        raise
    finally:
        trial.close()
    place = section.url
    advice = policies.about(place.kind), policies.policy(place), trial.lacks_rights
    return Examined("storage", trial.place, trial.steps.done, *advice)


class _Trial:
    def __init__(self, section):
        self._url, self._redirects = section.url, section.redirect
        driver = ObjectDriver(section)
        self.place = str(driver)
        self._plain = Client(ca_file=self._url.ca, limits=_LIMITS, budget=0)
        self._bucket, self._other = (
            driver.requests_over(Client(ca_file=self._url.ca, limits=_LIMITS, budget=_BUDGET)) for _ in range(2)
        )
        self._data, self._parts = secrets.token_bytes(_PIECE), Parts()
        self._name, self._long, self._dropped, *self._more = (name_of(new_key()) for _ in range(6))
        # What may be in the store because of us.
        self._objects: set[str] = set()
        self._uploads: dict[str, str] = {}
        self.lacks_rights = False
        self.steps = Steps(self._words)

    def run(self) -> None:
        run = self.steps.run
        run(REACH, self._reach)
        run(CLOCK, self._clock, after=(REACH,))
        run(ENTER, self._enter, after=(REACH,))
        run(MARKED, self._marker, after=(ENTER,))
        run(WRITTEN, self._write, after=(ENTER,))
        run(READ_BACK, self._read, after=(WRITTEN,))
        run(RANGE, self._range, after=(WRITTEN,))
        run(LISTED, self._list, after=(WRITTEN,))
        self._try_parts()
        run(SIGNED, self._signed, after=(WRITTEN,))
        run(PRIVATE, self._private, after=(WRITTEN,), needed=False)
        run(DELETED, self._delete, after=(WRITTEN,))
        run(CLEAN, self.clean, after=(ENTER,))

    def _try_parts(self) -> None:
        run = self.steps.run
        run(BEGUN, self._begin, after=(ENTER,))
        run(LISTED_UPLOADS, self._list_uploads, after=(BEGUN,))
        run(CONTINUED, self._continue, after=(BEGUN,))
        run(JOINED, self._read_joined, after=(CONTINUED,))
        run(DROPPED, self._drop, after=(BEGUN,))

    def close(self) -> None:
        for each in (self._plain, self._bucket, self._other):
            each.close()

    def _words(self, step: str, error: Exception) -> str | None:
        if isinstance(error, Refused) and error.code in _DENIED and step in _RIGHTS:
            self.lacks_rights = True
            return f"the store refuses this to the key: {policies.missing(self._url.kind, _RIGHTS[step])}"
        return str(error) if isinstance(error, StorageError | StartError) else None

    def _reach(self) -> str:
        self._greeting = self._fetched(self._url.endpoint or self._url.more["auth"], self._address)
        return ""

    @property
    def _address(self) -> str:
        """The parameter of storage.url that says where the server is."""
        return "endpoint" if self._url.endpoint else "auth"

    def _fetched(self, url: str, parameter: str, fields: dict[str, str] | None = None) -> Answer:
        """Without our keys."""
        try:
            return self._plain.send(Request("GET", url, lambda: fields or {}))
        except OutboundError as error:
            hint = f"check {parameter} in storage.url, and that nothing on the way blocks it"
            if "certificate" in str(error):
                hint = f"name who signed its certificate with ca in storage.url, or check {parameter}"
            raise StepFailed(f"{error}; {hint}") from error

    def _clock(self) -> str:
        try:
            theirs = parsedate_to_datetime(self._greeting.headers.get("Date") or "").timestamp()
        except (TypeError, ValueError):
            raise StepSkipped("the server does not tell the time") from None
        ahead = time.time() - theirs
        words = (
            f"this machine's clock is {counted(round(abs(ahead)), 'second')} {'ahead of' if ahead > 0 else 'behind'}"
        )
        if abs(ahead) > _SKEW_REFUSED:
            raise StepFailed(f"{words} the store's, which refuses our requests: set the time of this machine (NTP)")
        return f"{words} the store's" if abs(ahead) > _SKEW_WARNED else ""

    def _enter(self) -> str:
        """The bucket is there, and the store knows our keys. What they may do is seen afterwards."""
        try:
            self._bucket.require()
        except Refused as error:
            if error.code == str(error.status) and self._url.kind != "swift":
                raise StepFailed(
                    f"{self._url.endpoint} answered {error.status}, and not as an object store does: check endpoint in"
                    " storage.url"
                ) from error
            if error.code not in _DENIED:
                raise
        except StorageFailed as error:
            raise StepFailed(f"{error}: check {self._address} in storage.url") from error
        return ""

    def _marker(self) -> str:
        found = read_marker(self._bucket)
        return "no registry has this place yet" if found is None else f"a registry has this place; its id is {found.id}"

    def _write(self) -> str:
        self._put(self._name, self._data)
        return ""

    def _put(self, name: str, data: bytes) -> None:
        self._objects.add(name)
        try:
            self._bucket.put(name, data)
        except Refused as error:
            if error.status < 500:
                self._objects.discard(name)
            raise

    def _read(self) -> str:
        size = self._bucket.size(self._name)[0]
        if size != _PIECE or self._content(self._name) != self._data:
            raise StepFailed("the store gave other bytes than were written: it can't be trusted")
        return ""

    def _content(self, name: str, start: int = 0, length: int | None = None) -> bytes:
        with contextlib.closing(self._bucket.get(name, start, length)) as answer:
            return answer.read(LEAST + _PIECE)

    def _range(self) -> str:
        if self._content(self._name, 1000, 500) != self._data[1000:1500]:
            raise StepFailed("the store gave another part of an object than was asked for: it can't be trusted")
        return ""

    def _list(self) -> str:
        return self._within_lag(lambda: _names(self._bucket.objects(self._name)), self._name, True)

    def _within_lag(self, look: Callable[[], list[str]], name: str, there: bool) -> str:
        """Look until the list has the name, or no longer."""
        begun = time.monotonic()
        while (name in look()) != there:
            if time.monotonic() - begun > _LAG_SECONDS:
                raise StepFailed(f"after {_LAG_SECONDS:.0f} seconds the list does not show what was changed")
            time.sleep(0.5)
        lag = time.monotonic() - begun
        return f"the list lagged {lag:.0f} seconds behind" if lag > 1 else ""

    def _begin(self) -> str:
        first = (self._data * (LEAST // _PIECE + 1))[:LEAST]
        tag = self._first_part(self._long, first)
        self._parts = Parts(self._uploads[self._long]).with_one(len(first), tag)
        return ""

    def _first_part(self, name: str, content: bytes) -> str:
        """Begin an upload. Returns the tag of its first part."""
        self._uploads[name] = self._bucket.begin(name)
        return self._bucket.part(name, self._uploads[name], 1, memoryview(content))

    def _list_uploads(self) -> str:
        if not self._bucket.lists_uploads:
            raise StepSkipped("this store does not list uploads in parts; it drops them itself after a while")
        return self._within_lag(lambda: _names(self._bucket.uploads(self._long)), self._long, True)

    def _continue(self) -> str:
        """As another node does: with a connection of its own."""
        tag = self._other.part(self._long, self._parts.upload, 2, memoryview(self._data))
        self._parts = self._parts.with_one(_PIECE, tag)
        self._objects.add(self._long)
        self._other.complete(self._long, self._parts.upload, self._parts)
        return ""

    def _read_joined(self) -> str:
        whole, size = self._parts.size, self._other.size(self._long)[0]
        if size != whole or self._content(self._long, LEAST - 10, 1000) != self._seam():
            raise StepFailed("the store put the parts together wrongly: it can't be trusted")
        return ""

    def _seam(self) -> bytes:
        at = (LEAST - 10) % _PIECE
        return (self._data * 2)[at : at + 10] + self._data[:990]

    def _drop(self) -> str:
        self._first_part(self._dropped, self._data)
        self._bucket.abort(self._dropped, self._uploads[self._dropped])
        if self._failed(LISTED_UPLOADS):
            return ""
        return self._within_lag(lambda: _names(self._bucket.uploads(self._dropped)), self._dropped, False)

    def _failed(self, step: str) -> bool:
        return any(done.name == step and done.outcome != OK for done in self.steps.done)

    def _signed(self) -> str:
        if not self._redirects:
            raise StepSkipped("storage.redirect is false: all bytes go through the registry")
        url = self._bucket.url(self._name)
        if url is None:
            raise StepSkipped(
                "the user may not set the container's key for temporary URLs: all bytes go through the registry"
            )
        answer = self._fetched(url, "redirect_endpoint", {"Range": "bytes=10-19"})
        if answer.status != 206 or answer.body != self._data[10:20]:
            raise StepFailed(
                f"a signed URL gave {answer.status} in place of the bytes: check redirect_endpoint in storage.url, or"
                " set storage.redirect to false"
            )
        return f"clients fetch blobs from {urlsplit(url).netloc}"

    def _private(self) -> str:
        """Whether an object is given to those who show nothing."""
        url = self._bucket.url(self._name)
        if url is None:
            raise StepSkipped("there is no address to try")
        try:
            answer = self._fetched(url.partition("?")[0], "redirect_endpoint")
        except StepFailed as error:
            raise StepSkipped(str(error)) from error
        if answer.status < 300:
            raise StepFailed("everybody may read the bucket's objects without keys: make the bucket private")
        return ""

    def _delete(self) -> str:
        """One alone, then several, of which one is missing."""
        self._require_deleted([self._name])
        for name in self._more[1:]:
            self._put(name, b"x")
        self._require_deleted(self._more)
        if any(self._is_there(name) for name in (self._name, *self._more)):
            raise StepFailed("the store still has an object that it said it had deleted")
        return ""

    def _require_deleted(self, names: list[str]) -> None:
        for code in self._bucket.delete(names).values():
            raise Refused(403 if code in _DENIED else 500, code)

    def _is_there(self, name: str) -> bool:
        """Where we may not list, S3 says of what is missing that we may not read it."""
        try:
            self._bucket.get(name).close()
        except Refused as error:
            if error.missing or error.code in _DENIED:
                return False
            raise
        return True

    def clean(self) -> str:
        """Whatever failed before: no upload and no object of ours stays."""
        left = [name for name in self._uploads if not self._aborted(name) and name not in self._objects]
        left += [name for name in sorted(self._objects) if not self._removed(name)]
        if left:
            raise StepFailed(
                f"{counted(len(left), 'object')} of this examination could not be removed: {', '.join(left)}. The"
                " command gc removes them, once the key may"
            )
        return ""

    def _aborted(self, name: str) -> bool:
        try:
            self._bucket.abort(name, self._uploads[name])
        except StorageError:
            return False
        return True

    def _removed(self, name: str) -> bool:
        try:
            return not self._bucket.delete([name]) and not self._is_there(name)
        except StorageError:
            return False


def _names(pages: Iterable[list]) -> list[str]:
    return [found.name for page in pages for found in page]
