"""What differs between two images, and how steps and layers are matched."""

import json
import time

import pytest

from dockboard_registry.domain.inspection.comparison import compare
from dockboard_registry.domain.inspection.image_config import ImageConfig, Step, moment, read
from dockboard_registry.domain.inspection.inspector import Image, build_steps, with_config
from dockboard_registry.domain.inspection.layer_uses import LayerUse
from dockboard_registry.domain.inspection.manifest_content import Layer, ManifestContent
from dockboard_registry.domain.inspection.manifest_content import read as read_manifest
from dockboard_registry.web.ui import times

OCI = "application/vnd.oci.image.manifest.v1+json"


def image(layers: dict[str, int], commands: list[str] = [], **config) -> Image:
    """layers: names and sizes. commands: of the steps, those with a layer."""
    held = [Layer(name, size, "") for name, size in layers.items()]
    content = ManifestContent("image", OCI, None, Layer(f"config {config}", 10, ""), tuple(held))
    uses = [LayerUse(name, size, True) for name, size in layers.items()]
    bare = Image("", content, None, uses, *build_steps((), uses))
    return with_config(bare, ImageConfig(history=tuple(Step(each, False) for each in commands), **config))


def test_an_image_is_the_same_as_itself():
    one = image({"a": 1}, ["RUN a"], user="root")
    found = compare(one, one)
    assert found.is_same and found.to_pull == 0 and found.common == {"a"}
    assert found.same == {"configuration": 1, "environment": 0, "labels": 0, "layers": 1}


def test_layers_are_matched_by_digest_then_by_command():
    before = image({"base": 100, "pip1": 20, "app1": 3, "gone": 4}, ["ADD", "RUN pip", "COPY app", "RUN x"])
    after = image({"base": 100, "pip2": 25, "app2": 3, "new": 7}, ["ADD", "RUN pip", "COPY app", "RUN y"])
    found = compare(before, after)
    assert [tuple(each) for each in found.layers] == [
        ("same", "ADD", 100, 100),
        ("changed", "RUN pip", 20, 25),
        ("changed", "COPY app", 3, 3),
        ("added", "RUN y", None, 7),
        ("removed", "RUN x", 4, None),
    ]
    assert (found.before_size, found.after_size, found.to_pull) == (137, 145, 35)


def test_configuration_environment_and_labels():
    before = image({}, env=(("A", "1"), ("B", "2")), ports=("80/tcp",), user="root", labels=(("k", "1"),))
    after = image({}, env=(("A", "1"), ("B", "3"), ("C", "4")), ports=("90/tcp",), user="me", labels=(("k", "1"),))
    found = compare(before, after)
    assert [tuple(each) for each in found.environment] == [("changed", "B", "2", "3"), ("added", "C", None, "4")]
    assert [tuple(each) for each in found.configuration] == [
        ("changed", "user", "root", "me"),
        ("removed", "port 80/tcp", "80/tcp", None),
        ("added", "port 90/tcp", None, "90/tcp"),
    ]
    assert found.labels == [] and found.same["labels"] == 1


def test_history_that_does_not_fit_leaves_the_layers_alone():
    layers = [LayerUse(f"l{n}", n, False) for n in range(300)]
    steps, matched = build_steps([Step("RUN", False)] * 299, layers)
    assert not matched and len(steps) == 300 and steps[299].layer_number == 300
    steps, matched = build_steps([Step("RUN", False), Step("ENV", True)] * 300, layers)
    assert matched and len(steps) == 600 and steps[598].layer.digest == "l299" and steps[599].layer is None


def test_commands_are_shown_as_their_author_wrote_them():
    recorded = {
        '/bin/sh -c #(nop)  CMD ["sh"]': 'CMD ["sh"]',
        "/bin/sh -c apt-get update": "RUN apt-get update",
        "RUN /bin/sh -c make all # buildkit": "RUN make all",
        "RUN |2 A=1 B=2 /bin/sh -c make # buildkit": "RUN make",
        "COPY app /srv # buildkit": "COPY app /srv",
    }
    data = '{"history": [%s]}' % ", ".join('{"created_by": %s}' % json_text(each) for each in recorded)
    assert [step.command for step in read(data.encode()).history] == list(recorded.values())


def test_no_command_takes_long_to_read():
    """Arguments of a build that can be split in many ways: so many of them would take years, and hold up everybody."""
    command = "RUN |1 " + "a== " * 1000 + "sh"
    begun = time.process_time()
    (step,) = read(json.dumps({"history": [{"created_by": command}]}).encode()).history
    assert step.command == command and time.process_time() - begun < 1


def json_text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def test_whatever_a_config_holds_it_is_read_or_left_out():
    for data in (b"", b"[]", b"{", b"\xff", b"[" * 100_000, b'{"a": ' + b"1" * 5000 + b"}", b" " * ((1 << 20) + 1)):
        assert read(data) is None
    odd = b'{"os": 1, "config": {"Env": [1, null, "A"], "Labels": {"k": ["v"]}, "Cmd": "sh"}, "history": {"a": 1}}'
    found = read(odd)
    assert (found.env, found.labels, found.cmd, found.history) == ((("1", ""), ("", ""), ("A", "")), (), ("sh",), ())
    assert read(b'{"author": "\\ud800"}').author == "\\ud800"
    for wrong in (None, 7, "yesterday", "0001-01-01T00:00:00Z", "9999-99-99", "1" * 5000, "1970-01-01"):
        assert moment(wrong) is None
    assert moment("2026-11-28T09:11:52.123456789Z") == 1795857112123


@pytest.mark.parametrize("text", ["9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z", "9999-12-31T00:00:00.001Z"])
def test_a_time_that_some_zone_can_not_show_is_left_out(text):
    assert moment(text) is None
    found = read(json.dumps({"created": text, "history": [{"created": text, "created_by": "x"}]}).encode())
    assert (found.created_at, found.history[0].created_at) == (None, None)


def test_the_last_time_that_every_zone_can_show_is_read():
    latest = moment("9999-12-31T00:00:00Z")
    assert latest == 253_402_214_400_000
    assert times.shown(latest, times.zone("Pacific/Kiritimati")) == "9999-12-31 14:00"


def test_a_manifest_has_a_bounded_number_of_layers():
    layer = '{"mediaType": "t", "digest": "sha256:%064x", "size": 1}'
    body = '{"layers": [%s]}' % ", ".join(layer % n for n in range(1500))
    found = read_manifest(body.encode(), OCI)
    assert (len(found.layers), found.omitted) == (1000, 500)
    assert read_manifest(b'{"layers": {"a": 1}, "manifests": [7, {}], "config": []}', OCI).layers == ()
