"""/v1/repositories/<name>: the images and tags of a repository, where each pull of v1 begins."""

from ...domain.access.rule import PULL, Principal
from ...domain.credentials.signed_tokens import REPOSITORY, V1, ResourceActions, make
from ...http.messages import Request, Response
from ...names import tag as parse_tag
from ..auth import v1_tokens
from ..endpoint import Endpoint, is_personal
from .answers import answer


class RepositoryImages(Endpoint):
    """The last image of each tag, and the token for the rest of the pull."""

    name = "v1"

    async def get(self, request: Request, name: str) -> Response:
        principal = await self.services.gate.admit(request, name, PULL)
        tags = await self.services.v1_images.tags(name)
        headers = {"X-Docker-Endpoints": self.services.gate.host(request)}
        # A signed token makes no other one, which would count for longer.
        if principal.asked is None:
            token = v1_tokens.write(await self._signed(principal, name), name)
            headers |= {"X-Docker-Token": token, "WWW-Authenticate": token}
        return answer(200, [{"id": id} for id in dict.fromkeys(tags.values())], headers, personal=True)

    head = get

    async def _signed(self, principal: Principal, name: str) -> str:
        access_version = await self.services.principals.access_version()
        key = await self.services.people.signing_keys.newest(access_version)
        granted = [ResourceActions(REPOSITORY, name, ("pull",))]
        return make(key, self.services.gate.service, V1, principal.identity, granted)


class Tags(Endpoint):
    name = "v1"

    async def get(self, request: Request, name: str) -> Response:
        await self.services.gate.admit(request, name, PULL)
        return answer(200, await self.services.v1_images.tags(name), personal=is_personal(request))

    head = get


class Tag(Endpoint):
    name = "v1"

    async def get(self, request: Request, name: str, tag: str) -> Response:
        await self.services.gate.admit(request, name, PULL)
        return answer(200, await self.services.v1_images.tag(name, parse_tag(tag)), personal=is_personal(request))

    head = get
