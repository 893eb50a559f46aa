"""Which vendor's requests a store needs. Only the modules of that one are read."""

from ....outbound.client import Client
from ..bucket import Bucket
from ..credentials import FileCredentials, FixedCredentials


def bucket(place, credentials: FixedCredentials | FileCredentials, client: Client, redirects: bool) -> Bucket:
    """place: storage.url as the configuration read it. redirects: whether clients may get URLs of the store."""
    return _MAKERS[place.kind](place, credentials, client, redirects)


def _s3(place, credentials, client: Client, redirects: bool) -> Bucket:
    from .place import S3Place
    from .s3 import S3

    return S3(S3Place.of_url(place), credentials, client)


def _oss(place, credentials, client: Client, redirects: bool) -> Bucket:
    from .oss import OSS
    from .place import S3Place

    return OSS(S3Place.of_url(place), credentials, client)


def _cos(place, credentials, client: Client, redirects: bool) -> Bucket:
    from .cos import COS
    from .place import S3Place

    return COS(S3Place.of_url(place), credentials, client)


def _bos(place, credentials, client: Client, redirects: bool) -> Bucket:
    from .bos import BOS
    from .place import S3Place

    return BOS(S3Place.of_url(place), credentials, client)


def _kodo(place, credentials, client: Client, redirects: bool) -> Bucket:
    from .kodo import Kodo, KodoPlace

    return Kodo(KodoPlace.of_url(place), credentials, client)


def _swift(place, credentials, client: Client, redirects: bool) -> Bucket:
    from .swift import Swift
    from .tokens import SignIn, Tokens

    tokens = Tokens(SignIn(place.more["auth"], place.endpoint, place.more), credentials, client)
    return Swift(place.bucket, place.prefix, tokens, client, place.redirect_endpoint, redirects)


_MAKERS = {"s3": _s3, "swift": _swift, "oss": _oss, "cos": _cos, "bos": _bos, "kodo": _kodo}
