"""The parts that pages are made of. Templates call them; each gives markup with everything in it escaped."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ... import __version__
from ...wording import sized
from . import browsers, figures, language, static, times
from .forms import Wrong
from .markup import Markup, cut, escape, join


class Choice(NamedTuple):
    """One choice of a select field."""

    value: str
    text: str


def of(visit: Any) -> Mapping[str, object]:
    """What every template knows. visit: see visit.py."""
    bound = Parts(visit)
    return {name: getattr(bound, name) for name in _NAMES} | _PLAIN | {"html_lang": language.TAGS[visit.language]}


def link(address: str, text: str) -> Markup:
    return Markup(f'<a href="{escape(address)}">{escape(text)}</a>')


def reference(text: str) -> Markup:
    """A reference that may break after / : and @. What is copied has no breaks."""
    broken = escape(text)
    for mark in "/:@":
        broken = broken.replace(mark, f"{mark}<wbr>")
    return Markup(broken)


def outside(address: str) -> Markup:
    """A link to another site where the whole text is one; else the text."""
    try:
        parsed = urlsplit(address)
        is_link = parsed.scheme in ("http", "https") and bool(parsed.hostname)
    except ValueError:
        is_link = False
    if not is_link:
        return Markup(escape(cut(address)))
    shown = reference(cut(address.partition("://")[2]))
    return Markup(f'<a href="{escape(address)}" rel="noopener noreferrer nofollow">{shown}</a>')


def digest(text: str, whole: bool = False, address: str = "") -> Markup:
    """The mark of a digest and its first 12 figures, or all of it. address: where the figures lead."""
    shown = text if whole else text.partition(":")[2][:12]
    code = Markup(f'<code translate="no">{escape(shown)}</code>')
    return Markup(f"{figures.fingerprint(text)} {link(address, code) if address else code}")


@functools.lru_cache(1024)
def _moment(ms: int, zone: times.Zone) -> tuple[str, str]:
    """The start of the element of a moment, and the moment to the minute."""
    title = f"{times.shown(ms, zone, seconds=True)} {escape(zone.name)}"
    return f'<time datetime="{times.machine(ms)}" title="{title}">', times.shown(ms, zone)


class Parts:
    """The parts whose words depend on the visitor."""

    def __init__(self, visit: Any):
        self.visit = visit
        # Pages ask for hundreds of sentences, so they ask without a way round.
        self.t, self.url = functools.partial(language.text, visit.language), visit.url
        self._ids = 0

    def _id(self) -> str:
        self._ids += 1
        return f"c{self._ids}"

    def size(self, count: int) -> Markup:
        return Markup(f'<data class="fit" value="{count}">{sized(count)}</data>')

    def when(self, ms: int | None) -> Markup:
        """A moment in the visitor's zone, to the minute."""
        if ms is None:
            return Markup(escape(self.t("part.never")))
        start, shown = _moment(ms, self.visit.zone)
        return Markup(f"{start}{shown}</time>")

    def ago(self, ms: int | None) -> Markup:
        """How long ago a moment was."""
        if ms is None:
            return Markup(escape(self.t("part.never")))
        unit, n = times.ago(ms)
        start, _ = _moment(ms, self.visit.zone)
        return Markup(f"{start}{escape(self.t('part.' + unit, n=n))}</time>")

    def command(self, text: str, what: str) -> Markup:
        """Something to paste, with a button that copies it. what: which command it is, for screen readers."""
        id, tag = self._id(), "pre" if "\n" in text else "code"
        return Markup(
            f'<div class="cmd"><{tag} id="{id}" translate="no">{reference(text)}</{tag}>{self._copy(id, what)}</div>'
        )

    def copied(self, text: str, what: str) -> Markup:
        """A small button that copies a text which does not show."""
        id = self._id()
        return Markup(f'<span class="sr" id="{id}" translate="no">{escape(text)}</span>{self._copy(id, what, " mini")}')

    def _copy(self, id: str, what: str, kind: str = "") -> str:
        label = escape(self.t("part.copy.what", what=what))
        return (
            f'<button type="button" class="copy{kind}" data-copy="{id}" aria-label="{label}">'
            f"{escape(self.t('part.copy'))}</button>"
        )

    def switch(self, commands: Sequence[tuple[str, str]], legend: str, chosen: str = "") -> Markup:
        """Commands of several clients, of which one shows: (client, command)."""
        chosen = chosen if chosen in [client for client, _ in commands] else commands[0][0]
        names = "".join(
            f'<label><input type="radio" name="client" value="{escape(client.lower())}"'
            f'{" checked" if client == chosen else ""}><span translate="no">{escape(client)}</span></label>'
            for client, _ in commands
        )
        panes = "".join(f'<div class="pane">{self.command(command, client)}</div>' for client, command in commands)
        return Markup(
            f'<fieldset class="switch"><legend>{escape(legend)}</legend>'
            f'<div class="names">{names}</div>{panes}</fieldset>'
        )

    def hidden(self, **values: str) -> Markup:
        """The hidden fields of a form that is sent by POST: the token against forgery, and others."""
        fields = {"_csrf": self.visit.csrf, **values}
        return join(
            [
                Markup(f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">')
                for name, value in fields.items()
            ]
        )

    def field(
        self, name: str, label: str, value: str = "", hint: str = "", kind: str = "text", **attributes: object
    ) -> Markup:
        """A labelled field. After an error it shows what was typed, and what is wrong with it. Passwords are not kept.

        attributes: further ones of the input; True for those without a value; autocomplete, required, maxlength, ...
        """
        shown = "" if kind == "password" else self.visit.value(name, value)
        extra = self._attributes(name, hint, attributes)
        box = f'<input id="f-{name}" name="{name}" type="{kind}" value="{escape(shown)}"{extra}>'
        return self._field(name, label, hint, box)

    def password_again(self) -> Markup:
        """The field for the password, where it was entered too long ago for a dangerous deed. It belongs into the form
        of the deed, whose handler calls identity.require_password.
        """
        if self.visit.session is None or self.visit.session.confirmed:
            return Markup("")
        label, hint = self.t("signing.again"), self.t("signing.again.hint")
        field = self.field(
            "password", label, hint=hint, kind="password", required=True, autocomplete="current-password"
        )
        return join([self.password_of(self.visit.principal.name), field])

    def password_of(self, name: str) -> Markup:
        """Tells password managers whose password a form asks for. The field has no name, so it is not sent."""
        return Markup(f'<input type="text" value="{escape(name)}" autocomplete="username" hidden>')

    def area(self, name: str, label: str, value: str = "", hint: str = "", **attributes: object) -> Markup:
        """The same with several lines."""
        extra = self._attributes(name, hint, attributes)
        # The first newline of a text area does not count (HTML section 13.1.2.5).
        box = f'<textarea id="f-{name}" name="{name}"{extra}>\n{escape(self.visit.value(name, value))}</textarea>'
        return self._field(name, label, hint, box)

    def select(self, name: str, label: str, choices: Sequence[Choice], value: str = "", hint: str = "") -> Markup:
        """The same as a choice of several."""
        shown = self.visit.value(name, value)
        options = "".join(
            f'<option value="{escape(choice.value)}"{" selected" if choice.value == shown else ""}>'
            f"{escape(choice.text)}</option>"
            for choice in choices
        )
        box = f'<select id="f-{name}" name="{name}"{self._attributes(name, hint, {})}>{options}</select>'
        return self._field(name, label, hint, box)

    def check(
        self, name: str, label: str, checked: bool = False, hint: str = "", value: str = "1", kind: str = "checkbox"
    ) -> Markup:
        """A box to tick, or one of several buttons (kind radio)."""
        visit = self.visit
        ticked = value in visit.form.all(name) if visit.problem is not None else checked
        small = f" <small>{escape(hint)}</small>" if hint else ""
        return Markup(
            f'<label class="check"><input type="{kind}" name="{name}" value="{escape(value)}"'
            f"{' checked' if ticked else ''}><span>{escape(label)}{small}</span></label>"
        )

    def _attributes(self, name: str, hint: str, attributes: Mapping[str, object]) -> str:
        wrong = self.visit.wrong == name
        described = [f"w-{name}"] * wrong + [f"h-{name}"] * bool(hint)
        found = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items()}
        found["aria-describedby"] = " ".join(described)
        if wrong:
            found |= {"aria-invalid": "true", "autofocus": True}
        return "".join(
            f" {key}" if value is True else f' {key}="{escape(str(value))}"' for key, value in found.items() if value
        )

    def _field(self, name: str, label: str, hint: str, box: str) -> Markup:
        wrong = self.visit.problem if self.visit.wrong == name else None
        told = f'<span class="wrong" id="w-{name}">{escape(self.sentence_of(wrong))}</span>' if wrong else ""
        small = f'<p class="hint" id="h-{name}">{escape(hint)}</p>' if hint else ""
        return Markup(f'<div class="field">{self._label(name, label, box)}{box}{told}{small}</div>')

    def _label(self, name: str, label: str, box: str) -> str:
        """The label; for a password with a button that shows what is typed."""
        if 'type="password"' not in box:
            return f'<label for="f-{name}">{escape(label)}</label>'
        return (
            f'<div class="row apart"><label class="over" for="f-{name}">{escape(label)}</label>'
            f'<button type="button" class="copy mini" data-show="f-{name}" aria-pressed="false">'
            f"{escape(self.t('part.show'))}</button></div>"
        )

    def sentence_of(self, error) -> str:
        """What an error says to people: what is wrong, and what to do."""
        if isinstance(error, Wrong):
            return self.t(error.said, **error.values)
        return self.cause(error.cause) + (f" {self.cause(error.next)}" if error.next else "")

    def cause(self, text: str) -> str:
        """A sentence of an error or of the permission rule, in the visitor's language."""
        return language.cause(self.visit.language, text)

    def has(self, path: str) -> bool:
        """Whether there is such a page."""
        return path in self.visit.paths

    def current(self, path: str, group: bool = False) -> Markup:
        """The attribute of a link that leads to the page that is shown. group: or to the first of its group."""
        shown = self.visit.request.path
        if shown == path:
            return Markup(' aria-current="page"')
        return Markup(' aria-current="true"' if group and shown.startswith(f"{path}/") else "")

    def asset(self, name: str) -> str:
        """The address of a file of the program."""
        return self.url(static.path(name))


_NAMES = (
    "t",
    "url",
    "size",
    "when",
    "ago",
    "command",
    "copied",
    "switch",
    "hidden",
    "field",
    "password_of",
    "password_again",
    "area",
    "select",
    "check",
    "sentence_of",
    "cause",
    "asset",
    "has",
    "current",
)
_PLAIN: Mapping[str, Callable | str] = {
    "account_mark": figures.account,
    "browser": browsers.family,
    "bytes_of": sized,
    "cut": cut,
    "digest": digest,
    "fingerprint": figures.fingerprint,
    "link": link,
    "outside": outside,
    "reference": reference,
    "strip": figures.strip,
    "Choice": Choice,
    "version": __version__,
}
