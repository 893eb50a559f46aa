"""One request for a page: who asks, in which language, and how the answer is made."""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import quote, unquote

from ...config.kinds import is_loopback
from ...disk import Room
from ...domain.access.rule import ANONYMOUS, Object, Principal
from ...errors import RegistryError
from ...http.messages import Request, Response
from ..auth.asker import Asker
from . import cookies, csrf, forms, language, parts, templates, times
from .forms import Form

THEMES = ("auto", "light", "dark")
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self';"
    " base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Type": "text/html; charset=utf-8",
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Vary": "Accept, Accept-Encoding, Accept-Language, Cookie",
}
_SECURE = {"Strict-Transport-Security": "max-age=31536000"}
_LONGEST_FLASH = 1024
# What a template may leave out. term: what was searched for. width: "slim" or "text". alternate: path of the same thing
# in the API, with %2F for slashes of names. nothing: what a form that was refused has not done.
_DEFAULTS = {"term": "", "width": "", "alternate": "", "nothing": ""}
FLASH = "dockboard-flash"


class Visit:
    """names: what the path names ("repository", "tag", ...). form: what was sent; empty for GET.

    asker: who asks; nobody until identity.py found out. session: the session of who signed in, or None. object: the
    repository that the permission was asked for. problem: why the form was refused, when the page is shown again;
    wrong: the field that it is about.
    """

    def __init__(self, services, request: Request, paths: Collection[str]):
        """paths: those of all pages, so that no link leads nowhere."""
        self.services, self.request, self.paths = services, request, paths
        self.names: dict[str, str] = {}
        self.form: Form = forms.EMPTY
        self.asker, self.session = Asker(services, request.remote), None
        self.object: Object | None = None
        self.problem: RegistryError | None = None
        self.wrong = ""
        self.private, self.keys = False, "on"
        # Of the disks, for administrators.
        self.rooms: Mapping[str, Room] = {}
        # Hosts whose pictures this page shows.
        self.picture_hosts: tuple[str, ...] = ()
        self.cookies = cookies.read(request)
        self.set_cookies: list[str] = []
        self.language = language.of_account_or(cookies.plain(self.cookies, cookies.LANGUAGE), request.headers)
        theme = cookies.plain(self.cookies, cookies.THEME)
        self.theme = theme if theme in THEMES else "auto"
        self.zone = times.zone(cookies.plain(self.cookies, cookies.ZONE))
        self._token = ""

    @property
    def principal(self) -> Principal:
        return self.asker.principal

    @property
    def signed_in(self) -> bool:
        return self.principal.kind != ANONYMOUS

    @property
    def path(self) -> str:
        """Path and query of this page, for a link that leads back. For a form the path of its page."""
        request = self.request
        return request.path if request.method == "POST" else request.target[:2000]

    def t(self, id: str, /, **values: object) -> str:
        """A sentence in the visitor's language; markup where a value is markup."""
        return language.text(self.language, id, **values)

    @property
    def host(self) -> str:
        """The name of this registry as clients write it before a repository."""
        return self.services.gate.host(self.request)

    def url(self, path: str, /, **query: object) -> str:
        """The address of a page for a link. path begins with a slash. Empty fields of the query are left out."""
        chosen = [f"{name}={quote(str(value), safe='')}" for name, value in query.items() if value not in ("", None)]
        prefix = self.services.gate.prefix
        return f"{prefix}{quote(path, safe='/:@~')}{'?' + '&'.join(chosen) if chosen else ''}"

    def repository_url(self, name: str, page: str = "", /, **query: object) -> str:
        """The address of a repository's page: tags, settings, ..."""
        return self.url(f"/r/{name}/-/{page}" if page else f"/r/{name}", **query)

    def next_path(self) -> str:
        """Where to go on, as the form or the query says: a page of this registry. "/" where they say anything else."""
        return local_path(self.form.text("next") or self.request.query("next") or "")

    def go_on(self, said: str = "", kind: str = "ok", /, **values: str | int) -> Response:
        """`redirect` to where the form or the query says."""
        return self.redirect(self.services.gate.prefix + self.next_path(), said, kind, **values)

    @property
    def secret(self) -> str:
        """The visitor's cookie: that of the session, or one that is made for forms alone."""
        secure = self.request.secure
        for name in (cookies.SESSION, cookies.VISITOR):
            found = self.cookies.get(cookies.full_name(name, secure))
            if found and (name == cookies.VISITOR or self.session is not None):
                return found
        made = cookies.new_secret()
        self.cookies[cookies.full_name(cookies.VISITOR, secure)] = made
        self.set_cookies.append(cookies.written(cookies.VISITOR, made, secure))
        return made

    @property
    def csrf(self) -> str:
        """The token for this page's forms."""
        if not self._token:
            self._token = csrf.token(self.secret)
        return self._token

    def query(self, name: str, default: str = "") -> str:
        """A field of the query without the spaces around it. Raises BadRequest."""
        return (self.request.query(name) or default).strip()

    def value(self, name: str, default: str = "") -> str:
        """What a field shows: what was sent, where the form comes back, else the default."""
        return self.form.raw(name) if self.problem is not None and self.form.has(name) else default

    @contextmanager
    def checking(self, field: str) -> Iterator[None]:
        """Errors inside are about this field of the form."""
        try:
            yield
        except RegistryError:
            self.wrong = field
            raise

    def page(self, template: str, /, status: int = 200, **values: object) -> Response:
        """The page of a template. Every template knows the visit, its words and the parts of parts.py."""
        namespace = {**_DEFAULTS, **parts.of(self), "visit": self, "flash": self._flash(), "banner": self._banner()}
        namespace |= values
        body = templates.render(template, namespace)
        if self.problem is not None and status == 200:
            status = 409 if self.problem.status == 409 else 422
        return Response(status, self._headers(), body)

    def redirect(self, path: str, said: str = "", kind: str = "ok", /, **values: str | int) -> Response:
        """Go on at another page (303). said: id of a sentence that is shown there once, with its values."""
        if said:
            text = quote(json.dumps([said, kind, values], separators=(",", ":")), safe="")
            if len(text) <= _LONGEST_FLASH:
                self.set_cookies.append(cookies.written(FLASH, text, self.request.secure))
        return Response(303, {**self._headers(), "Location": path})

    def download(self, content: bytes, name: str) -> Response:
        """Bytes of users as a file to save: no browser shows or runs them."""
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
            "Cache-Control": self._caching,
        }
        return Response(200, headers, content)

    @property
    def _caching(self) -> str:
        return "no-store" if self.private else "private, no-cache"

    def _headers(self) -> dict[str, str | list[str]]:
        headers = {**HEADERS, "Cache-Control": self._caching}
        if self.picture_hosts:
            hosts = " ".join(f"https://{host}" for host in self.picture_hosts)
            headers["Content-Security-Policy"] = POLICY.replace("img-src 'self'", f"img-src 'self' {hosts}")
        if self.request.secure:
            headers |= _SECURE
        if self.set_cookies:
            headers["Set-Cookie"] = self.set_cookies
        return headers

    def _banner(self) -> tuple[str, str] | None:
        """The gravest thing that the visitor has to know about this registry: kind and sentence."""
        full = [name for name, room in self.rooms.items() if room.full]
        if full:
            return "bad", self._about_disk("banner.full", full[0])
        if self.principal.open and self.principal.everyone == "all":
            link = parts.link(self.url("/setup"), self.t("banner.setup"))
            return ("warn", self.t("banner.nobody", setup=link)) if self.request.path != "/setup" else None
        if not self.request.secure and not is_loopback(self.request.remote):
            return "warn", self.t("banner.plain")
        if self.session is not None and self.session.given:
            return "warn", self.t(
                "banner.given", change=parts.link(self.url("/account/password"), self.t("banner.own"))
            )
        nearly = [name for name, room in self.rooms.items() if room.nearly_full]
        return ("warn", self._about_disk("banner.nearly", nearly[0])) if nearly else None

    def _about_disk(self, id: str, name: str) -> str:
        look = parts.link(self.url("/admin"), self.t("banner.look"))
        return self.t(id, name=self.t(f"admin.disk.{name}"), look=look)

    def _flash(self) -> tuple[str, str] | None:
        """What the page before wanted to be said here: kind and sentence. It is said once."""
        shown = self.cookies.get(cookies.full_name(FLASH, self.request.secure))
        if not shown:
            return None
        self.set_cookies.append(cookies.removed(FLASH, self.request.secure))
        if len(shown) > _LONGEST_FLASH:
            return None
        try:
            said, kind, values = json.loads(unquote(shown))
            return kind if kind in ("ok", "warn", "bad") else "", self.t(said, **values)
        except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError):
            return None


def local_path(text: str) -> str:
    """The text if it is the path of a page here, else "/". Browsers read backslashes as slashes, and drop tabs."""
    plain = text.isascii() and text.isprintable() and "\\" not in text and len(text) < 2048
    return text if plain and text.startswith("/") and not text.startswith("//") else "/"
