"""How much of a manifest and of a config is read for people."""

import json

from dockboard_registry.domain.content.json_limits import MOST_VALUES
from dockboard_registry.domain.inspection import image_config, manifest_content

DIGEST = f"sha256:{'0' * 64}"
MANIFEST, INDEX = (f"application/vnd.oci.image.{kind}.v1+json" for kind in ("manifest", "index"))


def manifest(key: str, count: int) -> bytes:
    return json.dumps({key: [{"digest": DIGEST, "size": 1, "mediaType": "a/b"}] * count}).encode()


def test_so_many_layers_and_images_are_read():
    for media_type, key, field, most in (
        (MANIFEST, "layers", "layers", manifest_content.MOST_LAYERS),
        (INDEX, "manifests", "children", manifest_content.MOST_CHILDREN),
    ):
        for count, left_out in ((most, 0), (most + 7, 7)):
            found = manifest_content.read(manifest(key, count), media_type)
            assert (len(getattr(found, field)), found.omitted) == (most, left_out)


def test_configs_beyond_the_limit_are_not_read():
    config = b'{"os": "linux", "architecture": "amd64"}'
    fits = config + b" " * (image_config.LONGEST - len(config))
    assert image_config.read(fits).platform == "linux/amd64"
    assert image_config.read(fits + b" ") is None
    for number, known in ((MOST_VALUES - 10, True), (MOST_VALUES + 10, False)):
        many = config[:-1] + b', "other": [' + b"1," * number + b"1]}"
        assert len(many) < image_config.LONGEST
        assert (image_config.read(many) is not None) == (image_config.read_summary(many) is not None) == known
