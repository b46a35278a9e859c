"""Where webhooks go: the platforms' subscription calls, the partner's subscription, and new business nodes.

These calls ask the receiver first (the verification handshake), so they are not functions of one transaction like the
rest of the Platform API; `rails.kit.graph` lets this module look at each call before.
"""

import re
from typing import Any

import aiohttp

from rails.kit import accounts, federation
from rails.kit.acts import Acts
from rails.kit.bodies import flag_member, needed, text_member
from rails.kit.edges import Call
from rails.kit.model import Refused, Why
from rails.kit.outbox import PARTNER
from rails.kit.rail import Json
from rails.kit.store import Store, Tx
from rails.kit.webhooks import Webhooks, handshake

_URL = re.compile(r"https?://[^\s]{1,2000}")


class Subscriptions:
    """The calls that set where webhooks go."""

    def __init__(self, *, store: Store, acts: Acts, webhooks: Webhooks, http: aiohttp.ClientSession) -> None:
        self._store = store
        self._acts = acts
        self._webhooks = webhooks
        self._http = http

    async def answer(self, call: Call, *, is_partner: bool) -> Json | None:  # noqa: PLR0911 - a table of calls
        """The answer, or None when the call is none of these."""
        match (call.method, *call.segments):
            case ("POST", "federation", "subscription"):
                return await self._partner(call, is_partner=is_partner)
            case ("POST", "federation", "nodes"):
                return await self._new_node(call, is_partner=is_partner)
            case ("GET", "oauth", "access_token"):
                return await self._app_token(call)
            case ("POST", app_id, "subscriptions"):
                return await self._app(call, app_id, is_partner=is_partner)
            case (_, ident, "subscribed_apps"):
                return await self._subscribed_apps(call, ident, is_partner=is_partner)
            case ("POST", ident) if "webhook_configuration" in call.body:
                return await self._configured(call, ident, is_partner=is_partner)
            case _:
                return None

    async def _configured(self, call: Call, ident: str, *, is_partner: bool) -> Json:
        settings = call.body["webhook_configuration"]
        if not isinstance(settings, dict):
            raise Refused(Why.BAD_REQUEST, "webhook_configuration: expected an object")
        node = await self._node(call, ident, is_partner=is_partner)
        return await self._set(node, settings, url_name="override_callback_uri")

    async def _partner(self, call: Call, *, is_partner: bool) -> Json:
        _only_partner(is_partner=is_partner)
        callback_url = _url(call.body, "callback_url")
        resolve_url = _url(call.body, "resolve_url")
        verify_token = needed(call.body, "verify_token", longest=200)
        wrong = await handshake(self._http, url=callback_url, verify_token=verify_token)
        if wrong is not None:
            raise Refused(Why.BAD_REQUEST, f"callback_url: {wrong}")
        await self._store.write(
            lambda tx: federation.subscribe(
                tx, callback_url=callback_url, verify_token=verify_token, resolve_url=resolve_url
            )
        )
        self._webhooks.retry_now(PARTNER)
        return {"success": True}

    async def _new_node(self, call: Call, *, is_partner: bool) -> Json:
        _only_partner(is_partner=is_partner)
        name = accounts.checked_name(call.body.get("name"))
        address = text_member(call.body, "address", required=False, longest=200)
        url = _url(call.body, "webhook_url") if call.body.get("webhook_url") else None
        federated = flag_member(call.body, "federated", default=True)
        made = await self._store.write(
            lambda tx: federation.make_node(
                tx, self._acts, name=name, address=address, webhook_url=None, federated=federated
            )
        )
        if url is not None:
            wrong = await handshake(self._http, url=url, verify_token=made["verify_token"])
            # A receiver that is not up yet is kept: it gets the token only now, and webhooks are tried again anyway.
            await self._store.write(lambda tx: accounts.set_webhook(tx, made["node_id"], url, None))
            made = {**made, "webhook_verified": wrong is None}
        return made

    async def _app_token(self, call: Call) -> Json:
        query = {**call.query, **call.body}
        app_id, secret = str(query.get("client_id", "")), str(query.get("client_secret", ""))
        node = await self._store.read(lambda tx: accounts.node_by_app(tx, app_id))
        if node is None or node.app_secret != secret:
            raise Refused(Why.UNAUTHORISED, "No app has this client_id and client_secret")
        return {"access_token": f"{app_id}|{secret}", "token_type": "bearer"}

    async def _app(self, call: Call, app_id: str, *, is_partner: bool) -> Json:
        node = await self._store.read(lambda tx: accounts.node_by_app(tx, app_id))
        # A client that sends its own token as Bearer all the time puts the app's into the query.
        tokens = (call.token, call.query.get("access_token"))
        if node is None or not (is_partner or f"{app_id}|{node.app_secret}" in tokens):
            raise Refused(Why.UNAUTHORISED, "An app's subscriptions take its own app token")
        return await self._set(node, {**call.query, **call.body}, url_name="callback_url")

    async def _subscribed_apps(self, call: Call, ident: str, *, is_partner: bool) -> Json:
        node = await self._node(call, ident, is_partner=is_partner)
        if call.method == "GET":
            app = {"id": node.app_id, "name": self._acts.rail.title, "link": f"https://example.invalid/{node.app_id}"}
            listed: Json = {"whatsapp_business_api_data": app, "subscribed_fields": ["messages"], **app}
            if node.webhook_url is not None:
                listed["override_callback_uri"] = node.webhook_url
            return {"data": [listed]}
        if call.method == "DELETE":
            await self._store.write(lambda tx: accounts.set_webhook(tx, node.account_id, None, None))
            return {"success": True}
        settings = {**call.query, **call.body}
        url_name = "override_callback_uri" if "override_callback_uri" in settings else "callback_url"
        return await self._set(node, settings, url_name=url_name) if settings.get(url_name) else {"success": True}

    async def _node(self, call: Call, ident: str, *, is_partner: bool) -> accounts.Node:
        account_id = self._acts.rail.node_of(ident)

        def find(tx: Tx) -> accounts.Node | None:
            own = accounts.node_by_token(tx, call.token) if call.token else None
            if own is not None and ident in {"me", own.account_id, own.app_id}:
                return own
            named = accounts.node_by_account(tx, account_id)
            return named if is_partner or (own is not None and own == named) else None

        node = await self._store.read(find)
        if node is None:
            raise Refused(Why.UNAUTHORISED, f"This token may not set the webhooks of {ident[:100]!r}")
        return node

    async def _set(self, node: accounts.Node, settings: dict[str, Any], *, url_name: str) -> Json:
        if not settings.get(url_name):
            await self._store.write(lambda tx: accounts.set_webhook(tx, node.account_id, None, None))
            return {"success": True}
        url = _url(settings, url_name)
        token = text_member(settings, "verify_token", required=False, longest=500) or node.verify_token
        wrong = await handshake(self._http, url=url, verify_token=token)
        if wrong is not None:
            raise Refused(Why.BAD_REQUEST, f"{url_name}: {wrong}")
        await self._store.write(lambda tx: accounts.set_webhook(tx, node.account_id, url, token))
        self._webhooks.retry_now(node.account_id)
        return {"success": True}


def _only_partner(*, is_partner: bool) -> None:
    if not is_partner:
        raise Refused(Why.UNAUTHORISED, "The federation extension takes the partner's token only")


def _url(members: dict[str, Any] | Any, name: str) -> str:
    url = needed(members, name)
    if not _URL.fullmatch(url):
        raise Refused(Why.BAD_REQUEST, f"{name}: expected an http or https URL")
    return url
