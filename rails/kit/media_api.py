"""Files over HTTP: people's uploads and downloads (Client API), and the signed addresses that webhooks name.

What is served was somebody's upload: it never runs in the origin of the rail, whatever it is.
"""

import hmac
from collections.abc import AsyncIterator, Awaitable, Callable
from urllib.parse import quote

import aiohttp
from aiohttp import web

from rails.kit import accounts, media
from rails.kit.acts import Acts
from rails.kit.answers import guarded, json_answer, refusal, token_of
from rails.kit.content import File
from rails.kit.files import Files
from rails.kit.links import PATH
from rails.kit.metrics import Metrics
from rails.kit.model import Refused, Why
from rails.kit.store import Store, Tx

PART_BYTES = 64 * 1024
INLINE = frozenset(
    {"image/jpeg", "image/png", "image/gif", "image/webp", "video/mp4", "video/webm", "video/ogg", "video/3gpp"}
    | {"audio/mpeg", "audio/mp4", "audio/ogg", "audio/aac", "audio/amr", "audio/wav", "audio/webm"}
)
"""What a browser shows without running anything."""


class MediaApi:
    """The handlers."""

    def __init__(self, *, store: Store, acts: Acts, files: Files, metrics: Metrics, partner_token: str) -> None:
        self._store = store
        self._acts = acts
        self._files = files
        self._metrics = metrics
        self._partner_token = partner_token.encode()

    def routes(self) -> list[web.RouteDef]:
        table: list[tuple[str, str, Callable[[web.Request], Awaitable[web.StreamResponse]]]] = [
            ("POST", "/client/v1/media", self._upload),
            ("GET", "/client/v1/media/{media_id:[^/]+}", self._download),
        ]
        own = [web.route(method, path, guarded(handler, self._metrics)) for method, path, handler in table]
        return [*own, web.get(PATH, self._attachment)]

    async def _upload(self, request: web.Request) -> web.Response:
        token = token_of(request)
        account = await self._store.read(lambda tx: accounts.session_account(tx, token))
        limit_bytes = self._acts.rail.abilities.app_largest_bytes
        if (request.content_length or 0) > limit_bytes:
            raise Refused(Why.MEDIA_SIZE, f"{self._acts.rail.title} takes at most {limit_bytes} bytes")
        staged = await self._files.stage(_parts(request), limit_bytes=limit_bytes)
        now_ms = self._acts.now_ms()
        file = await self._files.keep(staged, name=request.query.get("name", ""), owner_id=account.id, now_ms=now_ms)
        return json_answer({name: getattr(file, name) for name in _TOLD}, status=201)

    async def _download(self, request: web.Request) -> web.StreamResponse:
        token, media_id = token_of(request), request.match_info["media_id"]

        def find(tx: Tx) -> File:
            return media.readable(tx, media_id, account_id=accounts.session_account(tx, token).id)

        return self._served(await self._store.read(find))

    async def _attachment(self, request: web.Request) -> web.StreamResponse:
        """A signed address: good for whoever has it, on WhatsApp for whoever also has a token that may see the file."""
        self._metrics.add("requests", "attachments")
        header = request.headers.get("Authorization", "")
        token = header[7:].strip() if header[:7].lower() == "bearer " else ""
        query = request.query
        media_id = query.get("mid", "")
        is_signed = self._acts.links.is_good(media_id, query.get("ext", ""), query.get("hash", ""))
        is_partner = hmac.compare_digest(token.encode("utf-8", "surrogatepass"), self._partner_token)

        def find(tx: Tx) -> File:
            reader = None
            if not is_partner:
                if not is_signed:
                    raise Refused(Why.NOT_FOUND, "The address is not one of this rail's, or its time has run out")
                reader = self._reader(tx, token)
            return media.readable(tx, media_id, account_id=reader)

        try:
            return self._served(await self._store.read(find))
        except Refused as no:
            return refusal(no)

    def _reader(self, tx: Tx, token: str) -> str | None:
        """Whose token has to see the file; None: the address alone is enough."""
        if not self._acts.rail.abilities.links_need_token:
            return None
        node = accounts.node_by_token(tx, token) if token else None
        if node is None:
            raise Refused(Why.UNAUTHORISED, "Expected Authorization: Bearer <access token>")
        return node.account_id

    def _served(self, file: File) -> web.StreamResponse:
        path = self._files.path(file.sha256)
        headers = {
            "Content-Type": file.mime,
            "Content-Disposition": disposition(file),
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "private, max-age=3600",
        }
        return web.FileResponse(path, chunk_size=PART_BYTES, headers=headers)


_TOLD = ("media_id", "kind", "mime", "size_bytes", "sha256", "name")


def disposition(file: File) -> str:
    """Shown in place only when a browser runs nothing of it; the name in the form that carries any letter."""
    how = "inline" if file.mime in INLINE else "attachment"
    return f"{how}; filename*=UTF-8''{quote(file.name, safe='')}" if file.name else how


async def _parts(request: web.Request) -> AsyncIterator[bytes]:
    try:
        async for part in request.content.iter_chunked(PART_BYTES):
            yield part
    except (aiohttp.ClientError, ConnectionError) as error:
        raise Refused(Why.BAD_REQUEST, f"The upload broke off: {error}") from error
