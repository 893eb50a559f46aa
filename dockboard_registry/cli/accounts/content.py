"""`tag`, `manifest` and `repository delete`: delete what was pushed."""

import argparse
from typing import Any

from ...errors import FieldInvalid
from ...names import Reference, repository_name
from ...names import digest as parse_digest
from ...names import tag as parse_tag
from ...wording import counted
from .common import CommandWord, confirm, operator, yes_flag

# A question names at most so many tags. Of the others it says the number.
_NAMED = 10


def tag(group: CommandWord) -> None:
    """What may follow `tag`."""
    deleted = group.command("delete", _delete_tag, "delete a tag; the manifest and its other tags stay")
    deleted.add_argument(
        "reference", metavar="REPOSITORY:TAG", help="name of the repository, a colon, and the tag, such as acme/app:v1"
    )
    yes_flag(deleted)


def manifest(group: CommandWord) -> None:
    """What may follow `manifest`."""
    deleted = group.command("delete", _delete_manifest, "delete a manifest with all its tags, unless an index needs it")
    deleted.add_argument(
        "reference",
        metavar="REPOSITORY@DIGEST",
        help="name of the repository, an at sign, and the digest, such as acme/app@sha256:...",
    )
    yes_flag(deleted)


def delete_repository(group: CommandWord) -> None:
    """`repository delete`."""
    deleted = group.command(
        "delete",
        _delete_repository,
        "delete a repository with everything in it and its unfinished uploads; grants that name it stay",
    )
    deleted.add_argument("name", metavar="NAME", help="name of the repository")
    yes_flag(deleted)


async def _delete_tag(people: Any, parsed: argparse.Namespace) -> None:
    name, _, text = parsed.reference.rpartition(":")
    if not name or "/" in text:
        raise FieldInvalid(
            f"{parsed.reference[:300]!a} does not name a tag", "write REPOSITORY:TAG, such as acme/app:v1"
        )
    repository, wanted = repository_name(name), parse_tag(text)
    digest = await people.content.tags.pointed(repository, wanted)
    confirm(
        parsed, f"The tag {wanted} of {repository} points to {digest}. Only the tag is deleted, the manifest stays."
    )
    await people.content.tags.delete(repository, wanted, operator())


async def _delete_manifest(people: Any, parsed: argparse.Namespace) -> None:
    name, _, text = parsed.reference.partition("@")
    if not text:
        raise FieldInvalid(
            f"{parsed.reference[:300]!a} does not name a manifest",
            "write REPOSITORY@DIGEST, such as acme/app@sha256:..., or delete a tag by `tag delete`",
        )
    repository, reference = repository_name(name), Reference(None, parse_digest(text))
    tags = await people.content.tags.of(repository, reference.digest)
    confirm(parsed, f"This deletes the manifest {reference.digest} of {repository} with {_listed(tags)}.")
    await people.content.manifests.delete(repository, reference.digest, operator())


def _listed(tags: list[str]) -> str:
    if not tags:
        return "no tag"
    named = ", ".join(tags) if len(tags) <= _NAMED else f"{', '.join(tags[:_NAMED])} and {len(tags) - _NAMED:,} more"
    return f"{counted(len(tags), 'tag')}: {named}"


async def _delete_repository(people: Any, parsed: argparse.Namespace) -> None:
    name, deletion = repository_name(parsed.name), people.content.repositories
    held = await deletion.holds(name)
    goes = f"{counted(held.tags, 'tag')}, {counted(held.manifests, 'manifest')}"
    confirm(
        parsed, f"This deletes the repository {name} with {goes} and its unfinished uploads. Grants that name it stay."
    )
    await deletion.delete(operator(), name)
    await deletion.purge()
