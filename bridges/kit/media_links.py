"""Files that a rail does not take, as links for people: signed, expiring, served from the object store.

``GET /media/<sha256>?name=..&exp=..&sig=..``: the signature covers all of it. Streamed, never as something that a
browser would run: attachments only, no sniffing, no scripts.
"""

import hashlib
import hmac
import mimetypes
from collections.abc import Callable
from urllib.parse import quote, urlencode

import structlog
from aiohttp import web

from bus.connection import ApiError, NoAnswer, NoResponder, NotConnected
from bus.media import MediaDamaged, MediaStore
from schemas.content import Media

_log = structlog.get_logger(__name__)

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-site",
    "Cache-Control": "private, max-age=3600",
}
_AS_THEY_ARE = ("image/png", "image/jpeg", "image/gif", "image/webp", "video/", "audio/", "application/pdf")
"""Types that are named in the answer; all others are bytes."""


class MediaLinks:
    """Makes and serves the links of one bridge. `base_url`: under which people reach it."""

    def __init__(
        self, *, store: MediaStore, secret: str, base_url: str, keep_s: int, now_ms: Callable[[], int]
    ) -> None:
        self._store, self._base_url, self._keep_ms, self._now_ms = store, base_url.rstrip("/"), keep_s * 1000, now_ms
        self._key = hmac.new(secret.encode(), b"media links", hashlib.sha256).digest()

    def link_for(self, media: Media, from_ms: int) -> str:
        """Where people fetch a file, for so long from that time on. The same arguments give the same link."""
        expires_s = (from_ms + self._keep_ms) // 1000
        name = media.name or media.sha256[:12] + (mimetypes.guess_extension(media.mime) or "")
        query = urlencode({"name": name, "exp": expires_s, "sig": self._sign(media.sha256, name, str(expires_s))})
        return f"{self._base_url}/media/{media.sha256}?{query}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """The route. 403: not ours, or over; 404: the file is not kept any more; 503: the bus is away."""
        sha256, query = request.match_info["sha256"], request.query
        name, expires = query.get("name", ""), query.get("exp", "")
        signed = hmac.compare_digest(
            query.get("sig", "").encode("utf-8", "surrogatepass"), self._sign(sha256, name, expires).encode()
        )
        if not signed or not expires.isdecimal() or int(expires) * 1000 < self._now_ms():
            return web.Response(status=403, text="This link is not valid, or not any more. Ask for the file again.\n")
        try:
            card = await self._store.find(sha256)
            if card is None:
                return web.Response(status=404, text="This file is not kept any more.\n")
            mime = card.mime if card.mime.startswith(_AS_THEY_ARE) else "application/octet-stream"
            disposition = f"attachment; filename*=UTF-8''{quote(name, safe='')}"
            response = web.StreamResponse(
                headers={**_HEADERS, "Content-Type": mime, "Content-Disposition": disposition}
            )
            response.content_length = card.size_bytes
            await response.prepare(request)
            if request.method == "HEAD":
                return response
            async for chunk in self._store.read(card):
                await response.write(chunk)
        except (NotConnected, NoAnswer, NoResponder, ApiError, MediaDamaged) as error:
            return self._broken(request, sha256, error)
        await response.write_eof()
        return response

    def _broken(self, request: web.Request, sha256: str, error: Exception) -> web.Response:
        """Before the first byte an error; after it the connection is cut, so that nobody takes a part for the whole."""
        _log.warning("link.broken", sha256=sha256, reason=type(error).__name__)
        if request.transport is not None:
            request.transport.close()
        return web.Response(status=503, text="Not now; try again.\n")

    def _sign(self, sha256: str, name: str, expires: str) -> str:
        said = f"{sha256}\n{expires}\n{name}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, said, hashlib.sha256).hexdigest()
