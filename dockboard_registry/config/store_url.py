"""storage.url: which object store, where it is and how to reach it.

    s3://BUCKET/PREFIX?endpoint=URL&region=NAME&style=path|virtual&parts=growing|equal&redirect_endpoint=URL&ca=FILE
            &tls=verify|off
    swift://CONTAINER/PREFIX?auth=URL&project=NAME&domain=NAME&region=NAME&interface=public|internal|admin
            &credential=password|application&endpoint=URL&redirect_endpoint=URL&ca=FILE&tls=verify|off
    oss://BUCKET/PREFIX?region=NAME&endpoint=URL&style=virtual|path|cname&redirect_endpoint=URL&ca=FILE&tls=verify|off
    cos://BUCKET/PREFIX and bos://BUCKET/PREFIX, with the same parameters
    kodo://BUCKET/PREFIX?region=NAME&endpoint=URL&download_endpoint=URL&redirect_endpoint=URL&ca=FILE&tls=verify|off
Keys of access never stand in it: they are options of their own, so that they can come from the environment or a file.
"""

import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import NamedTuple
from urllib.parse import parse_qsl, urlsplit

_ALL = ("endpoint", "region", "redirect_endpoint", "ca", "tls")
_KEYSTONE = ("project", "domain", "user_domain", "project_domain", "interface", "credential")
_OPTIONS = {
    "s3": (*_ALL, "style", "parts"),
    "swift": (*_ALL, "auth", *_KEYSTONE),
    "oss": (*_ALL, "style"),
    "cos": (*_ALL, "style"),
    "bos": (*_ALL, "style"),
    "kodo": (*_ALL, "download_endpoint"),
}
# Parameters that have few values; the first one is the default.
_CHOICES = {
    "tls": ("verify", "off"),
    "interface": ("public", "internal", "admin"),
    "credential": ("password", "application"),
    "parts": ("growing", "equal"),
}
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,61}[A-Za-z0-9]", re.A)
_PREFIX = re.compile(r"(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)*", re.A)
_REGION = re.compile(r"[A-Za-z0-9_-]{1,64}", re.A)
_FORMS = {"s3": "s3://BUCKET/PREFIX?endpoint=URL&region=NAME", "swift": "swift://CONTAINER/PREFIX?auth=URL"}
_FORMS |= {kind: f"{kind}://BUCKET/PREFIX?region=NAME" for kind in ("oss", "cos", "bos", "kodo")}
_STYLES = {
    "s3": ("path", "virtual"),
    "oss": ("virtual", "path", "cname"),
    "cos": ("virtual", "cname"),
    "bos": ("virtual", "path", "cname"),
}
# The hosts of vendors, where no endpoint is given.
_HOSTS = {"oss": "https://oss-{}.aliyuncs.com", "cos": "https://cos.{}.myqcloud.com", "bos": "https://{}.bcebos.com"}


# Kodo's regions have two names, of which the younger ones are the same.
_KODO_REGIONS = {
    "cn-east-1": "z0",
    "cn-north-1": "z1",
    "cn-south-1": "z2",
    "us-north-1": "na0",
    "ap-southeast-1": "as0",
}


class StoreUrl(NamedTuple):
    """kind: the scheme. endpoint and redirect_endpoint: scheme and authority of a URL, the second one for clients; they
    may be empty for Swift, whose sign-in tells them. prefix: empty, or it ends with a slash. style: `virtual` where the
    bucket is the first part of the host's name. ca: PEM file with the certificates to trust; empty = the system's.
    more: the parameters that only this kind has.
    """

    kind: str
    bucket: str
    prefix: str
    endpoint: str
    region: str
    style: str
    redirect_endpoint: str
    ca: str
    more: Mapping[str, str]
    text: str

    @property
    def virtual(self) -> bool:
        return self.style == "virtual"

    def __str__(self) -> str:
        return self.text


def parse_store(url: str, is_loopback: Callable[[str], bool]) -> StoreUrl:
    """ValueError completes the sentence "storage.url ...". is_loopback(host): whether only this machine reaches it."""
    forms = " or ".join(_FORMS.values())
    try:
        parts = urlsplit(url)
        options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
    except ValueError:
        raise ValueError(f"must be {forms}") from None
    kind = parts.scheme
    if kind not in _OPTIONS or parts.fragment:
        raise ValueError(f"must be {forms}")
    if "@" in parts.netloc:
        raise ValueError("must not hold keys: set storage.access_key and storage.secret_key, or a credentials_file")
    _check_options(kind, options)
    prefix = parts.path.strip("/") + "/" if parts.path.strip("/") else ""
    if not _BUCKET.fullmatch(parts.netloc) or not _PREFIX.fullmatch(prefix):
        raise ValueError(f"must name a bucket, and a prefix of letters, digits and -_./ at most: {_FORMS[kind]}")
    made = StoreUrl(kind, parts.netloc, prefix, "", options.get("region", ""), "", "", options.get("ca", ""), {}, url)
    may_be_plain = options.get("tls") == "off"

    def origin(name: str, value: str, path: bool = False) -> str:
        return _origin(name, value, may_be_plain, is_loopback, path)

    return {"s3": _s3, "swift": _swift, "kodo": _kodo}.get(kind, _of_vendor)(made, options, origin)


def _check_options(kind: str, options: dict[str, str]) -> None:
    for name, value in options.items():
        if name not in _OPTIONS[kind]:
            (nearest,) = get_close_matches(name, _OPTIONS[kind], n=1, cutoff=0)
            raise ValueError(f"has no parameter {name[:60]!r}; did you mean {nearest}?")
        choices = _STYLES[kind] if name == "style" else _CHOICES.get(name, (value,))
        if value not in choices:
            raise ValueError(f"has another {name} than {' or '.join(choices)}")
    if not _REGION.fullmatch(options.get("region", "x")):
        raise ValueError("has a region that is none, such as eu-central-1")


def _s3(made: StoreUrl, options: dict[str, str], origin: Callable[..., str]) -> StoreUrl:
    region = made.region or "us-east-1"
    endpoint = options.get("endpoint") or f"https://s3.{region}.amazonaws.com"
    style = options.get("style") or ("virtual" if endpoint.endswith(".amazonaws.com") else "path")
    parts = options.get("parts") or ("equal" if endpoint.endswith(".r2.cloudflarestorage.com") else "growing")
    return made._replace(
        region=region,
        style=style,
        more={"parts": parts},
        endpoint=origin("endpoint", endpoint),
        redirect_endpoint=origin("redirect_endpoint", options.get("redirect_endpoint") or endpoint),
    )


def _of_vendor(made: StoreUrl, options: dict[str, str], origin: Callable[..., str]) -> StoreUrl:
    """redirect_endpoint is a domain of the bucket's own, because that is what the vendors demand for downloads."""
    if not made.region:
        raise ValueError("needs region, such as cn-hangzhou, ap-guangzhou or bj")
    endpoint = origin("endpoint", options.get("endpoint") or _HOSTS[made.kind].format(made.region))
    style = options.get("style") or _STYLES[made.kind][0]
    if not options.get("redirect_endpoint"):
        return made._replace(endpoint=endpoint, style=style, redirect_endpoint=endpoint)
    clients = origin("redirect_endpoint", options["redirect_endpoint"])
    return made._replace(endpoint=endpoint, style=style, redirect_endpoint=clients, more={"redirect_style": "cname"})


def _kodo(made: StoreUrl, options: dict[str, str], origin: Callable[..., str]) -> StoreUrl:
    """It has a host for each kind of requests; endpoint stands for all of them."""
    if not made.region:
        raise ValueError("needs region, such as z0 or cn-east-1")
    short = _KODO_REGIONS.get(made.region, made.region)
    long = next((name for name, other in _KODO_REGIONS.items() if other == short), short)
    given = origin("endpoint", options["endpoint"]) if options.get("endpoint") else ""
    source = options.get("download_endpoint") or given or f"https://{made.bucket}.kodo-{long}.qiniucs.com"
    clients = options.get("redirect_endpoint") or source
    more = {
        "up": given or ("https://up.qiniup.com" if short == "z0" else f"https://up-{short}.qiniup.com"),
        "rsf": given or f"https://rsf-{short}.qiniuapi.com",
        "source": origin("download_endpoint", source),
    }
    endpoint = given or f"https://rs-{short}.qiniuapi.com"
    return made._replace(endpoint=endpoint, redirect_endpoint=origin("redirect_endpoint", clients), more=more)


def _swift(made: StoreUrl, options: dict[str, str], origin: Callable[..., str]) -> StoreUrl:
    if not options.get("auth"):
        raise ValueError("needs auth, the URL to sign in at, such as https://HOST/auth/v1.0 or https://HOST:5000/v3")
    auth = origin("auth", options["auth"], path=True)
    more = {name: options[name] for name in (*_KEYSTONE, "region") if options.get(name)}
    if auth.rstrip("/").endswith("/v3"):
        if "project" not in more and more.get("credential") != "application":
            raise ValueError("needs project, which Keystone signs in to, or credential=application")
    elif more:
        raise ValueError(f"has {min(more)}, which only Keystone knows: its auth ends with /v3")
    given = {name: origin(name, options[name]) for name in ("endpoint", "redirect_endpoint") if options.get(name)}
    return made._replace(more={"auth": auth, **more}, **given)


def _origin(name: str, url: str, may_be_plain: bool, is_loopback: Callable[[str], bool], with_path: bool) -> str:
    try:
        parts = urlsplit(url)
        right = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        right = False
    has_path = parts.path not in ("", "/") if right else False
    if not right or has_path != with_path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(
            f"has a wrong {name}: it must be https:// with a host, {'and a' if with_path else 'without'} path"
        )
    if parts.scheme == "http" and not may_be_plain and not is_loopback(parts.hostname):
        raise ValueError(f"has an {name} of another machine without TLS: use https, or add tls=off")
    return f"{parts.scheme}://{parts.netloc}" + (parts.path if with_path else "")
