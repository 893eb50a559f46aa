"""oras: artifacts of any type, and what refers to them."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.clients.content import stored
from tests.support.http import digest_of
from tests.support.images import OCI, noise, verify_layout

HTTP = "--plain-http"
# Fails instead of falling back to tags where the registry does not answer the referrers API.
API = ("--distribution-spec", "v1.1-referrers-api")
CHART = "application/vnd.example.chart"
SBOM = "application/spdx+json"


@pytest.fixture
def files(tmp_path):
    """A directory with two files to push."""
    root = tmp_path / "files"
    root.mkdir()
    (root / "chart.tgz").write_bytes(noise(40_000, 61))
    (root / "values.yaml").write_text("replicas: 3\n")
    return root


@pytest.fixture
def push(oras, files):
    """Pushes these files as an artifact; the digest of its manifest."""

    def push(name: str) -> str:
        described = oras(
            *("push", HTTP, "--disable-path-validation", "--format", "json", "--artifact-type", CHART, name),
            *(f"{files}/chart.tgz:application/vnd.example.content", f"{files}/values.yaml:text/yaml"),
        )
        return json.loads(described)["digest"]

    return push


@pytest.fixture
def attach(oras, tmp_path):
    """Attaches a small file to an artifact; the digest of the new manifest."""

    def attach(name: str, kind: str = SBOM) -> str:
        path = tmp_path / f"{digest_of(kind.encode())[-8:]}.json"
        path.write_text(json.dumps({"kind": kind, "of": name}))
        described = oras(
            *("attach", HTTP, *API, "--disable-path-validation", "--format", "json", "--artifact-type", kind),
            *(name, f"{path}:{kind}"),
        )
        return json.loads(described)["digest"]

    return attach


def test_files_are_pushed_and_pulled(oras, push, files, tmp_path, client, repository, target):
    digest = push(f"{target}:v1")
    manifest = client.pull_manifest(repository, "v1")
    assert (manifest.headers["Docker-Content-Digest"], manifest.json()["artifactType"]) == (digest, CHART)
    stored(client, repository, "v1")
    for path in files.iterdir():
        [blob] = [
            layer["digest"] for layer in manifest.json()["layers"] if layer["digest"] == digest_of(path.read_bytes())
        ]
        assert oras.output("blob", "fetch", HTTP, "--output", "-", f"{target}@{blob}") == path.read_bytes()


@pytest.mark.parametrize(
    "media_type", ["sometype", "text/plain;charset=utf-8", "application/vnd.example+json;version=0.2"]
)
def test_a_file_of_any_media_type(oras, tmp_path, client, repository, target, media_type):
    (tmp_path / "a.txt").write_text("a")
    oras("push", HTTP, "--disable-path-validation", f"{target}:v1", f"{tmp_path}/a.txt:{media_type}")
    assert client.pull_manifest(repository, "v1").json()["layers"][0]["mediaType"] == media_type
    blob = client.pull_manifest(repository, "v1").json()["layers"][0]["digest"]
    assert oras.output("blob", "fetch", HTTP, "--output", "-", f"{target}@{blob}") == b"a"


def test_files_land_under_their_names(oras, tmp_path, files, target):
    # oras names files by the paths that it was given; from inside the directory they are plain names.
    shell = f'cd "{files}" && exec "{oras.path}" push {HTTP} --artifact-type {CHART} {target}:v1 chart.tgz values.yaml'
    oras_in_shell(oras, shell)
    oras("pull", HTTP, "--output", tmp_path / "pulled", f"{target}:v1")
    for path in files.iterdir():
        assert (tmp_path / "pulled" / path.name).read_bytes() == path.read_bytes()


def oras_in_shell(oras, command) -> None:
    """Run oras in another directory."""
    done = subprocess.run(["sh", "-c", command], env=dict(oras.environment), capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_referrers_are_attached_discovered_and_filtered(oras, push, attach, client, repository, target):
    subject = push(f"{target}:v1")
    sbom, signature = attach(f"{target}:v1"), attach(f"{target}:v1", "application/vnd.example.signature")
    nested = attach(f"{target}@{sbom}", "application/vnd.example.signature")
    found = json.loads(oras("discover", HTTP, *API, "--format", "json", f"{target}:v1"))
    assert {entry["digest"] for entry in found["referrers"]} == {sbom, signature}
    [beneath] = [entry for entry in found["referrers"] if entry["digest"] == sbom]
    assert [entry["digest"] for entry in beneath["referrers"]] == [nested]
    only = json.loads(
        oras("discover", HTTP, *API, "--format", "json", "--depth", "1", "--artifact-type", SBOM, f"{target}@{subject}")
    )
    assert [entry["digest"] for entry in only["referrers"]] == [sbom]
    assert oras("repo", "tags", HTTP, target) == "v1"


def test_an_artifact_is_copied_with_all_that_refers_to_it(oras, push, attach, client, repository, target):
    subject = push(f"{target}:v1")
    signature = attach(f"{target}@{attach(f'{target}:v1')}", "application/vnd.example.signature")
    oras("cp", "--recursive", "--from-plain-http", "--to-plain-http", f"{target}:v1", f"{target}/copy:v1")
    assert stored(client, f"{repository}/copy", "v1") == stored(client, repository, "v1")
    stored(client, f"{repository}/copy", signature)
    found = json.loads(oras("discover", HTTP, *API, "--format", "json", f"{target}/copy@{subject}"))
    assert [entry["digest"] for entry in found["referrers"][0]["referrers"]] == [signature]


def test_backup_and_restore(oras, push, attach, tmp_path, client, repository, target):
    subject, sbom = push(f"{target}:v1"), attach(f"{target}:v1")
    oras("backup", HTTP, "--include-referrers", "--output", tmp_path / "backup", f"{target}:v1")
    assert {subject, sbom} <= verify_layout(tmp_path / "backup")
    oras("restore", HTTP, "--input", tmp_path / "backup", f"{target}/restored:v1")
    assert stored(client, f"{repository}/restored", "v1") == stored(client, repository, "v1")
    stored(client, f"{repository}/restored", sbom)


def test_a_layout_with_an_index_is_pushed_and_pulled(oras, tmp_path, client, repository, target, layout, index):
    oras("cp", "--from-oci-layout", "--to-plain-http", f"{layout.root}:v1", f"{target}:v1")
    assert stored(client, repository, "v1") == layout.digests()
    oras("cp", "--from-plain-http", "--to-oci-layout", f"{target}@{index['digest']}", f"{tmp_path}/pulled:v1")
    assert verify_layout(tmp_path / "pulled") == layout.digests()


def test_an_index_is_made_from_artifacts(oras, push, client, repository, target):
    digests = [push(f"{target}:v1")]
    oras("manifest", "index", "create", HTTP, "--artifact-type", CHART, f"{target}:all", "v1")
    found = client.pull_manifest(repository, "all").json()
    assert [child["digest"] for child in found["manifests"]] == digests
    assert found["artifactType"] == CHART


def test_manifests_and_blobs_are_pushed_and_fetched_alone(oras, tmp_path, client, repository, target, layout, image):
    for child in [
        *json.loads(layout.read(image["digest"]))["layers"],
        json.loads(layout.read(image["digest"]))["config"],
    ]:
        encoded = child["digest"].partition(":")[2]
        oras("blob", "push", HTTP, f"{target}@{child['digest']}", layout.root / "blobs" / "sha256" / encoded)
        assert oras.output("blob", "fetch", HTTP, "--output", "-", f"{target}@{child['digest']}") == layout.read(
            child["digest"]
        )
    body = layout.read(image["digest"])
    (tmp_path / "manifest.json").write_bytes(body)
    oras("manifest", "push", HTTP, f"{target}:v1,v2,v3", tmp_path / "manifest.json")
    assert oras.output("manifest", "fetch", HTTP, f"{target}@{image['digest']}") == body
    assert oras("repo", "tags", HTTP, target).split() == ["v1", "v2", "v3"]
    assert oras("resolve", HTTP, f"{target}:v2") == image["digest"]


def test_tags_and_repositories_are_listed(oras, push, registry, client, repository, target):
    push(f"{target}:v1")
    oras("tag", HTTP, f"{target}:v1", "latest", "Beta")
    assert oras("repo", "tags", HTTP, target).split() == ["Beta", "latest", "v1"]
    assert oras("repo", "tags", HTTP, "--last", "Beta", target).split() == ["latest", "v1"]
    push(f"{target}/below:v1")
    assert oras("repo", "ls", HTTP, f"{target}/").split() == ["below"]


def test_a_manifest_and_a_blob_are_deleted(oras, push, client, repository, target):
    digest = push(f"{target}:v1")
    layers = client.pull_manifest(repository, "v1").json()["layers"]
    oras("manifest", "delete", HTTP, "--force", f"{target}@{digest}")
    assert oras("repo", "tags", HTTP, target) == ""
    oras("blob", "delete", HTTP, "--force", f"{target}@{layers[0]['digest']}")
    assert client.head(f"/v2/{repository}/blobs/{layers[0]['digest']}").status == 404


def test_a_single_segment_name(push, registry, client):
    push(f"{registry.address}/oras-single:v1")
    stored(client, "oras-single", "v1")


def test_a_missing_artifact_is_explained(oras, push, client, repository, target):
    push(f"{target}:v1")
    # oras asks by HEAD, which carries no words.
    assert f"{target}:missing: not found" in oras.refused("manifest", "fetch", HTTP, f"{target}:missing")


def test_a_manifest_whose_blobs_are_missing_is_explained(oras, tmp_path, client, repository, target, layout, image):
    body = layout.read(image["digest"])
    (tmp_path / "manifest.json").write_bytes(body)
    printed = oras.refused("manifest", "push", HTTP, f"{target}:v1", tmp_path / "manifest.json")
    answer = client.request("PUT", f"/v2/{repository}/manifests/v1", {"Content-Type": OCI.manifest}, body)
    error = answer.expect(400, 404).json()["errors"][0]
    assert error["code"] == "MANIFEST_BLOB_UNKNOWN"
    assert error["message"] in printed
