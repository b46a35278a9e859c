"""The small HTTP server that every daemon has: is it alive, is it ready, how is it doing.

``/healthz`` answers as long as the process does, ``/readyz`` once `ready` says so, ``/status`` with the daemon's own
JSON (what `trinario status` shows), ``/metrics`` with Prometheus text. A bridge adds its webhook routes.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from bus.metrics import Exporter, Sample, Samples


class AddressTaken(Exception):
    """The port is in use by somebody else."""

    def __init__(self, name: str, host: str, port: int) -> None:
        super().__init__(
            f"{name}: port {port} on {host} is taken. Stop what listens there, or choose other ports "
            "(`--port-base N`; 0 takes free ones)."
        )


class HealthServer:
    """Serves one daemon's health. `port` 0 takes a free one; `url` is known after `start`."""

    def __init__(
        self,
        *,
        name: str,
        host: str = "127.0.0.1",
        port: int = 0,
        ready: Callable[[], bool],
        status: Callable[[], Mapping[str, Any]],
        metrics: Samples,
        routes: Iterable[web.RouteDef] = (),
        max_body_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        self._name, self._host, self._port = name, host, port
        self._ready, self._status = ready, status
        self._exporter = Exporter(lambda: [Sample("trinario_ready", ready()), *metrics()])
        self._app = web.Application(client_max_size=max_body_bytes)
        self._app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/status", self._show_status),
                web.get("/metrics", self._show_metrics),
                *routes,
            ]
        )
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> None:
        """Listen. Raises `AddressTaken` when the port is in use."""
        self._runner = web.AppRunner(self._app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, self._host, self._port)
        try:
            await site.start()
        except OSError as error:
            await self.stop()
            raise AddressTaken(self._name, self._host, self._port) from error
        host, port = self._runner.addresses[0][:2]
        self.url = f"http://{host}:{port}"

    async def stop(self) -> None:
        """Finish the requests under way and close the port."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    async def _healthz(self, _: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def _readyz(self, _: web.Request) -> web.Response:
        return web.Response(text="ready\n") if self._ready() else web.Response(status=503, text="not ready\n")

    async def _show_status(self, _: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._status()), content_type="application/json")

    async def _show_metrics(self, request: web.Request) -> web.Response:
        text, content_type = self._exporter.written(request.headers.get("Accept", ""))
        return web.Response(body=text, headers={"Content-Type": content_type})
