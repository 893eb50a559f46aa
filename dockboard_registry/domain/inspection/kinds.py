"""What kind of thing a manifest is, told by its media types."""

from collections.abc import Iterable

from ..content.documents import INDEXES

IMAGE, INDEX, CHART, SIGNATURE, SBOM, ATTESTATION, WASM, ARTIFACT = KINDS = (
    *("image", "index", "chart", "signature", "sbom", "attestation", "wasm", "artifact"),
)
IMAGE_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")
_CHART_CONFIG = "application/vnd.cncf.helm.config."
# Parts of media types, and the kind that they tell. The first one that is found counts.
_TOLD = (
    ("spdx", SBOM),
    ("cyclonedx", SBOM),
    ("syft", SBOM),
    ("sbom", SBOM),
    ("cosign.artifact.sig", SIGNATURE),
    ("simplesigning", SIGNATURE),
    ("cncf.notary.signature", SIGNATURE),
    ("sigstore.bundle", SIGNATURE),
    ("in-toto", ATTESTATION),
    ("dsse", ATTESTATION),
    ("slsa", ATTESTATION),
    ("helm.config", CHART),
    ("helm.chart", CHART),
    ("wasm", WASM),
)
# The tags that cosign and others make for what belongs to a manifest: sha256-HEX, and one of these ends.
TOOL_TAGS = {".sig": SIGNATURE, ".att": ATTESTATION, ".sbom": SBOM, "": ARTIFACT}
PREDICATE = "in-toto.io/predicate-type"


def of_manifest(media_type: str, artifact_type: str | None, layers: Iterable[tuple[str, str]] = ()) -> str:
    """artifact_type: the type that the manifest has, otherwise that of its config. layers: media type and predicate
    type of each; the latter empty if there is none.
    """
    if media_type in INDEXES:
        return INDEX
    if artifact_type and artifact_type not in IMAGE_CONFIGS:
        found = of_type(artifact_type)
        return found if found != ARTIFACT else _of_layers(layers) or ARTIFACT
    return _of_layers(layers) or IMAGE


def of_type(artifact_type: str | None) -> str:
    """The kind that an artifact type tells."""
    text = (artifact_type or "").lower()
    return next((kind for part, kind in _TOLD if part in text), ARTIFACT)


def _of_layers(layers: Iterable[tuple[str, str]]) -> str | None:
    """Signatures and attestations may come with the config of an image. All their layers are of their own type."""
    found = {_of_layer(media_type, predicate) for media_type, predicate in layers}
    return found.pop() if len(found) == 1 else None


def _of_layer(media_type: str, predicate: str) -> str | None:
    kind = of_type(media_type)
    if kind == ATTESTATION and of_type(predicate) == SBOM:
        return SBOM
    return kind if kind != ARTIFACT else None


def tool_tags(digest: str) -> dict[str, str]:
    """The tags that tools make for what belongs to the manifest, and the kind of each."""
    return {digest.replace(":", "-", 1) + end: kind for end, kind in TOOL_TAGS.items()}
