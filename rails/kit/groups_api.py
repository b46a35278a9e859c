"""The Client API of groups: make, show, invite, leave, remove, ban, rename, end."""

from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from rails.kit import accounts, grouping, groups, messages
from rails.kit.acts import Acts
from rails.kit.addressing import Addressing, Resolved
from rails.kit.answers import body_of, guarded, json_answer, token_of
from rails.kit.edges import YEAR_2200_MS
from rails.kit.groups import Group
from rails.kit.metrics import Metrics
from rails.kit.model import Account, Refused, Why
from rails.kit.rail import Json
from rails.kit.store import Store, Tx

ADDED_MOST = 1024


class NewGroup(msgspec.Struct, frozen=True, kw_only=True, rename={"with_": "with"}):
    """A group of mine with these. `until_ms`: when it ends by itself. The same `client_key` makes one group only."""

    name: str
    with_: list[str]
    until_ms: int = 0
    client_key: str | None = None


class GroupChange(msgspec.Struct, frozen=True, kw_only=True):
    """What it is called from now on, and when it ends (0: never); what is left out stays."""

    name: str | None = None
    until_ms: int | None = None


class Newcomers(msgspec.Struct, frozen=True, kw_only=True):
    """Who comes in."""

    add: list[str]


class NewRole(msgspec.Struct, frozen=True, kw_only=True):
    """``admin`` or ``member``."""

    role: groups.Role


Act = Callable[[Tx, Account, Resolved], Group]


class GroupsApi:
    """The handlers."""

    def __init__(self, *, store: Store, acts: Acts, addressing: Addressing, metrics: Metrics) -> None:
        self._store = store
        self._acts = acts
        self._addressing = addressing
        self._metrics = metrics

    def routes(self) -> list[web.RouteDef]:
        at = "/client/v1/groups/{group:[^/]+}"
        table: list[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]]] = [
            ("POST", "/client/v1/groups", self._make),
            ("GET", at, self._show),
            ("PATCH", at, self._change),
            ("DELETE", at, self._close),
            ("POST", f"{at}/members", self._add),
            ("PUT", f"{at}/members/{{who:[^/]+}}", self._set_role),
            ("DELETE", f"{at}/members/{{who:[^/]+}}", self._remove),
            ("DELETE", f"{at}/bans/{{who:[^/]+}}", self._unban),
        ]
        return [web.route(method, path, guarded(handler, self._metrics)) for method, path, handler in table]

    async def _make(self, request: web.Request) -> web.Response:
        asked = await body_of(request, NewGroup)
        name, until_ms = accounts.checked_name(asked.name), _checked_end(asked.until_ms)
        if len(asked.with_) > ADDED_MOST:
            raise Refused(Why.BAD_REQUEST, f"with: at most {ADDED_MOST} at once; add the others afterwards")
        if asked.client_key is not None and not 0 < len(asked.client_key) <= 200:
            raise Refused(Why.BAD_REQUEST, "client_key: expected 1 to 200 characters")

        def make(tx: Tx, me: Account, resolved: Resolved) -> Group:
            key = None if asked.client_key is None else f"group {asked.client_key}"
            if key is not None and (before := groups.made_with_key(tx, me.id, key)) is not None:
                return before
            others = [self._whom(tx, me, handle, resolved) for handle in asked.with_]
            made = grouping.make(tx, self._acts, by=me, name=name, others=others, until_ms=until_ms)
            if key is not None:
                messages.remember_key(
                    tx, node_id=me.id, realm="client", key=key, native_id=made.id, now_ms=self._acts.now_ms()
                )
            return made

        return await self._doing(request, make, status=201)

    async def _show(self, request: web.Request) -> web.Response:
        token, group_id = token_of(request), request.match_info["group"]

        def show(tx: Tx) -> Json:
            me = accounts.session_account(tx, token)
            if not groups.has_known(tx, group_id, me.id):
                raise Refused(Why.NOT_FOUND, f"No group of this account has the id {group_id[:100]!r}")
            return groups.shown(tx, groups.required(tx, group_id), viewer_id=me.id)

        return json_answer(await self._store.read(show))

    async def _change(self, request: web.Request) -> web.Response:
        asked, group_id = await body_of(request, GroupChange), request.match_info["group"]
        name = None if asked.name is None else accounts.checked_name(asked.name)
        until_ms = None if asked.until_ms is None else _checked_end(asked.until_ms)
        return await self._doing(
            request,
            lambda tx, me, _: grouping.change(tx, self._acts, by=me, group_id=group_id, name=name, until_ms=until_ms),
        )

    async def _close(self, request: web.Request) -> web.Response:
        group_id = request.match_info["group"]
        return await self._doing(request, lambda tx, me, _: grouping.close(tx, self._acts, by=me, group_id=group_id))

    async def _add(self, request: web.Request) -> web.Response:
        asked, group_id = await body_of(request, Newcomers), request.match_info["group"]
        if not 0 < len(asked.add) <= ADDED_MOST:
            raise Refused(Why.BAD_REQUEST, f"add: expected 1 to {ADDED_MOST} handles")

        def add(tx: Tx, me: Account, resolved: Resolved) -> Group:
            whom = [self._whom(tx, me, handle, resolved) for handle in asked.add]
            return grouping.add(tx, self._acts, by=me, group_id=group_id, whom=whom)

        return await self._doing(request, add)

    async def _set_role(self, request: web.Request) -> web.Response:
        asked = await body_of(request, NewRole)
        if asked.role == "owner":
            raise Refused(Why.BAD_REQUEST, "role: expected admin or member; a group has one owner")
        group_id, who = request.match_info["group"], request.match_info["who"]

        def set_role(tx: Tx, me: Account, resolved: Resolved) -> Group:
            whom = self._whom(tx, me, who, resolved)
            return grouping.set_role(tx, self._acts, by=me, group_id=group_id, whom=whom, role=asked.role)

        return await self._doing(request, set_role)

    async def _remove(self, request: web.Request) -> web.Response:
        group_id, who = request.match_info["group"], request.match_info["who"]
        ban = request.query.get("ban", "0") not in {"0", "false", ""}

        def remove(tx: Tx, me: Account, resolved: Resolved) -> Group:
            whom = self._whom(tx, me, who, resolved)
            if whom.id == me.id:
                return grouping.leave(tx, self._acts, by=me, group_id=group_id)
            return grouping.remove(tx, self._acts, by=me, group_id=group_id, whom=whom, ban=ban)

        return await self._doing(request, remove)

    async def _unban(self, request: web.Request) -> web.Response:
        group_id, who = request.match_info["group"], request.match_info["who"]

        def unban(tx: Tx, me: Account, resolved: Resolved) -> Group:
            whom = self._whom(tx, me, who, resolved)
            return grouping.unban(tx, self._acts, by=me, group_id=group_id, whom=whom)

        return await self._doing(request, unban)

    def _whom(self, tx: Tx, me: Account, handle: str, resolved: Resolved) -> Account:
        return self._addressing.addressee(tx, me, handle, resolved, unknown=Why.UNKNOWN_RECIPIENT)

    async def _doing(self, request: web.Request, act: Act, *, status: int = 200) -> web.Response:
        """Do it as who asks, and show the group as it is then."""
        token = token_of(request)

        def within(tx: Tx, resolved: Resolved) -> Json:
            me = accounts.session_account(tx, token)
            return groups.shown(tx, act(tx, me, resolved), viewer_id=me.id)

        return json_answer(await self._addressing.asking(token, within, self._store.write), status=status)


def _checked_end(until_ms: int) -> int:
    if not 0 <= until_ms < YEAR_2200_MS:
        raise Refused(Why.BAD_REQUEST, "until_ms: expected milliseconds since 1970, or 0 for never")
    return until_ms
