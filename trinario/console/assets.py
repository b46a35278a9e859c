"""The page's own files, read once at the start and served by exact name: no path of a request ever reaches the disk."""

from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable

import msgspec
from aiohttp import web

_TYPES = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}


class Asset(msgspec.Struct, frozen=True, kw_only=True):
    """One file: its bytes, what it is, and a tag that changes with them."""

    body: bytes
    content_type: str
    tag: str


def collected() -> dict[str, Asset]:
    """URL path -> file. ``/`` is index.html."""
    found = dict(_under(files("trinario.console") / "static", ""))
    return {**found, "/": found["/index.html"]}


def _under(folder: Traversable, prefix: str) -> list[tuple[str, Asset]]:
    found: list[tuple[str, Asset]] = []
    for item in folder.iterdir():
        path = f"{prefix}/{item.name}"
        suffix = path[path.rfind(".") :]
        if item.is_dir():
            found += _under(item, path)
        elif suffix in _TYPES:
            body = item.read_bytes()
            tag = sha256(body).hexdigest()[:32]
            found.append((path, Asset(body=body, content_type=_TYPES[suffix], tag=tag)))
    return found


class Assets:
    """Serves them."""

    def __init__(self, found: dict[str, Asset]) -> None:
        self._found = found

    async def serve(self, request: web.Request) -> web.Response:
        """The file of a path, or 404. Browsers keep it and ask whether it has changed."""
        asset = self._found.get(request.path)
        if asset is None:
            raise web.HTTPNotFound(text="There is nothing here.\n")
        etag = f'"{asset.tag}"'
        headers = {"ETag": etag, "Cache-Control": "no-cache"}
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304, headers=headers)
        return web.Response(body=asset.body, content_type=asset.content_type, charset="utf-8", headers=headers)
