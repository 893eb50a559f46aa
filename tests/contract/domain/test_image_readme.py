"""The README that refers to an image: which one is found."""

from dockboard_registry.domain.content import repositories
from dockboard_registry.domain.inspection import image_readme
from tests.contract.aio import asynchronous
from tests.contract.domain.world import OCI_MANIFEST, descriptor, image, sha256

KIND = "application/vnd.acme.readme"
CROWD = (
    "INSERT INTO manifests (repository_id, digest, media_type, subject, size, pushed_at, body)"
    " VALUES (?, ?, 'x', ?, 2, 1, '{}')"
)


async def subject(process) -> bytes:
    for data in (b"config", b"layer"):
        await process.push(data)
    body = image(b"config", b"layer")
    await process.put(body, "v1")
    return body


async def attach(process, about: bytes, text: bytes, kind: str = KIND) -> str:
    await process.push(text)
    file = descriptor(text, "text/markdown")
    return await process.put(
        image(b"config", artifactType=kind, subject=descriptor(about, OCI_MANIFEST), layers=[file])
    )


async def found(process, about: bytes):
    """The README of the image."""

    def look(tx):
        place = repositories.find(tx, "app")
        return place, image_readme.brought(tx, place, sha256(about))

    place, brought = await process.db.scan(look)
    return brought and await image_readme.completed(process.db, process.storage, place, brought)


@asynchronous
async def test_the_newest_readme_counts_wherever_its_bytes_lie(process):
    about = await subject(process)
    assert await found(process, about) is None
    await attach(process, about, b"# Other", "application/vnd.acme.other")
    assert await found(process, about) is None
    first = await attach(process, about, b"# First", "text/markdown")
    assert await found(process, about) == ("# First", first, "")
    await process.db.write(lambda tx: tx.run("UPDATE manifests SET pushed_at = 1"))
    second = await attach(process, about, b"# Second " + b"long " * 9000)
    text, referrer, _ = await found(process, about)
    assert referrer == second and text.startswith("# Second")
    await process.manifests.delete("app", second)
    await attach(process, about, b"\xff is no text")
    assert await found(process, about) is None


@asynchronous
async def test_so_many_referrers_are_looked_at(process):
    about = await subject(process)
    readme = await attach(process, about, b"# App")
    place = await process.db.read(lambda tx: repositories.find(tx, "app"))
    before = [f"sha256:{0:056x}{number:08x}" for number in range(image_readme.MOST_REFERRERS)]

    def crowd(tx, digests):
        for digest in digests:
            tx.run(CROWD, place, digest, sha256(about))

    await process.db.write(lambda tx: crowd(tx, before[1:]))
    assert (await found(process, about)).referrer == readme
    await process.db.write(lambda tx: crowd(tx, before[:1]))
    assert await found(process, about) is None
