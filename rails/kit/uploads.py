"""Files that come in over the Platform API: uploads, files sent along in a form, and links to be fetched.

All of it happens before the call's transaction: afterwards the body names media ids only, and the call goes on like
any other. Nothing is fetched for who has no right to send.
"""

from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import aiohttp
import msgspec
from aiohttp import web

from rails.kit import bodies
from rails.kit.acts import Acts
from rails.kit.edges import Call
from rails.kit.fetching import Fetcher
from rails.kit.files import Files, Staged
from rails.kit.model import Account, Kind, Refused, Why
from rails.kit.rail import Json
from rails.kit.store import Store, Tx

PART_BYTES = 64 * 1024
FIELDS_MOST = 50
UPLOAD_EDGES = ("media", "message_attachments")


class Uploads:
    """Takes files in for the Platform API. `may_act`: the node that a call acts as, or `Refused`."""

    def __init__(
        self,
        *,
        store: Store,
        acts: Acts,
        files: Files,
        fetcher: Fetcher,
        may_act: Callable[[Tx, Call], Account],
        is_token: Callable[[Tx, str], bool],
    ) -> None:
        self._store = store
        self._acts = acts
        self._files = files
        self._fetcher = fetcher
        self._may_act = may_act
        self._is_token = is_token

    async def _known(self, token: str) -> None:
        if not await self._store.read(lambda tx: self._is_token(tx, token)):
            raise Refused(Why.UNAUTHORISED, "No node has this access token; it has to come before the file")

    async def read_form(
        self, request: web.Request, *, token: str, limit_bytes: int
    ) -> tuple[dict[str, Any], "Upload | None"]:
        """A multipart form: its fields (of at most `limit_bytes`), and the one file in it, staged.

        The file is taken from who has a token, and so the token has to come before it: outside the form, or in a
        field above the file.
        """
        form = _Form(token=token, limit_bytes=limit_bytes)
        try:
            async for part in await request.multipart():
                await self._take_part(form, part)
        except (ValueError, AssertionError, RuntimeError, LookupError, aiohttp.ClientError) as error:
            _discard(form.upload)
            raise Refused(Why.BAD_REQUEST, f"The multipart form cannot be read: {error}") from error
        except BaseException:
            _discard(form.upload)
            raise
        return bodies.opened(form.fields), form.upload

    async def _take_part(self, form: "_Form", part: object) -> None:
        if not isinstance(part, aiohttp.BodyPartReader) or len(form.fields) > FIELDS_MOST:
            raise Refused(Why.BAD_REQUEST, "The form has parts within parts, or too many")
        if part.filename is not None and form.upload is None:
            await self._known(form.token or str(form.fields.get("access_token", "")))
            largest = self._acts.rail.abilities.largest_bytes
            form.upload = Upload(staged=await self._files.stage(_parts(part), limit_bytes=largest), name=part.filename)
            return
        value = await _field(part, form.limit_bytes)
        form.limit_bytes -= len(value)
        if part.name:
            form.fields[part.name] = value.decode("utf-8")

    async def prepare(self, call: Call, upload: "Upload | None") -> Call | Json:
        """The call with media ids instead of files and links; or the answer, when it was an upload."""
        try:
            edge = "/".join(call.segments[1:])
            if call.method != "POST" or edge not in {*UPLOAD_EDGES, "messages"}:
                return call
            links = list(_linked(call.body))
            if upload is None and not links and edge == "messages":
                return call
            node = await self._store.read(lambda tx: self._may_act(tx, call))
            if edge in UPLOAD_EDGES:
                return await self._uploaded(node, call, upload)
            return await self._with_ids(node, call, upload)
        finally:
            _discard(upload)

    async def _uploaded(self, node: Account, call: Call, upload: "Upload | None") -> Json:
        asked = _asked_attachment(call.body)
        if upload is None:
            link = _link(asked)
            if link is None:
                raise Refused(Why.BAD_REQUEST, "Expected a file in a multipart form, or payload.url")
            media_id = await self._fetched(node, link, str(asked.get("type", "")))
        else:
            media_id = await self._kept(node, upload, str(asked.get("type") or call.body.get("type") or ""))
        return self._acts.rail.wire.uploaded_answer(media_id)

    async def _with_ids(self, node: Account, call: Call, upload: "Upload | None") -> Call:
        body: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(call.body))
        for kind, part in _linked(body):
            link = _link(part)
            if link is not None:
                _put_id(part, await self._fetched(node, link, kind))
        if upload is not None:
            message = body.get("message")
            attachment = message.get("attachment") if isinstance(message, dict) else None
            if not isinstance(attachment, dict):
                raise Refused(Why.BAD_REQUEST, 'message: expected {"attachment": {"type"}} beside the file')
            media_id = await self._kept(node, upload, str(attachment.get("type", "")))
            attachment["payload"] = {"attachment_id": media_id}
        return msgspec.structs.replace(call, body=body)

    async def _kept(self, node: Account, upload: "Upload", kind: str) -> str:
        self._check(node, upload.staged, kind)
        now_ms = self._acts.now_ms()
        file = await self._files.keep(upload.staged, name=upload.name, owner_id=node.id, now_ms=now_ms)
        return file.media_id

    async def _fetched(self, node: Account, link: str, kind: str) -> str:
        limit_bytes = self._acts.rail.abilities.largest_bytes
        rule = self._acts.rail.abilities.rule_of(kind)
        if rule is not None:
            limit_bytes = max(rule.max_bytes, rule.max_animated_bytes or 0)
        staged, name = await self._fetcher.fetch(link, limit_bytes=limit_bytes, is_video=kind == "video")
        upload = Upload(staged=staged, name=name)
        try:
            return await self._kept(node, upload, kind)
        finally:
            _discard(upload)

    def _check(self, node: Account, staged: Staged, kind: str) -> None:
        """What no kind of content could ever show is refused when it comes, as the platforms do."""
        abilities = self._acts.rail.abilities
        named = abilities.rule_of(kind)
        rules = [named] if named is not None else list(abilities.media.values())
        fitting = [rule for rule in rules if rule.takes_from(staged.mime, is_business=node.kind is Kind.BUSINESS)]
        if not fitting:
            raise Refused(Why.MEDIA_TYPE, f"The file is {staged.mime}, which {self._acts.rail.title} does not take so")
        most = max(rule.limit_bytes(animated=staged.animated) for rule in fitting)
        if staged.size_bytes > most:
            raise Refused(Why.MEDIA_SIZE, f"The file has {staged.size_bytes} bytes; {most} are taken of its kind")


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A file of a form."""

    staged: Staged
    name: str


class _Form:
    """A form while it is read."""

    def __init__(self, *, token: str, limit_bytes: int) -> None:
        self.token, self.limit_bytes = token, limit_bytes
        self.fields: dict[str, Any] = {}
        self.upload: Upload | None = None


def _discard(upload: Upload | None) -> None:
    if upload is not None:
        upload.staged.path.unlink(missing_ok=True)


def _asked_attachment(body: Mapping[str, Any]) -> Mapping[str, Any]:
    message = body.get("message")
    attachment = message.get("attachment") if isinstance(message, dict) else None
    return attachment if isinstance(attachment, dict) else {}


def _linked(body: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """The parts of a send body that name a link and no id, with the kind of each."""
    message = body.get("message")
    parts: list[tuple[str, Any]] = []
    if isinstance(message, dict):
        several = message.get("attachments")
        attachments = [message.get("attachment"), *(several if isinstance(several, list) else [])]
        parts = [(str(one.get("type")).lower(), one) for one in attachments if isinstance(one, dict)]
    kind = body.get("type")
    if isinstance(kind, str):
        parts.append((kind, body.get(kind)))
    return [(kind, part) for kind, part in parts if isinstance(part, dict) and _link(part) is not None]


def _link(part: Mapping[str, Any]) -> str | None:
    """WhatsApp's `link`, or the others' `payload.url`."""
    payload = part.get("payload")
    holder, name, ident = (payload, "url", "attachment_id") if isinstance(payload, dict) else (part, "link", "id")
    link = holder.get(name)
    return link if isinstance(link, str) and holder.get(ident) is None else None


def _put_id(part: dict[str, Any], media_id: str) -> None:
    payload = part.get("payload")
    if isinstance(payload, dict):
        part["payload"] = {"attachment_id": media_id}
    else:
        part["id"] = media_id


async def _parts(part: aiohttp.BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(PART_BYTES):
        yield chunk


async def _field(part: aiohttp.BodyPartReader, limit_bytes: int) -> bytes:
    value = bytearray()
    async for chunk in _parts(part):
        value += chunk
        if len(value) > limit_bytes:
            raise Refused(Why.TOO_LARGE, "The fields of the form are too long")
    return bytes(value)
