"""The Platform API over HTTP: any version, any of the forms in which published clients send tokens and bodies.

It finds out who calls and as which node, and hands the call to the edges within one transaction; errors leave in the
platform's own form. The federation partner comes through here too: its token may act as any account. The few calls
that ask somebody else first (handshakes) are in `rails.kit.subscriptions`.
"""

import asyncio
import hashlib
import hmac
import re
import secrets
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import structlog
from aiohttp import web

from rails.kit import accounts, bodies, edges, federation, media
from rails.kit.acts import Acts
from rails.kit.edges import Call, EdgeCall
from rails.kit.faults import Faults
from rails.kit.fetching import Fetcher
from rails.kit.files import Files
from rails.kit.links import SHORT_MS
from rails.kit.metrics import Metrics
from rails.kit.model import Account, Refused, Why
from rails.kit.outbox import ascii_json
from rails.kit.rail import Json, Rail
from rails.kit.store import Store, Tx, run_apart
from rails.kit.subscriptions import Subscriptions
from rails.kit.uploads import Upload, Uploads

log = structlog.get_logger(__name__)

_VERSION = re.compile(r"v\d{1,3}\.\d{1,3}")
LEGACY_BATCH_LENGTH = 50


class Caller:
    """Whose token it is: the partner's, or one business's."""

    __slots__ = ("node_id",)

    def __init__(self, node_id: str | None) -> None:
        self.node_id = node_id

    @property
    def is_partner(self) -> bool:
        return self.node_id is None


class GraphApi:
    """The handler of everything under ``/v<digits>.<digits>/``."""

    def __init__(
        self,
        *,
        store: Store,
        acts: Acts,
        subscriptions: Subscriptions,
        faults: Faults,
        metrics: Metrics,
        partner_token: str,
        partner_secret: str,
        files: Files,
        fetcher: Fetcher,
    ) -> None:
        self.uploads = Uploads(
            store=store, acts=acts, files=files, fetcher=fetcher, may_act=self.acting_node, is_token=self.is_token
        )
        self._store = store
        self._acts = acts
        self._rail: Rail = acts.rail
        self._subscriptions = subscriptions
        self._faults = faults
        self._metrics = metrics
        self._partner_token = partner_token.encode()
        self._partner_secret = partner_secret
        self._routes = {(route.method, route.edge): route.handle for route in self._rail.routes}

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One call, with the faults that are switched on."""
        self._metrics.add("requests", "platform")
        if self._faults.fires("delay"):
            await asyncio.sleep(self._faults.delay_s)
        try:
            self._refuse_by_fault()
            call, upload = await self._read(request)
            prepared = call if call.method == "GET" else await self.uploads.prepare(call, upload)
            status, answer = 200, await self._answer(prepared) if isinstance(prepared, Call) else prepared
        except Refused as no:
            tail = request.match_info["tail"] or ""
            status, answer = self.refusal(no, is_ours=tail.startswith("/federation/"))
        if self._faults.fires("drop_answer") and request.transport is not None:
            request.transport.abort()
        return web.Response(status=status, body=ascii_json(answer).encode("ascii"), content_type="application/json")

    def _refuse_by_fault(self) -> None:
        for kind in (Why.TOO_MANY, Why.SERVER_ERROR):
            if self._faults.fires(kind.value):
                raise Refused(kind, "A fault that was asked for (PUT /federation/faults)")

    async def _read(self, request: web.Request) -> tuple[Call, Upload | None]:
        segments = tuple(part for part in request.match_info["tail"].split("/") if part)
        is_batch = not segments or segments[:2] == ("federation", "batch")
        limit_bytes = bodies.BATCH_BYTES if is_batch else bodies.BODY_BYTES
        bearer = request.headers.get("Authorization", "")
        token = bearer[7:].strip() if bearer[:7].lower() == "bearer " else ""
        token = token or request.query.get("access_token") or ""
        upload: Upload | None = None
        if request.content_type == "multipart/form-data":
            body, upload = await self.uploads.read_form(
                request, token=token or request.headers.get("X-API-Key", ""), limit_bytes=limit_bytes
            )
        else:
            body = await bodies.read_any(request, limit_bytes)
        token = token or body.pop("access_token", None)
        token = token or request.headers.get("X-API-Key") or ""
        proof = request.query.get("appsecret_proof") or body.pop("appsecret_proof", None)
        call = Call(
            method=request.method,
            segments=segments,
            query=dict(request.query),
            body=body,
            token=token if isinstance(token, str) else "",
            proof=proof if isinstance(proof, str) else None,
            idempotency_key=request.headers.get("Idempotency-Key"),
        )
        return call, upload

    async def _answer(self, call: Call) -> Any:
        first = await self._subscriptions.answer(call, is_partner=self._is_partner(call.token))
        if first is not None:
            return first
        if call.method == "GET":
            return await self._store.read(lambda tx: self.within(tx, call))
        return await self._store.write(lambda tx: self.within(tx, call))

    def within(self, tx: Tx, call: Call) -> Any:
        """Answer a call within a transaction. Raises `Refused`."""
        caller = self._caller(tx, call)
        if call.segments[:1] == ("federation",):
            if not caller.is_partner:
                raise Refused(Why.UNAUTHORISED, "The federation extension takes the partner's token only")
            if call.segments == ("federation", "batch") and call.method == "POST":
                return {"responses": [self._batch_part(tx, call, part) for part in federation.batch_items(call.body)]}
            return federation.answer(tx, self._acts, call)
        if not call.segments:
            return self._legacy_batch(tx, call)
        return self._at_node(tx, call, caller)

    def acting_node(self, tx: Tx, call: Call) -> Account:
        """The node that a call would act as. Raises `Refused`."""
        caller = self._caller(tx, call)
        name = call.segments[0]
        wanted = self._rail.node_of(name) if caller.is_partner else caller.node_id or ""
        node = accounts.by_id(tx, wanted)
        if node is None or name not in {"me", node.id}:
            raise Refused(Why.NOT_FOUND, f"This token may not act as {name[:100]!r}; use its own id, or /me")
        return node

    def is_token(self, tx: Tx, token: str) -> bool:
        """Whether somebody has this token."""
        return self._is_partner(token) or accounts.node_by_token(tx, token) is not None

    def _at_node(self, tx: Tx, call: Call, caller: Caller) -> Json:
        if len(call.segments) == 1 and media.is_id(call.segments[0]):
            return self._media(tx, call, caller)
        name, edge_name = call.segments[0], "/".join(call.segments[1:])
        acting = name if caller.is_partner else caller.node_id or ""
        target_id = acting if name == "me" else self._rail.node_of(name)
        node = accounts.by_id(tx, target_id if caller.is_partner else acting)
        if node is None:
            raise Refused(Why.NOT_FOUND, f"No object here has the id {name[:100]!r}, or this token may not see it")
        edge = EdgeCall(tx=tx, acts=self._acts, node=node, call=call, by_partner=caller.is_partner)
        if not edge_name and call.method == "GET":
            return self._object(edge, target_id)
        if target_id != node.id:
            raise Refused(Why.NOT_FOUND, f"This token may not act as {name[:100]!r}; use its own id, or /me")
        if (call.method, edge_name) == ("POST", "messages"):
            return edges.messages_edge(edge)
        handle = self._routes.get((call.method, edge_name))
        if handle is None:
            raise Refused(Why.NO_SUCH_EDGE, f"{call.method} /{edge_name[:100]} is not part of this service")
        return handle(edge)

    def _media(self, tx: Tx, call: Call, caller: Caller) -> Json:
        file = media.readable(tx, call.segments[0], account_id=caller.node_id)
        url = self._acts.links.url(file.media_id, good_for_ms=SHORT_MS)
        answer = self._rail.wire.media_answer(file, url)
        if answer is None or call.method not in {"GET", "DELETE"}:
            raise Refused(Why.UNSUPPORTED, f"{call.method} on a file is not part of this service")
        if call.method == "GET":
            return answer
        media.delete_upload(tx, file.media_id, owner_id=caller.node_id, now_ms=self._acts.now_ms())
        return {"success": True}

    def _object(self, edge: EdgeCall, object_id: str) -> Json:
        if object_id.startswith("t_"):
            return edges.conversation(edge, object_id)
        account: Account | None = accounts.by_id(edge.tx, object_id)
        if account is None:
            raise Refused(Why.NOT_FOUND, f"No object here has the id {object_id[:100]!r}")
        return edges.node_get(edge, account)

    def _caller(self, tx: Tx, call: Call) -> Caller:
        if self._is_partner(call.token):
            _check_proof(call, self._partner_secret)
            return Caller(None)
        node = accounts.node_by_token(tx, call.token) if call.token else None
        if node is None:
            raise Refused(Why.UNAUTHORISED, "No node has this access token")
        _check_proof(call, node.app_secret)
        return Caller(node.account_id)

    def _is_partner(self, token: str) -> bool:
        return hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._partner_token)

    def _batch_part(self, tx: Tx, outer: Call, part: dict[str, Any]) -> Json:
        """One of the partner's batched calls: its failure leaves the others standing."""
        is_ours = False
        try:
            call = _part_call(outer, part, path=part.get("path"), body=part.get("body"))
            is_ours = call.segments[0] == "federation"
            return {"status": 200, "body": run_apart(tx, lambda inner: self.within(inner, call))}
        except Refused as no:
            status, body = self.refusal(no, is_ours=is_ours)
            return {"status": status, "body": body}

    def _legacy_batch(self, tx: Tx, call: Call) -> list[Json]:
        """The platform's batch at the version root: calls in, a list of answers out, bodies as JSON strings."""
        batch = call.body.get("batch")
        if not isinstance(batch, list) or not 0 < len(batch) <= LEGACY_BATCH_LENGTH:
            raise Refused(Why.BAD_REQUEST, f"batch: expected a list of 1 to {LEGACY_BATCH_LENGTH} calls")
        answers: list[Json] = []
        for part in batch:
            try:
                status, answer = 200, self._legacy_part(tx, call, part)
            except Refused as no:
                status, answer = self.refusal(no)
            headers = [{"name": "Content-Type", "value": "application/json"}]
            answers.append({"code": status, "headers": headers, "body": ascii_json(answer)})
        return answers

    def _legacy_part(self, tx: Tx, outer: Call, part: object) -> Any:
        if not isinstance(part, dict):
            raise Refused(Why.BAD_REQUEST, "batch: expected objects with method, relative_url and body")
        form = part.get("body")
        body = bodies.opened(bodies.urlencoded(form.encode())) if isinstance(form, str) else form
        call = _part_call(outer, part, path=part.get("relative_url"), body=body)
        return run_apart(tx, lambda inner: self.within(inner, call))

    def refusal(self, no: Refused, *, is_ours: bool = False) -> tuple[int, Json]:
        """HTTP status and the platform's error body; in our own extension, what is not there is a plain 404."""
        error = self._rail.errors[no.why]
        if is_ours and no.why is Why.NOT_FOUND:
            error = msgspec.structs.replace(error, http=404)
        self._metrics.add("refusals", no.why.value)
        body = self._rail.wire.error_body(error, no.text, "A" + secrets.token_urlsafe(16))
        if is_ours:
            told = body["error"]
            told["error_data"] = {**told.get("error_data", {}), "federation_code": no.why.value}
        return error.http, body


def _part_call(outer: Call, part: dict[str, Any], *, path: object, body: object) -> Call:
    """A call out of a batch, with the outer call's token unless it brings its own."""
    method = part.get("method", "GET")
    headers = part.get("headers") or {}
    if not isinstance(path, str) or not isinstance(method, str) or not isinstance(headers, dict):
        raise Refused(Why.BAD_REQUEST, "A batched call: expected method, a path and perhaps headers and body")
    if body is not None and not isinstance(body, dict):
        raise Refused(Why.BAD_REQUEST, "A batched call's body: expected an object")
    try:
        split = urlsplit(path)
        query = dict(parse_qsl(split.query, keep_blank_values=True, max_num_fields=100))
    except ValueError as error:
        raise Refused(Why.BAD_REQUEST, f"A batched call's path cannot be read: {error}") from error
    segments = tuple(piece for piece in split.path.split("/") if piece)
    if segments and _VERSION.fullmatch(segments[0]):
        segments = segments[1:]
    if not segments or segments[:2] == ("federation", "batch"):
        raise Refused(Why.BAD_REQUEST, "A batch within a batch is not taken")
    members = bodies.opened(body or {})
    keys = [value for name, value in headers.items() if str(name).lower() == "idempotency-key"]
    own_token = members.pop("access_token", None) or query.get("access_token")
    return Call(
        method=method.upper(),
        segments=segments,
        query=query,
        body=members,
        token=own_token if isinstance(own_token, str) else outer.token,
        proof=None if isinstance(own_token, str) else outer.proof,
        idempotency_key=keys[0] if keys and isinstance(keys[0], str) else None,
    )


def _check_proof(call: Call, secret: str) -> None:
    """`appsecret_proof`, verified when it is there."""
    if call.proof is None:
        return
    expected = hmac.new(secret.encode(), call.token.encode(), hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, call.proof.encode("utf-8", "replace").decode("ascii", "replace")):
        raise Refused(Why.BAD_REQUEST, "Invalid appsecret_proof provided in the API argument")
