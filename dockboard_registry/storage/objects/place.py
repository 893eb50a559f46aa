"""Where an object store is, and how it is addressed."""

from typing import NamedTuple
from urllib.parse import urlsplit

from .signers.forms import Place


class S3Place(NamedTuple):
    """endpoint and redirect_endpoint: scheme and authority of a URL, the second one for clients. prefix: empty, or it
    ends with a slash. virtual: the bucket is the first part of the host's name.
    """

    bucket: str
    prefix: str
    endpoint: str
    region: str
    virtual: bool
    redirect_endpoint: str
    ca: str

    @classmethod
    def of_url(cls, url) -> "S3Place":
        """url: storage.url as the configuration read it."""
        return cls(url.bucket, url.prefix, url.endpoint, url.region, url.virtual, url.redirect_endpoint, url.ca)

    def base(self, endpoint: str) -> str:
        """The URL before the path, with the bucket's name if that belongs there."""
        parts = urlsplit(endpoint)
        return f"{parts.scheme}://{self.bucket}.{parts.netloc}" if self.virtual else endpoint

    def of(self, name: str | None, endpoint: str, query: tuple[tuple[str, str], ...] = ()) -> Place:
        """An object by its name below the prefix; the bucket itself where it is None."""
        inside = "" if name is None else self.prefix + name
        path = f"/{inside}" if self.virtual else f"/{self.bucket}" + (f"/{inside}" if inside else "")
        return Place(urlsplit(self.base(endpoint)).netloc, path, query)
