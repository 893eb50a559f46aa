"""Names of the field. They are parsed once, with a full match, and trusted afterwards.

Grammar: OCI distribution specification 1.1, "Pulling manifests"; image specification 1.1, "Digests".
"""

import functools
import hashlib
import re
import string
from typing import NamedTuple

from .errors import DigestInvalid, FieldInvalid, ManifestInvalid, NameInvalid, TagInvalid
from .wording import counted, quoted

# Clients repeat the same few names, so valid ones are remembered.
_AGAIN = 1024
# The grammars, which the documents of the API show too.
REPOSITORY_GRAMMAR = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
TAG_GRAMMAR = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
DIGEST_GRAMMAR = r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"
ACCOUNT_GRAMMAR = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_LOWER = string.ascii_lowercase + string.digits + "._-"
_NAME = re.compile(REPOSITORY_GRAMMAR, re.A)
_ACCOUNT = re.compile(ACCOUNT_GRAMMAR, re.A)
_TAG = re.compile(TAG_GRAMMAR, re.A)
_DIGEST = re.compile(DIGEST_GRAMMAR, re.A)
_REFERENCE = re.compile(f"({REPOSITORY_GRAMMAR})(?::{TAG_GRAMMAR})?(?:@(?:{DIGEST_GRAMMAR}))?", re.A)
_LEADING_V, _NUMBER = re.compile(r"v(?=[0-9])"), re.compile(r"[0-9]+")
_LONGEST_SORT_KEY = 160
_DIGEST_NEXT = "write sha256:<64 lower-case hex digits> or sha512:<128>"
_LONGEST_TAG, _MEDIA_TYPE_LIMIT = 128, 255

ALGORITHMS = ("sha256", "sha512")
NAME_LIMIT = 255
SHORTEST_ACCOUNT, LONGEST_ACCOUNT = 2, 64
# Repositories of one segment are in this namespace, which belongs to the administrators.
LIBRARY = "library"
# Names that mean something else, now or later, in a URL or a command where the name of an account may stand.
RESERVED = frozenset(
    "_catalog about account accounts administrator anonymous api audit catalog console everyone explore healthz help"
    " login logout library me metrics nobody organization organizations public readyz registry repositories robot"
    " robots root search settings setup static system team teams token tokens ui user users v1 v2".split()
)
# Names by which strangers would take an account for the people who run the registry. Only these people may give them
# away.
OFFICIAL = frozenset(
    "abuse admin admins administrators dockboard host hostmaster info mail mod moderator moderators noc noreply"
    " no-reply official operator operators owner owners postmaster security staff superuser support sysadmin sysop"
    " verified webmaster".split()
)


@functools.lru_cache(_AGAIN)
def repository_name(text: str) -> str:
    """A repository name of any depth. Raises NameInvalid."""
    if not is_repository_name(text):
        raise NameInvalid(f"the name {_flaw(text, _LOWER + '/', NAME_LIMIT)}")
    return text


def _flaw(text: str, allowed: str, longest: int, shortest: int = 1) -> str:
    """What is wrong with a name. It is not repeated as a whole, because a client may have sent anything."""
    if not shortest <= len(text) <= longest:
        return f"has {counted(len(text), 'character')}, and {shortest} to {longest} are allowed"
    for character in text:
        if character not in allowed:
            return f"has the character {quoted(character)}"
    return "has a separator at its beginning, at its end or beside another one"


def is_repository_name(text: str) -> bool:
    return len(text) <= NAME_LIMIT and _NAME.fullmatch(text) is not None


@functools.lru_cache(_AGAIN)
def namespace_of(repository: str) -> str:
    """The namespace of a repository: its first segment, or `library` if it has only one segment."""
    first, slash, _ = repository.partition("/")
    return first if slash else LIBRARY


def account_name(text: str) -> str:
    """The name of a user, an organization, a team or a robot account. Raises FieldInvalid."""
    if not SHORTEST_ACCOUNT <= len(text) <= LONGEST_ACCOUNT or not _ACCOUNT.fullmatch(text):
        raise FieldInvalid(f"the name {_flaw(text, _LOWER, LONGEST_ACCOUNT, SHORTEST_ACCOUNT)}")
    return text


def namespace_name(text: str) -> str:
    """The name of an account that has a namespace. Raises FieldInvalid."""
    if text in RESERVED:
        raise FieldInvalid(f"the name {text} is reserved for the registry itself", "choose another name")
    return account_name(text)


def tag(text: str) -> str:
    """Raises TagInvalid."""
    if not _TAG.fullmatch(text):
        raise TagInvalid(f"the tag {_flaw(text, _LOWER + string.ascii_uppercase, _LONGEST_TAG)}")
    return text


def sort_key(tag: str) -> str:
    """A text that sorts tags as people expect: 1.9 before 1.10, and v2 beside 2.

    Before the digits of each number comes one character that says how many they are.
    """
    text = tag.lower()
    return _NUMBER.sub(_with_length, text[1:] if _LEADING_V.match(text) else text)[:_LONGEST_SORT_KEY]


def _with_length(number: re.Match) -> str:
    digits = number[0].lstrip("0") or "0"
    return chr(ord("0") + min(len(digits), ord("z") - ord("0"))) + digits


@functools.lru_cache(_AGAIN)
def digest(text: str) -> str:
    """A sha256 or sha512 digest in lower-case hex. Raises DigestInvalid."""
    if not _DIGEST.fullmatch(text):
        raise DigestInvalid(f"the digest {_digest_flaw(text)}", _DIGEST_NEXT)
    return text


def _digest_flaw(text: str) -> str:
    algorithm, _, hex = text.partition(":")
    if algorithm not in ALGORITHMS:
        return "does not begin with sha256 or sha512 and a colon"
    if wrong := [character for character in hex if character not in "0123456789abcdef"]:
        return f"has the character {quoted(wrong[0])}, which is not a lower-case hex digit"
    return f"has {counted(len(hex), 'hex digit')}, which is not the length of {algorithm}"


def is_digest(text: object) -> bool:
    return isinstance(text, str) and _DIGEST.fullmatch(text) is not None


def algorithm(name: str) -> str:
    """A digest algorithm by its name. Raises DigestInvalid."""
    if name not in ALGORITHMS:
        raise DigestInvalid(f"{quoted(name)} is not a digest algorithm of this registry", "use sha256 or sha512")
    return name


def algorithm_of(digest: str) -> str:
    return digest.partition(":")[0]


def digest_of(algorithm: str, data: bytes) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def media_type(text: str) -> str:
    """A media type as other registries store it: with parameters, or without a slash.

    Raises ManifestInvalid if it can't be stored or shown.
    """
    if not 0 < len(text) <= _MEDIA_TYPE_LIMIT or not text.isprintable() or text != text.strip():
        raise ManifestInvalid(
            f"{quoted(text)} is not a media type",
            f"use 1 to {_MEDIA_TYPE_LIMIT} printable characters, and no blank before or after them",
        )
    return text


class Reference(NamedTuple):
    """A tag or a digest, by which a manifest is asked for. The other one is None."""

    tag: str | None
    digest: str | None

    @classmethod
    @functools.lru_cache(_AGAIN)
    def parse(cls, text: str) -> "Reference":
        """Raises DigestInvalid if the text has a colon, otherwise TagInvalid."""
        if ":" in text:
            return cls(None, digest(text))
        return cls(tag(text), None)


def is_reference(text: str) -> bool:
    """Whether this is NAME, NAME:TAG, NAME@DIGEST or NAME:TAG@DIGEST, without the name of a registry."""
    found = _REFERENCE.fullmatch(text[:1000])
    return found is not None and is_repository_name(found[1])
