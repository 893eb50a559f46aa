"""The referrers API (distribution-spec, "Listing Referrers"): who points at a manifest by `subject`."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest

from tests.protocol.refusal import refused
from tests.support.http import OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Client, descriptor, digest_of
from tests.support.server import Registry

pytestmark = pytest.mark.database

SBOM, SIGNATURE = "application/vnd.example.sbom.v1", "application/vnd.example.signature.v1"
ABSENT = "sha256:" + "0" * 64
MANY = 250
LARGEST_PAGE = 1_000
EMPTY = descriptor(b"{}", OCI_EMPTY)
REFUSED = {"bad digest": ((400,), ("DIGEST_INVALID", "UNSUPPORTED"))}


def document(subject: dict, **more) -> bytes:
    base = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": EMPTY, "layers": [EMPTY], "subject": subject}
    return json.dumps({**base, **more}).encode()


def index_of(subject: dict, **more) -> bytes:
    return json.dumps(
        {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [], "subject": subject, **more}
    ).encode()


def subject_named(name: str) -> dict:
    """A descriptor of a manifest that nobody pushed; each test takes one of its own."""
    return {"mediaType": OCI_MANIFEST, "digest": digest_of(name.encode()), "size": 7023}


@pytest.fixture(scope="module")
def repository(registry) -> str:
    with Client(registry.address) as client:
        client.push_blob("referrers/app", b"{}")
        client.push_blob("referrers/app", b"config")
    return "referrers/app"


def listing(client: Client, repository: str, digest: str, query: str = ""):
    answer = client.get(f"/v2/{repository}/referrers/{digest}{query}").expect(200)
    assert answer.headers["Content-Type"] == OCI_INDEX
    content = answer.json()
    assert content["schemaVersion"] == 2 and content["mediaType"] == OCI_INDEX
    return answer, content["manifests"]


def push(client: Client, repository: str, data: bytes, media_type: str = OCI_MANIFEST) -> str:
    return client.push_manifest(repository, digest_of(data), data, media_type)


@pytest.mark.parametrize("digest", [ABSENT, "sha512:" + "0" * 128])
def test_nothing_refers_to_an_unknown_manifest(client, repository, digest):
    assert listing(client, repository, digest)[1] == []


def test_an_unknown_repository_has_no_referrers(client):
    """The spec allows 404 only to registries without the API, and clients would fall back to tags."""
    assert listing(client, "no/such/repository", ABSENT)[1] == []


@pytest.mark.parametrize(
    "digest", ["sha256:short", "latest", "md5:" + "0" * 32, "SHA256:" + "0" * 64, "sha256:" + "F" * 64]
)
def test_what_is_no_digest(client, repository, digest):
    refused(client.get(f"/v2/{repository}/referrers/{digest}"), REFUSED["bad digest"])


def test_a_descriptor_tells_all_about_the_referrer(client, repository):
    notes = {"org.example.note": "h\u00e9 \U0001f40b", "empty": ""}
    data = document(subject_named("all"), artifactType=SBOM, annotations=notes)
    push(client, repository, data)
    (entry,) = listing(client, repository, subject_named("all")["digest"])[1]
    assert entry == {
        "mediaType": OCI_MANIFEST,
        "digest": digest_of(data),
        "size": len(data),
        "artifactType": SBOM,
        "annotations": notes,
    }


@pytest.mark.parametrize(
    ("name", "build", "media_type", "artifact_type"),
    [
        ("own type", lambda subject: document(subject, artifactType=SBOM), OCI_MANIFEST, SBOM),
        (
            "type of the config",
            lambda subject: document(subject, config=descriptor(b"config", OCI_CONFIG)),
            OCI_MANIFEST,
            OCI_CONFIG,
        ),
        (
            "empty type",
            lambda subject: document(subject, artifactType="", config=descriptor(b"config", SIGNATURE)),
            OCI_MANIFEST,
            SIGNATURE,
        ),
        ("index with a type", lambda subject: index_of(subject, artifactType=SBOM), OCI_INDEX, SBOM),
        ("index without", index_of, OCI_INDEX, None),
    ],
)
def test_artifact_type(client, repository, name, build, media_type, artifact_type):
    subject = subject_named(name)
    push(client, repository, build(subject), media_type)
    (entry,) = listing(client, repository, subject["digest"])[1]
    assert entry["mediaType"] == media_type
    assert entry.get("artifactType") == artifact_type
    assert "artifactType" in entry or artifact_type is None


def test_the_filter(client, repository):
    subject = subject_named("filter")
    kinds = [SBOM, SBOM, SIGNATURE]
    digests = [
        push(client, repository, document(subject, artifactType=kind, annotations={"n": str(n)}))
        for n, kind in enumerate(kinds)
    ]
    answer, everything = listing(client, repository, subject["digest"])
    assert {entry["digest"] for entry in everything} == set(digests)
    assert answer.headers["OCI-Filters-Applied"] is None
    for kind, expected in (
        (SBOM, digests[:2]),
        (SIGNATURE, digests[2:]),
        ("application/vnd.none", []),
        (SBOM[:-1], []),
    ):
        answer, found = listing(client, repository, subject["digest"], "?artifactType=" + quote(kind, safe=""))
        assert {entry["digest"] for entry in found} == set(expected)
        assert answer.headers["OCI-Filters-Applied"] == "artifactType"


@pytest.mark.parametrize("value", ["%25", "_" * 31, "%27%20OR%20%271%27=%271", "%00", "%ff", "x" * 2000])
def test_a_filter_is_compared_not_interpreted(client, repository, value):
    subject = subject_named("literal")
    push(client, repository, document(subject, artifactType=SBOM))
    answer = client.get(f"/v2/{repository}/referrers/{subject['digest']}?artifactType={value}").expect(200, 400)
    assert answer.status == 400 or answer.json()["manifests"] == []


def test_a_plus_in_the_filter_is_a_plus(client, repository):
    """Media types hold `+`, which clients send as %2B: it must not become a blank."""
    subject, kind = subject_named("plus"), "application/vnd.example.thing+json"
    push(client, repository, document(subject, artifactType=kind))
    found = listing(client, repository, subject["digest"], "?artifactType=" + quote(kind, safe=""))[1]
    assert [entry["artifactType"] for entry in found] == [kind]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_subject_by_either_algorithm(client, repository, algorithm):
    subject = {**subject_named("algorithm"), "digest": digest_of(b"subject " + algorithm.encode(), algorithm)}
    data = document(subject, artifactType=SBOM)
    digest = digest_of(data, algorithm)
    client.request("PUT", f"/v2/{repository}/manifests/{digest}", {"Content-Type": OCI_MANIFEST}, data).expect(201)
    assert [entry["digest"] for entry in listing(client, repository, subject["digest"])[1]] == [digest]


def test_referrers_come_and_go(client, repository):
    subject = subject_named("come and go")
    digest = push(client, repository, document(subject, artifactType=SBOM))
    push(client, repository, document(subject, artifactType=SBOM))
    assert len(listing(client, repository, subject["digest"])[1]) == 1, "the same push twice is one referrer"
    client.delete(f"/v2/{repository}/manifests/{digest}").expect(202)
    assert listing(client, repository, subject["digest"])[1] == []


def test_referrers_outlive_their_subject(client, repository):
    subject_body = document(subject_named("nothing else"), annotations={"role": "subject"})
    subject = descriptor(subject_body, OCI_MANIFEST)
    push(client, repository, subject_body)
    digest = push(client, repository, document(subject, artifactType=SBOM))
    client.delete(f"/v2/{repository}/manifests/{subject['digest']}").expect(202)
    assert [entry["digest"] for entry in listing(client, repository, subject["digest"])[1]] == [digest]


def test_referrers_stay_in_their_repository(client, repository):
    subject = subject_named("elsewhere")
    client.push_blob("referrers/other", b"{}")
    push(client, "referrers/other", document(subject, artifactType=SBOM))
    assert listing(client, repository, subject["digest"])[1] == []


def test_subjects_may_form_a_chain_and_point_at_themselves_never(client, repository):
    """security H5: a chain of any length is one entry for each link; a cycle cannot be made with digests."""
    subject, digests = subject_named("chain"), []
    for _ in range(20):
        data = document(subject, artifactType=SBOM)
        digests.append(push(client, repository, data))
        subject = descriptor(data, OCI_MANIFEST)
    for link, following in zip(digests, digests[1:]):
        assert [entry["digest"] for entry in listing(client, repository, link)[1]] == [following]


@pytest.fixture(scope="module")
def crowd(registry, repository):
    """A subject with MANY referrers, two of three of them of the type SBOM: subject digest and digests by type."""
    subject = subject_named("crowd")
    found = {SBOM: set(), SIGNATURE: set()}
    with Client(registry.address) as client:
        for number in range(MANY):
            kind = SIGNATURE if number % 3 == 0 else SBOM
            found[kind].add(
                push(
                    client, repository, index_of(subject, artifactType=kind, annotations={"n": str(number)}), OCI_INDEX
                )
            )
    return subject["digest"], found


def pages(client: Client, repository: str, digest: str, query: str) -> list[list[dict]]:
    path, found = f"/v2/{repository}/referrers/{digest}{query}", []
    while path:
        answer = client.get(path).expect(200)
        assert answer.headers["Content-Type"] == OCI_INDEX
        assert ("artifactType" in query) == (answer.headers["OCI-Filters-Applied"] == "artifactType")
        found.append(answer.json()["manifests"])
        link = answer.headers["Link"]
        path = re.fullmatch(r'<([^>]+)>; *rel="?next"?', link)[1] if link else None
    return found


@pytest.mark.parametrize("query", ["", "?n=10", "?n=249", "?n=250", "?n=1000000000"])
def test_paging(client, repository, crowd, query):
    digest, kinds = crowd
    found = pages(client, repository, digest, query)
    listed = [entry["digest"] for page in found for entry in page]
    assert len(listed) == len(set(listed)) == MANY
    assert set(listed) == set.union(*kinds.values())
    assert all(len(page) <= LARGEST_PAGE for page in found) and (found[-1] or len(found) == 1)


@pytest.mark.parametrize("kind", [SBOM, SIGNATURE])
def test_paging_with_a_filter(client, repository, crowd, kind):
    digest, kinds = crowd
    for query in (f"?artifactType={quote(kind, safe='')}", f"?n=20&artifactType={quote(kind, safe='')}"):
        listed = [entry["digest"] for page in pages(client, repository, digest, query) for entry in page]
        assert sorted(listed) == sorted(kinds[kind])


def test_a_page_is_no_larger_than_a_manifest_may_be(client, repository):
    """Clients read a referrers page with the limit of a manifest, 4 MiB; large annotations make pages shorter."""
    subject = subject_named("large")
    notes = {f"note-{number}": "x" * 1000 for number in range(600)}
    digests = {
        push(client, repository, index_of(subject, annotations={**notes, "n": str(n)}), OCI_INDEX) for n in range(10)
    }
    path, listed = f"/v2/{repository}/referrers/{subject['digest']}", set()
    while path:
        answer = client.get(path).expect(200)
        assert len(answer.body) <= 4 << 20
        listed |= {entry["digest"] for entry in answer.json()["manifests"]}
        link = answer.headers["Link"]
        path = re.fullmatch(r'<([^>]+)>; *rel="?next"?', link)[1] if link else None
    assert listed == digests


def test_a_page_of_large_annotations_reads_about_a_page_into_memory(tmp_path):
    """One GET of the list, which nobody has to log in for, read all annotations: 400 MiB for 100 manifests."""
    with (
        Registry(tmp_path / "data", workers=1, auth_anonymous="push") as registry,
        Client(registry.address, timeout=60) as client,
    ):
        client.push_blob("app", b"{}")
        digests, subject = set(), subject_named("very large")
        for number in range(30):
            digests.add(
                push(
                    client,
                    "app",
                    document(subject, artifactType=SBOM, annotations={"a": f"{number:4}" + "x" * ((4 << 20) - 900)}),
                )
            )
        before, grown, found = registry.pss(), 0, set()
        path = f"/v2/app/referrers/{subject['digest']}?artifactType={quote(SBOM, safe='')}"
        while path:
            answer = client.get(path).expect(200)
            assert len(answer.body) <= 4 << 20
            grown = max(grown, registry.pss() - before)
            found |= {entry["digest"] for entry in answer.json()["manifests"]}
            link = answer.headers["Link"]
            path = re.fullmatch(r'<([^>]+)>; *rel="?next"?', link)[1] if link else None
        assert found == digests
        assert grown < 64 << 20, f"{grown >> 20} MiB"


def test_numbers_in_annotations_are_shown_as_text(client, repository):
    subject = subject_named("numbers")
    push(
        client,
        repository,
        document(subject, annotations={"a": 1, "b": 2.5, "c": "text"}, config={**EMPTY, "annotations": {"d": 4}}),
    )
    (entry,) = listing(client, repository, subject["digest"])[1]
    assert entry["annotations"] == {"a": "1", "b": "2.5", "c": "text"}


def test_the_layer_of_a_referrer_must_be_there(client, repository):
    missing = descriptor(b"not there", OCI_LAYER)
    data = document(subject_named("incomplete"), layers=[missing])
    client.request("PUT", f"/v2/{repository}/manifests/{digest_of(data)}", {"Content-Type": OCI_MANIFEST}, data).expect(
        400, 404
    )
    assert listing(client, repository, subject_named("incomplete")["digest"])[1] == []
