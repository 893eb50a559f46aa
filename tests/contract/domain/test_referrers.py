"""Referrers: complete descriptors, in pages that are bounded however much there is."""

import json

from tests.contract.aio import asynchronous
from tests.contract.domain.test_manifests import pushed
from tests.contract.domain.world import descriptor, image, sha256

CROWD = (
    "INSERT INTO manifests (repository_id, digest, artifact_type, subject, media_type, size, pushed_at, body)"
    " VALUES (?, ?, ?, ?, 'application/vnd.oci.image.manifest.v1+json', 2, 0, '{}')"
)


@asynchronous
async def test_referrers_are_listed_by_subject_type_and_page(process):
    subject = await pushed(process, b"1")
    found = []
    for number in range(5):
        more = {"subject": descriptor(subject), "artifactType": f"test/{number % 2}", "annotations": {"n": str(number)}}
        found.append(await pushed(process, b"signature %d" % number, **more))
    listed, after = await process.referrers.list("app", sha256(subject), None, "", 10)
    assert after is None
    assert [entry["digest"] for entry in listed] == sorted(map(sha256, found))
    for entry in listed:
        body = next(body for body in found if sha256(body) == entry["digest"])
        assert entry["size"] == len(body)
        assert entry["artifactType"] == json.loads(body)["artifactType"]
        assert entry["annotations"] == json.loads(body)["annotations"]
    ones, _ = await process.referrers.list("app", sha256(subject), "test/1", "", 10)
    assert {entry["annotations"]["n"] for entry in ones} == {"1", "3"}
    page, after = await process.referrers.list("app", sha256(subject), None, "", 3)
    rest, end = await process.referrers.list("app", sha256(subject), None, after, 3)
    assert (page + rest, end) == (listed, None)
    assert await process.referrers.list("none", sha256(subject), None, "", 3) == ([], None)


@asynchronous
async def test_annotations_of_referrers_are_complete_however_long_they_are(process):
    """Short ones are in a column, long ones in the manifest alone; the version before has put all into the column."""
    await process.push(b"config")
    wanted, subject = {}, descriptor(b"subject")
    for number, length in enumerate((1, 4000, 5000, 20_000, 1 << 20, 4_000_000, 3_000_000)):
        notes = {"n": str(number), "\u00e9": "\U0001f40b" * 10, "text": "x" * length}
        body = image(b"config", subject=subject, annotations=notes)
        wanted[await process.put(body)] = notes
    long = [digest for digest, notes in wanted.items() if len(notes["text"]) > 4096]
    columns = dict(await process.db.read(lambda tx: tx.all("SELECT digest, annotations FROM manifests")))
    assert all(columns[digest] == "" for digest in long), "they are stored twice"
    kept = json.dumps(wanted[long[2]])
    await process.db.write(lambda tx: tx.run("UPDATE manifests SET annotations = ? WHERE digest = ?", kept, long[2]))
    found, after, pages = {}, "", []
    while after is not None:
        page, after = await process.referrers.list("app", subject["digest"], None, after, 100)
        found |= {entry["digest"]: entry["annotations"] for entry in page}
        pages.append(len(json.dumps(page, ensure_ascii=False)))
    assert found == wanted and len(pages) > 1 and max(pages) <= 4 << 20


@asynchronous
async def test_a_page_of_referrers_looks_at_so_many_rows_and_no_more(process):
    """A filter that fits nothing must not read all referrers of a subject in one request."""
    await process.push(b"config")
    subject = sha256(b"subject")

    def crowd(tx) -> None:
        (repository_id,) = tx.one("SELECT id FROM repositories WHERE name = 'app'")
        for number in range(10_050):
            values = f"sha256:{number:064x}", "test/rare" if number == 10_040 else "test/common", subject
            tx.insert(CROWD, repository_id, *values)

    await process.db.write(crowd)
    page, after = await process.referrers.list("app", subject, "test/rare", "", 10)
    assert (page, after) == ([], f"sha256:{9_999:064x}")
    page, end = await process.referrers.list("app", subject, "test/rare", after, 10)
    assert ([entry["digest"] for entry in page], end) == ([f"sha256:{10_040:064x}"], None)
    page, after = await process.referrers.list("app", subject, "test/common", "", 250)
    assert (len(page), after) == (250, f"sha256:{249:064x}")
