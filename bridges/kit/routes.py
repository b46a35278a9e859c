"""The HTTP routes of a bridge, before and after there is somebody behind them. Wired by the daemon."""

from collections.abc import Awaitable, Callable

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Routes:
    """The bridge's routes, before and after there is somebody behind them."""

    def __init__(self) -> None:
        self._handlers: dict[str, Handler] = {}

    def use(self, **handlers: Handler) -> None:
        """From now on these answer."""
        self._handlers = handlers

    def all(self) -> list[web.RouteDef]:
        """For the `HealthServer`."""
        return [
            web.post("/webhook", self._by("webhook")),
            web.get("/webhook", self._by("handshake")),
            web.post("/resolve", self._by("resolve")),
            web.get("/media/{sha256}", self._by("media")),
        ]

    def _by(self, name: str) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            handler = self._handlers.get(name)
            if handler is None:
                return web.Response(status=503, text="The bridge is starting; the bus is not there yet.\n")
            return await handler(request)

        return handle
