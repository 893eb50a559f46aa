"""containerd's own client, on the containerd that the docker daemon starts: what Kubernetes nodes pull with."""

from __future__ import annotations

from tests.clients.content import stored, upload
from tests.clients.programs import forget_content


def fetched(ctr) -> set[str]:
    """The digests that containerd has; it names content by the digest that it verified itself."""
    return set(ctr("content", "list", "--quiet").split())


def test_an_image_is_pulled_into_an_empty_store(ctr, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", f"{target}:v1")
    assert fetched(ctr) == layout.digests()
    assert image["digest"] in ctr("images", "list", f"name=={target}:v1")


def test_an_image_is_pulled_by_digest(ctr, client, repository, target, layout, image):
    upload(client, layout, repository, "v1", image)
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", f"{target}@{image['digest']}")
    assert fetched(ctr) == layout.digests()


def test_a_pushed_image_is_kept_byte_for_byte(ctr, tmp_path, client, repository, target, layout, image):
    ctr("images", "import", "--no-unpack", "--base-name", target, layout.archive(tmp_path / "image.tar"))
    ctr("images", "push", "--plain-http", f"{target}:v1")
    assert client.pull_manifest(repository, "v1").body == layout.read(image["digest"])
    assert stored(client, repository, "v1") == layout.digests()


def test_an_index_with_all_platforms_goes_both_ways(ctr, client, repository, target, layout, index):
    upload(client, layout, repository, "v1", index)
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", "--all-platforms", f"{target}:v1")
    assert fetched(ctr) == layout.digests()
    ctr("images", "tag", f"{target}:v1", f"{target}/copy:v2")
    ctr("images", "push", "--plain-http", f"{target}/copy:v2")
    assert stored(client, f"{repository}/copy", "v2") == layout.digests()
    forget_content(ctr)
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", "--all-platforms", f"{target}/copy:v2")
    assert fetched(ctr) == layout.digests()


def test_one_platform_of_an_index_is_pulled_alone(ctr, client, repository, target, layout, index):
    upload(client, layout, repository, "v1", index)
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", "--platform", "linux/arm64", f"{target}:v1")
    # The layers are shared but for one; the other platforms' configs and manifests stay away.
    assert index["digest"] in fetched(ctr) < layout.digests()


def test_zstd_layers_are_pulled(ctr, client, repository, target, layout, layers):
    image = layout.image(layers, compression="zstd")
    upload(client, layout, repository, "v1", image)
    ctr("images", "pull", "--plain-http", "--snapshotter", "native", f"{target}:v1")
    assert fetched(ctr) == layout.digests()


def test_a_missing_image_is_explained(ctr, target):
    printed = ctr.refused("images", "pull", "--plain-http", f"{target}:v1")
    # containerd asks by HEAD, which carries no words; it must come to the right end all the same.
    assert f"{target}:v1: not found" in printed
