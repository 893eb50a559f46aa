"""Where an object store is, and how it is addressed."""

from typing import NamedTuple
from urllib.parse import urlsplit

from ..signers.forms import Place, Query


class S3Place(NamedTuple):
    """endpoint and redirect_endpoint: scheme and authority of a URL, the second one for clients. prefix: empty, or it
    ends with a slash. style: where the bucket is named, `virtual` (in the host's name, before that of the endpoint),
    `path` or `cname` (nowhere: the endpoint is the bucket's own name). redirect_style: the same for clients.
    equal_parts: whether all parts of an upload but the last must have one length.
    """

    bucket: str
    prefix: str
    endpoint: str
    region: str
    style: str
    redirect_endpoint: str
    redirect_style: str
    equal_parts: bool = False

    @classmethod
    def of_url(cls, url) -> "S3Place":
        """url: storage.url as the configuration read it."""
        clients = url.more.get("redirect_style", url.style)
        own = (url.bucket, url.prefix, url.endpoint, url.region, url.style, url.redirect_endpoint)
        return cls(*own, clients, url.more.get("parts") == "equal")

    def base(self, endpoint: str, style: str) -> str:
        """The URL before the path, with the bucket's name if that belongs there."""
        parts = urlsplit(endpoint)
        return f"{parts.scheme}://{self.bucket}.{parts.netloc}" if style == "virtual" else endpoint

    def of(self, name: str | None, query: Query = ()) -> Place:
        """An object by its name below the prefix, as we reach it; the bucket itself where the name is None."""
        return self._of(name, self.endpoint, self.style, query)

    def for_clients(self, name: str, query: Query = ()) -> Place:
        """The same as clients reach it."""
        return self._of(name, self.redirect_endpoint, self.redirect_style, query)

    def _of(self, name: str | None, endpoint: str, style: str, query: Query) -> Place:
        inside = "" if name is None else self.prefix + name
        path = f"/{self.bucket}" + (f"/{inside}" if inside else "") if style == "path" else f"/{inside}"
        return Place(urlsplit(self.base(endpoint, style)).netloc, path, query)
