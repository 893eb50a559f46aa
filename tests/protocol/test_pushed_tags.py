"""`?tag=`: tags that are pushed together with a manifest by digest (distribution
specification, development version).
"""

from __future__ import annotations

import json

import pytest

from tests.protocol.refusal import refused
from tests.protocol.test_manifests import IMAGE, REFUSED, child, put
from tests.protocol.test_manifests import repository as repository
from tests.protocol.wire import Connection
from tests.support.http import OCI_MANIFEST, digest_of

pytestmark = pytest.mark.database


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
@pytest.mark.parametrize("spelling", ["repeated", "comma"])
def test_tags_pushed_with_a_digest(client, repository, spelling, algorithm):
    tags = [f"{spelling}-{algorithm}-{number}" for number in range(12)]
    data = json.dumps({**IMAGE, "annotations": {"tags": spelling + algorithm}}).encode()
    digest = digest_of(data, algorithm)
    query = "&".join(f"tag={tag}" for tag in tags)
    done = put(client, f"/v2/{repository}/manifests/{digest}?{query}", data).expect(201)
    assert told_tags(done) == tags
    for tag in tags:
        found = client.get(f"/v2/{repository}/manifests/{tag}").expect(200)
        assert found.body == data


def told_tags(response) -> list[str]:
    return [tag.strip() for line in response.headers.get_all("OCI-Tag", []) for tag in line.split(",")]


@pytest.mark.parametrize(("count", "length"), [(10, 128), (19, 128), (100, 24), (100, 2)])
def test_an_answer_that_names_many_tags_is_small_enough_for_proxies(client, repository, count, length):
    """nginx takes a header of 4,096 bytes, HAProxy and Python's http.client 100 lines."""
    tags = [f"{number:02}".ljust(length, "x") for number in range(count)]
    data = json.dumps({**IMAGE, "subject": {**child(), "digest": "sha512:" + "0" * 128}}).encode()
    with Connection(client.address) as connection:
        path = f"/v2/{repository}/manifests/{digest_of(data, 'sha512')}?tag={','.join(tags)}"
        done = connection.request("PUT", path, [("Content-Type", OCI_MANIFEST)], data).expect(201)
    assert told_tags(done) == tags
    assert len(done.headers.get_all("OCI-Tag")) == 1
    assert sum(len(name) + len(value) + 4 for name, value in done.headers.items()) < 4096 - 200, (
        "proxies add fields of their own"
    )


@pytest.mark.parametrize(
    "query",
    [
        "&".join(f"tag=a{number}" for number in range(101)),
        "tag=" + ",".join(f"{number:02}".ljust(128, "x") for number in range(20)),
    ],
)
def test_more_tags_than_the_answer_can_name_are_refused(client, repository, query):
    data = json.dumps({**IMAGE, "annotations": {"tags": "too many"}}).encode()
    answer = put(client, f"/v2/{repository}/manifests/{digest_of(data)}?{query}", data)
    refused(answer, ((400,), ("UNSUPPORTED",)))
    assert b"100 tags" in answer.body and b"2560 bytes" in answer.body, "the answer says what the limit is"
    client.get(f"/v2/{repository}/manifests/{digest_of(data)}").expect(404)


def test_one_bad_tag_refuses_them_all(client, repository):
    data = json.dumps({**IMAGE, "annotations": {"tags": "bad"}}).encode()
    answer = put(client, f"/v2/{repository}/manifests/{digest_of(data)}?tag=good-one&tag=.bad", data)
    refused(answer, REFUSED["no tag at all"])
    client.get(f"/v2/{repository}/manifests/good-one").expect(404)
    client.get(f"/v2/{repository}/manifests/{digest_of(data)}").expect(404)
