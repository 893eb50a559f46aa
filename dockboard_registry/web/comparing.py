"""The two images of a comparison, as people name them, for those who may pull both."""

from typing import NamedTuple

from ..domain.attached_packages import AttachedPackages
from ..domain.inspection import comparison, kinds
from ..domain.inspection.comparison import Comparison
from ..domain.inspection.inspector import InspectedManifest
from ..domain.inspection.sboms import PackageDifferences
from ..errors import FieldInvalid, NameInvalid, NameUnknown, RegistryError, TagInvalid
from ..names import Reference, is_digest, repository_name
from ..names import tag as tag_name
from .auth.asker import Asker
from .auth.permissions import require_content

# Characters of a reference that is typed.
LONGEST = 520
_COMMANDS = ("docker pull ", "podman pull ")


class Side(NamedTuple):
    """One of the two. text: as it was typed."""

    text: str
    name: str
    found: InspectedManifest


async def read_side(asker: Asker, host: str, name: str, text: str, platform: str = "") -> Side:
    """host: of this registry, which the text may begin with. name: the repository of a tag or a digest alone, which the
    asker may pull. platform: of an index, the image that counts.

    Raises FieldInvalid, NameUnknown, ManifestUnknown.
    """
    repository, reference = _parsed(text.removeprefix(f"{host}/"), name)
    if repository != name:
        try:
            await require_content(asker, repository)
        except RegistryError as error:
            raise NameUnknown(name=repository) from error
    return Side(text, repository, await asker.services.inspector.inspect(repository, reference, platform))


def compared(sides: list[Side]) -> Comparison | None:
    """None if one of the two is no image."""
    images = [side.found.image for side in sides]
    if any(image is None or image.content.kind != kinds.IMAGE for image in images):
        return None
    return comparison.compare(*images)


async def packages_compared(packages: AttachedPackages, sides: list[Side]) -> PackageDifferences | None:
    """What differs between their packages. None if they are the same, or if one has no SBOM that can be read."""
    if sides[0].found.digest == sides[1].found.digest:
        return None
    return await packages.compared(*((side.name, side.found) for side in sides))


def common_platforms(sides: list[Side]) -> list[str]:
    """Those that both have, as far as there are two."""
    each = [[platform.child.platform for platform in side.found.platforms] for side in sides]
    return [name for name in each[0] if name and name in each[1]] if len(each) == 2 else []


def _parsed(text: str, name: str) -> tuple[str, Reference]:
    """Repository and reference of a tag, a digest or a whole reference. Raises FieldInvalid."""
    for command in _COMMANDS:
        text = text.removeprefix(command)
    try:
        return _read(text, name)
    except (NameInvalid, TagInvalid) as error:
        raise FieldInvalid(error.cause, error.next) from error


def _read(text: str, name: str) -> tuple[str, Reference]:
    """Raises FieldInvalid, NameInvalid, TagInvalid."""
    if is_digest(text):
        return name, Reference(None, text)
    whole, _, digest = text.partition("@")
    if "/" not in whole and ":" not in whole and not digest:
        return name, Reference(tag_name(whole), None)
    repository, colon, tag = whole.partition(":")
    if not digest and not colon:
        raise FieldInvalid("this is no tag, no digest and no whole reference", "write one as NAME:TAG or NAME@DIGEST")
    return repository_name(repository or name), Reference(None, digest) if digest else Reference(tag_name(tag), None)
