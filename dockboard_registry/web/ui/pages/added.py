"""What people add to a repository: stars, comments and the README."""

from ....domain.access import rule
from ....domain.access.rule import ADMIN, USER
from ....domain.social import readmes
from ....domain.social.comments import MOST_BYTES, NEWEST, Comment
from ....domain.social.stars import MOST
from ....errors import AccountUnknown, BadRequest, NotFound
from ....http.messages import Response
from ....numbers import whole
from ...auth.permissions import ONESELF, PULLS_REPOSITORY, REMOVES_COMMENTS, REPOSITORY_ADMIN, USER_PULLS
from .. import times
from ..repository import added, frame
from ..route import Page
from ..visit import Visit

_ROWS = 25
# A form has three bytes for each byte of a text that is not plain.
_LONGEST_FORM = 3 * readmes.MOST_BYTES + (64 << 10)


async def star(visit: Visit) -> Response:
    stars, name = visit.services.people.stars, visit.names["repository"]
    change = stars.remove if visit.form.text("do") == "remove" else stars.add
    await change(visit.asker.actor, visit.principal.id, name)
    return visit.go_on()


async def stars(visit: Visit) -> Response:
    after = visit.query("after")
    found = await visit.services.people.stars.list(visit.principal, after, _ROWS + 1)
    return visit.page(
        "stars.html",
        title=visit.t("added.stars.title"),
        found=found[:_ROWS],
        first=visit.url("/account/stars") if after else "",
        later=visit.url("/account/stars", after=found[_ROWS - 1].name) if len(found) > _ROWS else "",
        most=MOST,
        alternate="/api/v1/account/stars",
    )


async def forget_stars(visit: Visit) -> Response:
    """The answer is the same whether there was such a star: it tells nothing of what the visitor may not see."""
    await visit.services.people.stars.remove_hidden(visit.asker.actor, visit.principal)
    return visit.redirect(visit.url("/account/stars"), "added.stars.forgotten")


async def comments(visit: Visit) -> Response:
    values = await frame.values_of(visit, "comments")
    name = values["repository"].name
    before = _id(visit.query("before")) if visit.query("before") else NEWEST
    found = await visit.services.people.comments.list(name, before, _ROWS + 1)
    edited = await _edited(visit, name)
    return visit.page(
        "repository/comments.html",
        **values,
        title=visit.t("added.comments.title", name=name),
        comments=found[:_ROWS],
        later=visit.repository_url(name, "comments", before=found[_ROWS - 1].id) if len(found) > _ROWS else "",
        first=visit.repository_url(name, "comments") if before != NEWEST else "",
        edited=edited,
        own=edited is not None and _is_own(visit, edited),
        is_own=lambda comment: _is_own(visit, comment),
        moment=lambda at: times.shown(at, visit.zone),
        may_comment=added.may_comment(visit),
        most=MOST_BYTES,
        alternate=f"/api/v1/repositories/{name.replace('/', '%2F')}/comments",
    )


async def _edited(visit: Visit, name: str) -> Comment | None:
    """The comment that is to be changed or removed, as the address or the form that came back says.

    A form that came back is shown in any case: the comment that it names may be gone, or never was there.
    """
    text = visit.form.text("id") or visit.query("edit")
    if not text or not visit.signed_in:
        return None
    try:
        return await visit.services.people.comments.get(name, _id(text))
    except (AccountUnknown, NotFound):
        if visit.problem is None:
            raise
        return None


def _id(text: str) -> int:
    found = whole(text)
    if found is None:
        raise NotFound
    return found


def _sent_id(visit: Visit) -> int:
    """The comment that the form names. Raises BadRequest."""
    found = whole(visit.form.text("id"))
    if found is None:
        raise BadRequest("the form names no comment", "send it from the page")
    return found


def _is_own(visit: Visit, comment: Comment) -> bool:
    return visit.principal.kind == USER and comment.author_id == visit.principal.id


async def change_comments(visit: Visit) -> Response:
    name, deed, actor = visit.names["repository"], visit.form.text("do"), visit.asker.actor
    permission = REMOVES_COMMENTS if deed == "remove" else USER_PULLS
    await permission.check(visit.asker, visit.names)
    list, author = visit.services.people.comments, visit.principal.id
    with visit.checking("text"):
        if deed == "edit":
            await list.edit(actor, author, name, _sent_id(visit), visit.form.raw("text"))
        elif deed == "remove":
            await list.remove(actor, name, _sent_id(visit), await _required_author(visit, name))
        else:
            await list.add(actor, author, name, visit.form.raw("text"))
    said = {"edit": "added.comment.changed", "remove": "added.comment.removed"}.get(deed, "added.comment.added")
    return visit.redirect(visit.repository_url(name, "comments"), said)


async def _required_author(visit: Visit, name: str) -> int | None:
    """Whose the comment has to be; None: anybody's."""
    object = (await visit.services.principals.facts(name)).object
    return None if rule.decide(visit.principal, ADMIN, object).allowed else visit.principal.id


async def readme(visit: Visit) -> Response:
    written = await visit.services.people.readmes.get(visit.names["repository"])
    return await _readme_form(visit, visit.value("text", written.text if written else ""))


async def change_readme(visit: Visit) -> Response:
    name, text = visit.names["repository"], visit.form.raw("text")
    with visit.checking("text"):
        readmes.checked(text)
        if visit.form.text("do") == "preview":
            return await _readme_form(visit, text, preview=True)
        await visit.services.people.readmes.set(visit.asker.actor, name, text)
    return visit.redirect(visit.repository_url(name), "added.readme.saved")


async def _readme_form(visit: Visit, text: str, preview: bool = False) -> Response:
    values = await frame.values_of(visit, "settings")
    name = values["repository"].name
    return visit.page(
        "repository/readme_form.html",
        **values,
        title=visit.t("added.readme.title", name=name),
        text=text,
        preview=await added.preview(visit, text) if preview else None,
        most=readmes.MOST_BYTES,
        alternate=f"/api/v1/repositories/{name.replace('/', '%2F')}/readme",
    )


_COMMENTS = {"add": ("text",), "edit": ("id", "text"), "remove": ("id",)}
_README = {"save": ("text",), "preview": ("text",)}
TABLE = (
    Page("/r/{repository}/-/star", USER_PULLS, post=star, deeds={"add": (), "remove": ()}),
    Page("/r/{repository}/-/comments", PULLS_REPOSITORY, comments, change_comments, _COMMENTS),
    Page("/r/{repository}/-/readme", REPOSITORY_ADMIN, readme, change_readme, _README, (), _LONGEST_FORM, True),
    Page("/account/stars", ONESELF, stars, forget_stars, {"forget": ()}, private=True),
)
