"""Durations and sizes: read alike in the file, in the environment, and by commands."""

import pytest

from dockboard_registry import config, durations
from dockboard_registry.cli.accounts.quotas import _READ, limit
from dockboard_registry.config import ConfigError
from dockboard_registry.errors import FieldInvalid

SECONDS = [
    ("90d", 7776000),
    ("1h", 3600),
    ("30m", 1800),
    ("45s", 45),
    ("2w", 1209600),
    ("60", 60),
    ("0.5", 0.5),
    ("1.5h", 5400),
    ("0s", 0),
]
BYTES = [
    ("10GiB", 10 << 30),
    ("10G", 10 << 30),
    ("10g", 10 << 30),
    ("10Gi", 10 << 30),
    ("10GB", 10**10),
    ("1.5GiB", 3 << 29),
    ("512", 512),
    ("512B", 512),
    ("1K", 1024),
    ("2TiB", 2 << 40),
]
NO_DURATION = ["", "d", "90x", "90 d", "1h30m", "-1s", "90D", "٣d", "1e3", "nan", "1.s"]
NO_SIZE = ["", "10 GB", "G", "10X", "10GiBs", "-1G", "1 0G", "٣G", "10iB", "nan"]


def from_file(tmp_path, key: str, value: str):
    section, name = key.split(".")
    (tmp_path / "registry.toml").write_text(f"[{section}]\n{name} = {value}\n")
    return getattr(getattr(config.load({"config": str(tmp_path / "registry.toml")}, {}), section), name)


def from_environment(key: str, text: str):
    section, name = key.split(".")
    return getattr(getattr(config.load({}, {f"DOCKBOARD_{section}_{name}".upper(): text}), section), name)


@pytest.mark.parametrize(("text", "expected"), SECONDS)
def test_a_duration_is_the_same_everywhere(tmp_path, text, expected):
    assert durations.duration(text) == expected
    assert from_environment("gc.lease", text) == from_file(tmp_path, "gc.lease", f'"{text}"') == expected


def test_numbers_stay_numbers_of_the_setting(tmp_path):
    assert from_file(tmp_path, "gc.lease", "90") == 90 and from_file(tmp_path, "gc.lease", "1.5") == 1.5
    assert from_environment("auth.audit_days", "90") == from_file(tmp_path, "auth.audit_days", "90") == 90
    assert from_environment("auth.audit_days", "90d") == from_file(tmp_path, "auth.audit_days", '"90d"') == 90
    assert from_environment("auth.audit_days", "2w") == 14 and from_environment("auth.audit_days", "48h") == 2
    assert from_environment("storage.reserve", "-1") == from_file(tmp_path, "storage.reserve", "-1") == -1


@pytest.mark.parametrize(("text", "expected"), BYTES)
def test_a_size_is_the_same_everywhere(tmp_path, text, expected):
    assert limit(text, *_READ["bytes"]) == expected
    for key in ("auth.quota_bytes", "storage.reserve"):
        assert from_environment(key, text) == from_file(tmp_path, key, f'"{text}"') == expected


@pytest.mark.parametrize("text", NO_DURATION)
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(FieldInvalid) as caught:
        durations.duration(text)
    assert "90d" in caught.value.next
    for key in ("gc.lease", "auth.audit_days"):
        with pytest.raises(ConfigError, match=f"{key} must be a number .* such as 90d, 12h"):
            from_environment(key, text)


def test_hours_are_no_days():
    with pytest.raises(ConfigError, match="auth.audit_days must be a number .*whole days"):
        from_environment("auth.audit_days", "36h")


@pytest.mark.parametrize("text", NO_SIZE)
def test_what_is_no_size_is_refused_with_an_example(text):
    with pytest.raises(FieldInvalid) as caught:
        limit(text, *_READ["bytes"])
    assert "10GiB" in caught.value.next
    with pytest.raises(ConfigError, match="auth.quota_bytes must be .* such as 500MiB, 10GiB or 10G"):
        from_environment("auth.quota_bytes", text)


def test_a_number_of_repositories_is_no_size():
    assert (
        limit("20", *_READ["repositories"]) == 20
        and limit("none", *_READ["repositories"]) == -1
        and limit("default", *_READ["bytes"]) is None
    )
    for text in ("10G", "-1", "2.5", "9" * 30):
        with pytest.raises(FieldInvalid):
            limit(text, *_READ["repositories"])


def test_a_time_of_centuries_is_a_mistake():
    with pytest.raises(FieldInvalid, match="hundred years"):
        durations.in_future("99999w")
