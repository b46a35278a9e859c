"""One message, one trace: a collector that reads what the daemons send it (OTLP over HTTP)."""

import gzip
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.integration.trinario.conftest import Trinario
from tests.must import eventually
from trinario.demo import CAST

pytestmark = pytest.mark.timeout(240)

ALICE, BOB = CAST["Alice"], CAST["Bob"]
TEXT = "Is the train on time?"


class Collector:
    """What has come in, and where it listens."""

    def __init__(self) -> None:
        self.url = ""
        self.bodies: list[bytes] = []

    async def take(self, request: web.Request) -> web.Response:
        body = await request.read()
        # aiohttp unpacks what says that it is packed; what still begins as gzip does not say so.
        self.bodies.append(gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body)
        return web.Response(content_type="application/x-protobuf")

    def spans(self) -> list[Span]:
        """All that came."""
        found = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            span
            for request in found
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    """On a free port."""
    made = Collector()
    app = web.Application()
    app.router.add_post("/v1/traces", made.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    made.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield made
    await runner.cleanup()


async def test_a_message_is_one_trace(trinario: Trinario, collector: Collector) -> None:
    """Accepted, routed, posted to each rail: joined by the id that `trace` names; no text and no address in it."""
    environ = {"TRINARIO_TRACING__ENDPOINT": collector.url, "TRINARIO_TRACING__RATIO": "1"}
    trinario.start("--demo", environ=environ)
    sent = (await trinario.cli("send", "--as", ALICE[1], "--to", BOB[0], TEXT))[0]

    async def posted() -> dict[str, list[Span]]:
        try:
            story = (await trinario.cli("trace", sent["native_id"]))[0]
        except Exception as error:  # not on the log yet
            raise AssertionError(str(error)) from error
        spans = [one for one in collector.spans() if one.trace_id.hex() == story["trace_id"]]
        legs = [leg["rail"] for leg in story["legs"] if leg["rail"] != story["source"] and leg["native_ids"]]
        found = {one.name: [other for other in spans if other.name == one.name] for one in spans}
        assert len(legs) == 2
        assert sorted(found) == sorted(["accept IN_MESSENGER", "route LOG", *(f"post {rail}" for rail in legs)])
        return found

    found = await eventually(posted)
    assert {len(spans) for spans in found.values()} == {1}
    accept, route = found.pop("accept IN_MESSENGER")[0], found.pop("route LOG")[0]
    assert accept.parent_span_id == b""
    assert route.parent_span_id == accept.span_id
    for (post,) in found.values():
        assert post.parent_span_id == route.span_id
        told = {one.key: one.value for one in post.attributes}
        assert told["trinario.outcome"].string_value == "posted"
        assert told["trinario.attempts"].int_value == 1
    everything = b"".join(collector.bodies)
    assert TEXT.encode() not in everything
    for handle in (*ALICE, *BOB):
        assert handle.partition(":")[2].encode() not in everything
