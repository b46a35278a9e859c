"""``GET /client/v1/ws``: what happens, as it happens, to people's apps."""

import asyncio

import msgspec
from aiohttp import WSCloseCode, WSMsgType, web

from rails.kit import accounts
from rails.kit.acts import Acts
from rails.kit.answers import refusal, token_of
from rails.kit.hub import Hub, Socket
from rails.kit.model import Refused
from rails.kit.outbox import ascii_json
from rails.kit.store import Store

HEARTBEAT_S = 30.0


class WebSockets:
    """The handler of the WebSocket."""

    def __init__(self, *, store: Store, acts: Acts, hub: Hub) -> None:
        self._store = store
        self._acts = acts
        self._hub = hub

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one socket until either side ends. What comes in is ignored, but for ``{"type": "ping"}``."""
        try:
            token = token_of(request)
            account = await self._store.read(lambda tx: accounts.session_account(tx, token))
        except Refused as no:
            return refusal(no)
        answer = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=64 * 1024)
        await answer.prepare(request)
        socket = self._hub.add(account.id)
        try:
            await self._store.write(lambda tx: self._acts.deliver_waiting(tx, reader=account))
            await _serve(answer, socket)
        except Refused:
            await answer.close(code=WSCloseCode.TRY_AGAIN_LATER)
        finally:
            self._hub.remove(account.id, socket)
        return answer


async def _serve(answer: web.WebSocketResponse, socket: Socket) -> None:
    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(_send(answer, socket))
        async for incoming in answer:
            if incoming.type is WSMsgType.TEXT and _is_ping(incoming.data):
                await answer.send_str('{"type":"pong"}')
        sending.cancel()


async def _send(answer: web.WebSocketResponse, socket: Socket) -> None:
    while not answer.closed:
        event = await socket.queue.get()
        if event is None:
            await answer.close(code=WSCloseCode.GOING_AWAY, message=b"The rail stops")
            return
        if socket.fell_behind:
            await answer.close(code=WSCloseCode.TRY_AGAIN_LATER, message=b"Too slow: connect again and fetch")
            return
        try:
            await answer.send_str(ascii_json(event))
        except ConnectionError:
            return


def _is_ping(text: str) -> bool:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return False
    return isinstance(value, dict) and value.get("type") == "ping"
