"""Languages: which one a page is in, and its sentences.

Each module of messages/ has MESSAGES: id -> (English, Chinese). Both sentences stand side by side, so that nobody
changes one alone. A sentence names its values in braces. "one|many" are the two forms of an English sentence that
counts: {n} says which one is taken.
"""

import functools
import pkgutil
import re
from collections.abc import Mapping
from importlib import import_module

from ...http.headers import Headers
from ...wording import sentence
from . import causes, messages
from .markup import Markup, escape

ENGLISH, CHINESE = "en", "zh"
LANGUAGES = (ENGLISH, CHINESE)
# What <html lang> says.
TAGS = {ENGLISH: "en", CHINESE: "zh-Hans"}


@functools.cache
def _sentences(language: str) -> Mapping[str, tuple[str, ...]]:
    place, found = LANGUAGES.index(language), {}
    for module in pkgutil.iter_modules(messages.__path__, messages.__name__ + "."):
        for id, sentences in import_module(module.name).MESSAGES.items():
            found[id] = tuple(sentences[place].split("|"))
    return found


def prepare() -> None:
    """Read the sentences of all languages."""
    for language in LANGUAGES:
        _sentences(language)


def text(language: str, id: str, /, **values: object) -> str:
    """The sentence with its values. Markup where one of the values is markup.

    Whole numbers are written with commas: 1,284. Raises KeyError for an unknown id or a missing value.
    """
    forms = _sentences(language)[id]
    if not values:
        return forms[-1]
    form = forms[-1] if values.get("n") != 1 else forms[0]
    shown = {name: f"{value:,}" if isinstance(value, int) else value for name, value in values.items()}
    if any(isinstance(value, Markup) for value in shown.values()):
        return Markup(escape(form).format_map({name: escape(str_of(value)) for name, value in shown.items()}))
    return form.format_map(shown)


def cause(language: str, english: str) -> str:
    """What an error or the permission rule says, as a sentence of this language; of English where there is none."""
    for pattern, chinese in _causes() if language == CHINESE else ():
        match = pattern.fullmatch(english)
        if match:
            return chinese.format_map(match.groupdict()) + "。"
    return sentence(english)


@functools.cache
def _causes() -> tuple[tuple[re.Pattern[str], str], ...]:
    """Patterns of the sentences. Those with fewer values come first, because others may match the same sentence."""
    pairs = sorted(causes.CHINESE, key=lambda pair: pair[0].count("{"))
    return tuple((_pattern(english), chinese) for english, chinese in pairs)


def _pattern(english: str) -> re.Pattern[str]:
    """Of an English sentence with the names of its values in braces."""
    parts = re.split(r"\{([a-z_]+)\}", english)
    return re.compile("".join(f"(?P<{part}>.+?)" if at % 2 else re.escape(part) for at, part in enumerate(parts)), re.S)


def str_of(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def of_account_or(chosen: str, headers: Headers) -> str:
    """The language that was chosen, else the best of Accept-Language (RFC 9110 section 12.5.4), else English."""
    if chosen in LANGUAGES:
        return chosen
    return _accepted(headers.get("Accept-Language", ""))


@functools.lru_cache(256)
def _accepted(header: str) -> str:
    best, quality = ENGLISH, 0.0
    for item in header.split(",")[:20]:
        tag, _, weight = item.partition(";")
        language = tag.strip().lower().partition("-")[0]
        if language in LANGUAGES and _quality(weight) > quality:
            best, quality = language, _quality(weight)
    return best


def _quality(weight: str) -> float:
    """The weight of a language; 1 where none is given, 0 where it is no number."""
    name, _, number = weight.strip().partition("=")
    try:
        return 1.0 if not name else float(number)
    except ValueError:
        return 0.0
