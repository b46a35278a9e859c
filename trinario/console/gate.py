"""What every request passes before anything of ours sees it, and what every answer carries.

1. Host is this server's own name: another site's name that was made to point here (DNS rebinding) gets nothing.
2. What changes anything, and the WebSocket, comes from our own page: Origin, and a header that forms cannot send.
   Files are asked for by elements, which send no header of ours: there Sec-Fetch-Site says that our page asks.
3. ``/api/`` but the login itself needs the session cookie.
4. Every answer forbids the browser to load, frame or run anything that is not ours.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web

from trinario.console.answers import refused
from trinario.console.login import Login

CALL_HEADER = "X-Trinario"
"""Set by our page on every call; a foreign page cannot without a preflight, which nobody answers."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self), payment=(), usb=()",
}
_API, _LOGIN, _SOCKET, _MEDIA = "/api/", "/api/login", "/api/ws", "/api/media/"
_HARMLESS = frozenset({"GET", "HEAD"})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """`check` is the middleware. `open_at` tells it the port once that is known; until then nobody passes."""

    def __init__(self, *, login: Login) -> None:
        self._login = login
        self._hosts: frozenset[str] = frozenset()
        self.cookie = ""

    def open_at(self, port: int) -> None:
        """Let requests to this port pass. Cookies know no ports, so ours has the port in its name."""
        self._hosts = frozenset(f"{name}:{port}" for name in ("127.0.0.1", "localhost", "[::1]"))
        self.cookie = f"trinario_{port}"

    @web.middleware
    async def check(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        no = self._refusal(request)
        return await handler(request) if no is None else no

    def _refusal(self, request: web.Request) -> web.Response | None:
        host = request.headers.get("Host", "").lower()
        if host not in self._hosts:
            return refused(421, "bad_host", "This server is the Trinario console on this machine: use its own address.")
        is_socket, is_api = request.path == _SOCKET, request.path.startswith(_API)
        if (is_socket or request.method not in _HARMLESS) and request.headers.get("Origin") != f"http://{host}":
            return refused(403, "bad_origin", "Only the console's own page may do this: open it and do it there.")
        if request.path.startswith(_MEDIA):  # images and players send no headers of ours; browsers say who asks
            is_ours = request.headers.get("Sec-Fetch-Site") == "same-origin"
        else:
            is_ours = request.headers.get(CALL_HEADER) == "1"
        if is_api and not is_socket and not is_ours:
            return refused(403, "bad_call", f"Calls carry the header {CALL_HEADER}: 1.")
        if is_api and request.path != _LOGIN and not self._login.admits(request.cookies.get(self.cookie)):
            return refused(401, "unauthorised", "Open the address that `trinario up` prints: it has the key.")
        return None


async def mark(_: web.Request, response: web.StreamResponse) -> None:
    """Signal handler: puts `HEADERS` on every answer, errors and WebSocket handshakes too."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Cache-Control", "no-store")
