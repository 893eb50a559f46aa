"""What differs between two images: layers, configuration, environment, labels. It reads nothing."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .image_config import ImageConfig
from .inspector import Image

SAME, CHANGED, ADDED, REMOVED = CHANGES = ("same", "changed", "added", "removed")
_NOTHING = ImageConfig()


class Difference(NamedTuple):
    """change: one of CHANGES. name: of what. before, after: its values, None if it is not there."""

    change: str
    name: str
    before: str | None
    after: str | None


class LayerDifference(NamedTuple):
    """name: the command that made it, or empty. Sizes in bytes; None if it is not there."""

    change: str
    name: str
    before: int | None
    after: int | None


class Comparison(NamedTuple):
    """Sizes in bytes. to_pull: what whoever has the first image still has to pull. common: digests of layers that both
    have. same: how many entries are equal, by the section.
    """

    before_size: int
    after_size: int
    to_pull: int
    common: frozenset[str]
    configuration: list[Difference]
    environment: list[Difference]
    labels: list[Difference]
    layers: list[LayerDifference]
    same: Mapping[str, int]

    @property
    def is_same(self) -> bool:
        return not (self.configuration or self.environment or self.labels) and all(
            each.change == SAME for each in self.layers
        )


def compare(before: Image, after: Image) -> Comparison:
    """What the second image has that the first one has not, and the other way round."""
    old, new = before.config or _NOTHING, after.config or _NOTHING
    had = {layer.digest for layer in before.layers}
    layers = _layers(_steps(before), _steps(after))
    sections = {
        "configuration": _differences(_configuration(old), _configuration(new)),
        "environment": _differences(dict(old.env), dict(new.env)),
        "labels": _differences(dict(old.labels), dict(new.labels)),
    }
    return Comparison(
        *(_size(before), _size(after), _to_pull(before, after)),
        frozenset(had & {layer.digest for layer in after.layers}),
        *([each for each in found if each.change != SAME] for found in sections.values()),
        layers,
        {name: sum(each.change == SAME for each in found) for name, found in [*sections.items(), ("layers", layers)]},
    )


def _size(image: Image) -> int:
    return sum(blob.size for blob in image.content.blobs())


def _to_pull(before: Image, after: Image) -> int:
    had = {blob.digest for blob in before.content.blobs()}
    return sum(blob.size for blob in after.content.blobs() if blob.digest not in had)


def _configuration(config: ImageConfig) -> dict[str, str]:
    """Names and values. Ports and volumes are one entry each."""
    single = {
        "entrypoint": " ".join(config.entrypoint),
        "cmd": " ".join(config.cmd),
        "user": config.user,
        "workdir": config.working_dir,
        "stop": config.stop_signal,
        "health": " ".join(config.healthcheck),
        "platform": config.platform,
    }
    several = {f"port {port}": port for port in config.ports} | {f"volume {path}": path for path in config.volumes}
    return {name: value for name, value in (single | several).items() if value}


def _differences(before: Mapping[str, str], after: Mapping[str, str]) -> list[Difference]:
    """In the order of the first, then what only the second has."""
    names = [*before, *(name for name in after if name not in before)]
    return [_difference(name, before.get(name), after.get(name)) for name in names]


def _difference(name: str, before: str | None, after: str | None) -> Difference:
    return Difference(_change(before, after), name, before, after)


def _change(before: object, after: object) -> str:
    if before is None or after is None:
        return ADDED if before is None else REMOVED
    return SAME if before == after else CHANGED


class _Layer(NamedTuple):
    digest: str
    size: int
    command: str


def _steps(image: Image) -> list[_Layer]:
    return [
        _Layer(step.layer.digest, step.layer.size, step.step.command if step.step else "")
        for step in image.steps
        if step.layer
    ]


def _layers(before: Sequence[_Layer], after: Sequence[_Layer]) -> list[LayerDifference]:
    """Layers are matched by their digest, then by the command that made them."""
    olds, matches = {layer.digest: layer for layer in before}, {}
    for layer in after:
        if layer.digest in olds:
            matches[layer] = olds[layer.digest]
    taken = {layer.digest for layer in matches.values()}
    by_command = {layer.command: layer for layer in reversed(before) if layer.command and layer.digest not in taken}
    for layer in after:
        if layer not in matches and layer.command in by_command:
            matches[layer] = by_command.pop(layer.command)
    kept = set(matches.values())
    return [
        *(_layer_difference(matches.get(layer), layer) for layer in after),
        *(LayerDifference(REMOVED, layer.command, layer.size, None) for layer in before if layer not in kept),
    ]


def _layer_difference(before: _Layer | None, after: _Layer) -> LayerDifference:
    change = _change(before and before.digest, after.digest)
    return LayerDifference(change, after.command, before.size if before else None, after.size)


def strip_of(image: Image, common: Iterable[str]) -> list[tuple[int, bool]]:
    """Size of each layer, and whether both images have it."""
    found = set(common)
    return [(layer.size, layer.digest in found) for layer in image.layers]
