"""storage.url and the options beside it."""

import os
import re
from pathlib import Path

import pytest

from dockboard_registry import config
from dockboard_registry.config import ConfigError
from dockboard_registry.errors import StartError
from dockboard_registry.storage import stores
from dockboard_registry.storage.objects.credentials import Credentials, FileCredentials

KEYS = {"DOCKBOARD_STORAGE_ACCESS_KEY": "key", "DOCKBOARD_STORAGE_SECRET_KEY": "very secret"}


def loaded(url: str, **more: str):
    return config.load({}, {"DOCKBOARD_STORAGE_URL": url, **KEYS, **more})


def refused(url: str, **more: str) -> str:
    with pytest.raises(ConfigError) as caught:
        loaded(url, **more)
    return str(caught.value)


def test_a_bucket_of_amazon_is_addressed_by_its_host():
    found = loaded("s3://hub/some/prefix?region=eu-central-1").storage.url
    assert (found.bucket, found.prefix, found.region) == ("hub", "some/prefix/", "eu-central-1")
    assert (found.endpoint, found.virtual) == ("https://s3.eu-central-1.amazonaws.com", True)


def test_another_endpoint_is_addressed_by_path_unless_said_otherwise():
    url = "s3://hub?endpoint=https://minio.example:9000&redirect_endpoint=https://files.example"
    found = loaded(url).storage.url
    assert (found.endpoint, found.virtual, found.prefix) == ("https://minio.example:9000", False, "")
    assert found.redirect_endpoint == "https://files.example"
    assert loaded(f"{url}&style=virtual").storage.url.virtual


def test_a_plain_endpoint_is_taken_from_this_machine_or_when_it_is_said():
    assert loaded("s3://hub?endpoint=http://127.0.0.1:9000").storage.url.endpoint == "http://127.0.0.1:9000"
    assert loaded("s3://hub?endpoint=http://store:9000&tls=off").storage.url.endpoint == "http://store:9000"
    assert "without TLS: use https, or add tls=off" in refused("s3://hub?endpoint=http://store:9000")


def test_every_url_of_the_documents_can_be_used():
    texts = [(Path(__file__).parents[2] / "docs" / name).read_text() for name in ("configuration.md", "many-nodes.md")]
    found = [url for text in texts for url in re.findall(r'url = "((?:s3|swift|oss|cos|bos|kodo)://[^"]+)"', text)]
    assert {loaded(url).storage.url.kind for url in found} == {"s3", "swift", "oss", "cos", "bos", "kodo"}


def test_parts_are_equal_where_it_is_said_and_for_cloudflare():
    r2 = "endpoint=https://account.r2.cloudflarestorage.com&region=auto"
    for url, parts in (("s3://hub", "growing"), ("s3://hub?parts=equal", "equal"), (f"s3://hub?{r2}", "equal")):
        assert loaded(url).storage.url.more["parts"] == parts
    assert loaded(f"s3://hub?{r2}&parts=growing").storage.url.more["parts"] == "growing"
    assert "has another parts than growing or equal" in refused("s3://hub?parts=large")


def test_kodo_has_a_host_for_each_kind_of_requests():
    for region in ("z1", "cn-north-1"):
        found = loaded(f"kodo://hub/some?region={region}").storage.url
        assert (found.bucket, found.prefix, found.endpoint) == ("hub", "some/", "https://rs-z1.qiniuapi.com")
        source = "https://hub.kodo-cn-north-1.qiniucs.com"
        assert found.more == {"up": "https://up-z1.qiniup.com", "rsf": "https://rsf-z1.qiniuapi.com", "source": source}
        assert found.redirect_endpoint == source
    more = "download_endpoint=https://inner.example&redirect_endpoint=https://files.example"
    found = loaded(f"kodo://hub?region=cn-east-1&{more}").storage.url
    assert (found.more["up"], found.more["source"]) == ("https://up.qiniup.com", "https://inner.example")
    assert (found.endpoint, found.redirect_endpoint) == ("https://rs-z0.qiniuapi.com", "https://files.example")
    assert "Kodo takes none" in refused("kodo://hub?region=z0", DOCKBOARD_STORAGE_SESSION_TOKEN="x")


def test_swift_is_named_by_where_to_sign_in():
    found = loaded("swift://hub/some?auth=https://x:5000/v3&project=p&region=one&endpoint=https://near").storage.url
    assert (found.bucket, found.prefix, found.endpoint) == ("hub", "some/", "https://near")
    assert found.more == {"auth": "https://x:5000/v3", "project": "p", "region": "one"}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://hub?endpoin=https://x", "has no parameter 'endpoin'; did you mean endpoint?"),
        ("s3://hub?redirect_endpont=https://x", "did you mean redirect_endpoint?"),
        ("gs://hub", "must be s3://BUCKET"),
        ("/var/lib/registry", "must be s3://BUCKET/PREFIX"),
        ("s3://", "must name a bucket"),
        ("s3://hub/../x", "a prefix of letters, digits"),
        ("s3://hub/a//b", "a prefix of letters, digits"),
        ("s3://key:secret@hub", "must not hold keys"),
        ("s3://hub?style=dns", "has another style than path or virtual"),
        ("s3://hub?endpoint=minio:9000", "has a wrong endpoint"),
        ("s3://hub?endpoint=https://x/path", "has a wrong endpoint"),
        ("oss://hub", "needs region, such as cn-hangzhou"),
        ("cos://hub?region=x&style=path", "has another style than virtual or cname"),
        ("oss://hub?regoin=x", "did you mean region?"),
        ("kodo://hub", "needs region, such as z0 or cn-east-1"),
        ("kodo://hub?region=z0&download=https://x", "did you mean download_endpoint?"),
        ("kodo://hub?region=z0&download_endpoint=http://x", "without TLS"),
        ("swift://hub", "needs auth"),
        ("swift://hub?auth=https://x", "has a wrong auth: it must be https:// with a host, and a path"),
        ("swift://hub?auth=http://x/auth/v1.0", "without TLS"),
        ("swift://hub?auth=https://x/v3", "needs project"),
        ("swift://hub?auth=https://x/auth/v1.0&project=p", "has project, which only Keystone knows"),
        ("swift://hub?auth=https://x/v3&project=p&interface=secret", "has another interface than public or internal"),
        ("swift://hub?auth=https://x/v3&projekt=p", "did you mean project?"),
        ("s3://hub?auth=https://x/v3", "has no parameter 'auth'"),
        ("s3://hub?region=eu/1", "has a region that is none"),
    ],
)
def test_a_wrong_url_is_refused_in_words(url, words):
    assert words in refused(url)


def test_keys_are_needed_and_say_where_they_belong():
    with pytest.raises(ConfigError, match="DOCKBOARD_STORAGE_SECRET_KEY"):
        config.load({}, {"DOCKBOARD_STORAGE_URL": "s3://hub"})


def test_secrets_are_not_shown():
    shown = config.show(loaded("s3://hub", DOCKBOARD_STORAGE_SESSION_TOKEN="the token"))
    assert "very secret" not in shown and "the token" not in shown
    assert 'secret_key = "***"' in shown and 'session_token = "***"' in shown
    assert "very" not in refused("s3://hub", DOCKBOARD_STORAGE_SECRET_KEY="very\nsecret")


def test_a_credentials_file_is_read_by_its_owner_only(tmp_path):
    path = tmp_path / "credentials"
    path.write_text("[default]\naws_access_key_id = a\naws_secret_access_key = s\n")
    path.chmod(0o644)
    alone = {"DOCKBOARD_STORAGE_URL": "s3://hub", "DOCKBOARD_STORAGE_CREDENTIALS_FILE": str(path)}
    with pytest.raises(ConfigError, match="chmod 600"):
        config.load({}, alone)
    path.chmod(0o600)
    assert str(stores.driver(config.load({}, alone).storage)) == "s3://hub at https://s3.us-east-1.amazonaws.com"
    assert "leave out one of them" in refused("s3://hub", **alone)


def test_renewed_credentials_are_used_without_a_restart(tmp_path):
    path = tmp_path / "credentials"
    path.write_text("aws_access_key_id = first\naws_secret_access_key = s1\naws_session_token = t1\n")
    at = [0.0]
    found = FileCredentials(path, lambda: at[0])
    assert found.now() == Credentials("first", "s1", "t1")
    path.write_text('access_key = "second"\nsecret_key = s2\n')
    os.utime(path, ns=(1, 1))
    at[0] += 10
    assert found.now() == Credentials("second", "s2", "")
    path.unlink()
    at[0] += 10
    assert found.now() == Credentials("second", "s2", "")


def test_a_credentials_file_without_a_key_is_said_in_words(tmp_path):
    path = tmp_path / "credentials"
    path.write_text("aws_access_key_id = first\n")
    with pytest.raises(StartError, match="lacks aws_access_key_id or aws_secret_access_key"):
        FileCredentials(path).now()
