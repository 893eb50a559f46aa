"""What somebody typed into the search box.

It may be part of a name, a tag or a digest, a whole reference as it is pasted from a command or an address, and words
with a colon that narrow the search: in:NAMESPACE kind:KIND platform:PLATFORM tag:TAG.
"""

import re
from typing import NamedTuple

from ...errors import DigestInvalid, FieldInvalid
from ...names import TAG_GRAMMAR, digest, is_repository_name
from ...wording import quoted
from ..inspection.kinds import KINDS

LONGEST = 512
# Figures of a digest from which on it is looked for.
FEWEST_FIGURES = 12
_CLIENTS = frozenset("docker podman nerdctl crane skopeo helm oras buildah ctr cosign regctl kubectl image:".split())
_SCHEME = re.compile(r"(?:https?|oci|docker|containers-storage)://", re.A)
_DIGEST = re.compile(rf"(?:(sha256|sha512):)?([0-9a-f]{{{FEWEST_FIGURES},128}})", re.A)
_TAG = re.compile(TAG_GRAMMAR, re.A)
_FIELDS = {"in": "namespace", "kind": "kind", "platform": "platform", "tag": "tag"}


class Term(NamedTuple):
    """text: part of a name. tag: the beginning of a tag, or with * for any characters. digest: the beginning of a
    digest with its algorithm, which may be empty. whole: name, tag and digest of a reference that was typed as a whole.
    """

    text: str = ""
    namespace: str = ""
    kind: str = ""
    platform: str = ""
    tag: str = ""
    digest: str = ""
    whole: "Reference | None" = None

    @property
    def is_empty(self) -> bool:
        return not any((self.text, self.namespace, self.kind, self.platform, self.tag, self.digest))


class Reference(NamedTuple):
    """The name of a repository, and what a whole reference says behind it."""

    name: str
    tag: str = ""
    digest: str = ""


def parse(typed: str) -> Term:
    """Raises FieldInvalid, which says which part is not understood."""
    words = typed[:LONGEST].split()
    if len(words) > 1 and words[0].lower() in _CLIENTS:
        # The last word of a command that is no option is the reference.
        words = [word for word in words[1:] if not word.startswith("-")][-1:]
    fields: dict[str, str] = {}
    rest = []
    for word in words:
        name, colon, value = word.partition(":")
        if colon and name in _FIELDS:
            fields[_FIELDS[name]] = value
            if not value:
                raise FieldInvalid(f"nothing follows {name}:", f"write {name}: and what to look for, without a space")
        else:
            rest.append(word)
    kind = fields.get("kind", "")
    if kind and kind not in KINDS:
        raise FieldInvalid(f"{quoted(kind)} is no kind", f"use one of {', '.join(KINDS)}")
    return _of_text(" ".join(rest))._replace(**fields)


def _of_text(typed: str) -> Term:
    bare = _SCHEME.sub("", typed, count=1)
    text = _without_host(bare, bare != typed)
    found = _DIGEST.fullmatch(text)
    if found is not None:
        return Term("" if found[1] else text, digest=f"{found[1] or 'sha256'}:{found[2]}")
    reference = _reference(text)
    if reference is None:
        return Term(text.lower().strip("/"))
    return Term(reference.name, tag=reference.tag, digest=reference.digest, whole=reference)


def _without_host(text: str, address: bool) -> str:
    """A first segment with a dot or a colon, or localhost, is the name of a registry, as for docker. So is that of an
    address. Our pages are below /r/.
    """
    first, slash, rest = text.partition("/")
    if slash and (address or "." in first or ":" in first or first == "localhost"):
        text = rest
    return text.removeprefix("/").removeprefix("r/") if text.startswith(("r/", "/r/")) else text


def _reference(text: str) -> Reference | None:
    rest, _, digest_ = text.partition("@")
    name, colon, tag = rest.partition(":")
    try:
        wrong = bool(digest_) and not digest(digest_)
    except DigestInvalid:
        return None
    if wrong or not is_repository_name(name) or (colon and not _TAG.fullmatch(tag)):
        return None
    return Reference(name, tag, digest_)
