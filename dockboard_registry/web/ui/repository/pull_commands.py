"""The commands with which clients get what a manifest is."""

from ....domain.inspection import kinds

_POD = "containers:\n  - name: {name}\n    image: {image}"


def of(kind: str, repository: str, tag: str, digest: str) -> list[tuple[str, str]]:
    """Clients with their commands. repository: with the name of the registry. tag: empty to pull by digest."""
    reference = f"{repository}:{tag}" if tag else f"{repository}@{digest}"
    name = repository.rpartition("/")[2]
    if kind in (kinds.IMAGE, kinds.INDEX):
        return _image(reference, name, digest)
    if kind == kinds.CHART:
        chart = f"oci://{repository} --version {tag}" if tag else f"oci://{repository}@{digest}"
        return [
            ("helm", f"helm pull {chart}"),
            ("helm install", f"helm install {name} {chart}"),
            ("oras", f"oras pull {reference}"),
        ]
    return [
        ("oras", f"oras pull {reference}"),
        ("crane", f"crane manifest {reference}"),
        ("regctl", f"regctl manifest get {reference}"),
    ]


def _image(reference: str, name: str, digest: str) -> list[tuple[str, str]]:
    pinned = reference if "@" in reference else f"{reference}@{digest}"
    return [
        ("docker", f"docker pull {reference}"),
        ("podman", f"podman pull {reference}"),
        ("skopeo", f"skopeo copy docker://{reference} oci:{name}"),
        ("crane", f"crane pull {reference} {name}.tar"),
        ("Kubernetes", _POD.format(name=name, image=pinned)),
        ("containerd", f"ctr images pull {reference}"),
    ]
