"""A browser without a screen or scripts, for tests of the pages' bytes: it keeps cookies and sends forms as they stand.

`Visitor(address).sign_in("bob")` is signed in. A form is found by its action or by a field that it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookies import SimpleCookie
from urllib.parse import urlencode, urljoin, urlsplit

from tests.support.http import Client, Response
from tests.support.people import FORM, PASSWORD

PAGE = {"Accept": "text/html,application/xhtml+xml"}


@dataclass
class Form:
    """A form of a page, with the values that it has when nobody types anything."""

    method: str
    action: str
    id: str = ""
    fields: list[tuple[str, str]] = field(default_factory=list)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.fields}

    def filled(self, **values: str | Sequence[str]) -> list[tuple[str, str]]:
        """What is sent with these values; a sequence sends the field once for each, None leaves it out."""
        kept = [(name, value) for name, value in self.fields if name not in values]
        for name, value in values.items():
            each = [] if value is None else [value] if isinstance(value, str) else value
            kept += [(name, one) for one in each]
        return kept


class _Reader(HTMLParser):
    """Finds the forms, links and headings of a page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.text: list[str] = []
        self._form: Form | None = None
        self._select: tuple[str, list[str], str | None] | None = None
        self._area: tuple[str, list[str]] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "form":
            self._form = Form(found.get("method", "get").upper(), found.get("action", ""), found.get("id", ""))
            self.forms.append(self._form)
        form = self._form_of(found.get("form"))
        if form is None or "disabled" in found:
            return
        if tag == "input":
            self._input(form, found)
        elif tag == "button" and found.get("name"):
            form.buttons.append((found["name"], found.get("value", "")))
        elif tag == "select":
            self._select = (found.get("name", ""), [], None)
        elif tag == "option" and self._select:
            name, values, chosen = self._select
            value = found.get("value", "")
            self._select = (name, [*values, value], value if "selected" in found else chosen)
        elif tag == "textarea":
            self._area = (found.get("name", ""), [])

    def _form_of(self, id: str | None) -> Form | None:
        return self._form if id is None else next((form for form in self.forms if form.id == id), None)

    @staticmethod
    def _input(form: Form, found: Mapping[str, str]) -> None:
        kind, name = found.get("type", "text"), found.get("name", "")
        if not name or kind in ("submit", "button", "image", "reset"):
            return
        if kind not in ("checkbox", "radio") or "checked" in found:
            form.fields.append((name, found.get("value", "on" if kind in ("checkbox", "radio") else "")))

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._area:
            self._area[1].append(data)

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._form = None
        elif tag == "select" and self._select and self._form:
            name, values, chosen = self._select
            value = chosen if chosen is not None else next(iter(values), "")
            self._form.fields.append((name, value))
            self._select = None
        elif tag == "textarea" and self._area and self._form:
            # The first line break after the tag is not part of the value.
            self._form.fields.append((self._area[0], "".join(self._area[1]).removeprefix("\n")))
            self._area = None


@dataclass
class Page:
    """An answer to a visitor, read as a page."""

    response: Response
    forms: list[Form]
    links: list[str]
    text: str

    @property
    def status(self) -> int:
        return self.response.status

    @property
    def html(self) -> str:
        return self.response.body.decode()

    @property
    def location(self) -> str:
        return self.response.headers.get("Location", "")

    def expect(self, *statuses: int) -> Page:
        self.response.expect(*statuses)
        return self

    def form(self, *, action: str = "", field: str = "") -> Form:
        """The form whose action ends like this, or that has this field."""
        for form in self.forms:
            if (action and form.action.endswith(action)) or (field and field in form.names):
                return form
        have = [(form.action, sorted(form.names)) for form in self.forms]
        raise AssertionError(f"{self.response.path} has no form {action or field!r}, but {have}")


class Visitor(Client):
    """One person's browser at one registry. `cookies` is what it keeps."""

    def __init__(self, address: str, *, context=None, prefix: str = "", headers: Mapping[str, str] = {}) -> None:
        super().__init__(address, context=context)
        self.cookies: dict[str, str] = {}
        self.prefix = prefix
        self._also = dict(headers)

    def open(self, path: str, headers: Mapping[str, str] = {}, *, follow: bool = True) -> Page:
        """GET a page, and go where it sends one."""
        page = self.send("GET", path, headers=headers)
        steps = 0
        while follow and page.status in (301, 302, 303, 307) and steps < 5:
            target = urlsplit(urljoin(path, page.location))
            path = target.path + ("?" + target.query if target.query else "")
            page, steps = self.send("GET", path), steps + 1
        return page

    def send(self, method: str, path: str, fields=None, headers: Mapping[str, str] = {}) -> Page:
        """One request with the cookies; `fields` is a form as pairs or a mapping."""
        pairs = fields.items() if isinstance(fields, Mapping) else fields
        body = None if pairs is None else urlencode(list(pairs)).encode()
        shown = {**PAGE, **self._also, **(FORM if body is not None else {}), **headers}
        if self.cookies and "Cookie" not in shown:
            shown["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        answer = self.request(method, path, shown, body)
        self._keep(answer)
        return read(answer)

    def _keep(self, answer: Response) -> None:
        for line in answer.headers.get_all("Set-Cookie") or ():
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value

    def submit(self, page: Page, *, action: str = "", field: str = "", follow: bool = True, **values) -> Page:
        """Send a form of the page with these values typed in, and go where the answer sends one."""
        form = page.form(action=action, field=field)
        target = form.action or page.response.path
        answer = self.send("POST", target, form.filled(**values), {"Sec-Fetch-Site": "same-origin"})
        if follow and answer.status == 303:
            return self.open(answer.response.location)
        return answer

    def sign_in(self, name: str, password: str = PASSWORD) -> Visitor:
        """Fill in the page /login; AssertionError if that does not sign in."""
        page = self.open(f"{self.prefix}/login").expect(200)
        answer = self.submit(page, field="password", follow=False, name=name, password=password)
        answer.expect(303)
        return self


def read(answer: Response) -> Page:
    """An answer as a page; one that is no HTML has no forms."""
    reader = _Reader()
    if answer.headers.get("Content-Type", "").startswith("text/html"):
        reader.feed(answer.body.decode())
    return Page(answer, reader.forms, reader.links, "".join(reader.text))
