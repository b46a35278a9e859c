"""What the console does for its phones: files, calls handed to the rail, accounts, and what happens, live."""

import asyncio
import json
from http.client import HTTPConnection

import aiohttp
import pytest

from rails.kit.daemon import RailServer
from tests.unit.console.conftest import ALICE, BOB, Visitor, registered
from trinario.place import Place
from trinario.sessions import Sessions


def raw(visitor: Visitor, path: str, **headers: str) -> tuple[int, bytes]:
    """GET a path as it stands: clients tidy ``..`` away, attackers do not."""
    connection = HTTPConnection(visitor.host, timeout=10)
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, body


CLIMBING = [
    "/../gate.py",
    "/js/../../gate.py",
    "/%2e%2e/gate.py",
    "/js/%2e%2e%2f%2e%2e%2fgate.py",
    "//etc/passwd",
    "/js/",
    "/js",
]


@pytest.mark.parametrize("path", CLIMBING)
async def test_no_path_leads_out_of_the_pages_files(visitor: Visitor, path: str) -> None:
    """Whatever is asked for, the disk is not."""
    status, body = await asyncio.to_thread(raw, visitor, path)
    assert status in {400, 404}, path
    assert b"import" not in body


async def test_files_have_their_types_and_are_not_sent_twice(visitor: Visitor) -> None:
    """Scripts are scripts, and what a browser has it need not load again."""
    for path, kind in (
        ("/", "text/html"),
        ("/js/app.js", "text/javascript"),
        ("/css/base.css", "text/css"),
        ("/icon.svg", "image/svg+xml"),
    ):
        answer = await visitor.call("GET", path)
        assert (answer.status, answer.content_type) == (200, kind)
        again = await visitor.call("GET", path, If_None_Match=answer.headers["ETag"])
        assert again.status == 304


async def test_a_phone_speaks_to_its_rail(visitor: Visitor, rail: RailServer, place: Place) -> None:
    """Writing, listing, reading, with the token staying on the server."""
    for handle, name in ((ALICE, "Alice"), (BOB, "Bob")):
        await registered(rail, place, handle, name)
    sent = await visitor.call(
        "POST", "/api/rails/whatsapp/messages", body={"to": BOB, "text": "Ciao <b>Bob</b>"}, X_As=ALICE
    )
    assert sent.status == 201
    listed = await visitor.call("GET", "/api/rails/whatsapp/messages?limit=5", X_As=BOB)
    (message,) = (await listed.json())["messages"]
    assert (message["text"], message["direction"]) == ("Ciao <b>Bob</b>", "in")
    read = await visitor.call("POST", "/api/rails/whatsapp/read", body={"thread": message["thread"]}, X_As=BOB)
    assert await read.json() == {"read": 1}


PAGE = b"<html><script>alert(1)</script>"


async def test_files_pass_through_in_ranges_and_none_is_a_page(
    visitor: Visitor, rail: RailServer, place: Place
) -> None:
    """Megabytes up and down again, a part of them, and markup under a hostile name only as a download (T9)."""
    await registered(rail, place, ALICE, "Alice")
    voice = b"OggS" + bytes(3 * 1024 * 1024)
    for body, name in ((voice, "note.ogg"), (PAGE, '"><script>alert(1)</script>.html')):
        made = await visitor.http.post(
            f"{visitor.url}/api/rails/whatsapp/media",
            params={"name": name},
            data=body,
            headers={"X-Trinario": "1", "Origin": visitor.url, "X-As": ALICE},
        )
        assert made.status == 201, await made.text()
        path = f"/api/media/{ALICE}/{(await made.json())['media_id']}"
        whole = await visitor.call("GET", path, Sec_Fetch_Site="same-origin")
        assert await whole.read() == body
        part = await visitor.call("GET", path, Sec_Fetch_Site="same-origin", Range="bytes=2-5")
        assert (part.status, await part.read()) == (206, body[2:6])
        assert "sandbox" in whole.headers["Content-Security-Policy"]
        assert whole.headers["X-Content-Type-Options"] == "nosniff"
        for site in ("cross-site", "same-site", "none", None):
            assert (await visitor.call("GET", path, Sec_Fetch_Site=site)).status == 403
    assert whole.content_type == "application/octet-stream"
    assert whole.headers["Content-Disposition"] == "attachment"


async def test_a_rails_refusal_is_shown_as_it_is(visitor: Visitor, rail: RailServer, place: Place) -> None:
    """Its status and its words."""
    await registered(rail, place, ALICE, "Alice")
    answer = await visitor.call("POST", "/api/rails/whatsapp/messages", body={"to": BOB, "text": "Ciao"}, X_As=ALICE)
    assert answer.status == 404
    assert (await answer.json())["error"]["code"] == "unknown_recipient"


@pytest.mark.parametrize(
    "path",
    [
        "/api/rails/whatsapp/sessions",
        "/api/rails/whatsapp/accounts",
        "/api/rails/whatsapp/ws",
        "/api/rails/whatsapp/%2e%2e/%2e%2e/healthz",
        "/api/rails/whatsapp/..%2f..%2fhealthz",
        "/api/rails/whatsapp/threads/../../../healthz",
        "/api/rails/whatsapp//healthz",
        "/api/rails/telegram/threads",
        "/api/rails/whatsapp/threads%00",
        "/api/rails/whatsapp/threads%3Ftoken=x",
    ],
)
async def test_no_call_leaves_the_client_api(visitor: Visitor, rail: RailServer, place: Place, path: str) -> None:
    """Neither upwards, nor to what gives tokens away."""
    token = await registered(rail, place, ALICE, "Alice")
    cookies = "; ".join(f"{c.key}={c.value}" for c in visitor.http.cookie_jar)
    headers = {"X-Trinario": "1", "X-As": ALICE, "Cookie": cookies}
    status, body = await asyncio.to_thread(lambda: raw(visitor, path, **headers))
    assert status in {400, 404}, path
    assert token.encode() not in body


async def test_nobody_acts_as_an_account_without_its_session(visitor: Visitor, rail: RailServer, place: Place) -> None:
    """Nor as one of another rail, nor as nobody."""
    await registered(rail, place, ALICE, "Alice")
    for handle, status in ((BOB, 404), ("instagram:@alice", 404), ("../alice", 400), (None, 400)):
        assert (await visitor.call("GET", "/api/rails/whatsapp/threads", X_As=handle)).status == status


async def test_accounts_are_made_and_listed_without_their_tokens(visitor: Visitor, place: Place) -> None:
    """As the command line makes them: the session is in the data folder."""
    body = {"handle": "whatsapp:+39 333 111 2222", "name": "Alice"}
    made = await visitor.call("POST", "/api/accounts", body=body)
    assert made.status == 201
    session = Sessions(place).get(ALICE)
    text = await (await visitor.call("GET", "/api/accounts")).text()
    assert json.loads(text)["accounts"] == [{"handle": ALICE, "rail": "whatsapp", "name": "Alice", "state": "here"}]
    assert session.token not in text + await made.text()
    taken = await visitor.call("POST", "/api/accounts", body=body)
    assert (taken.status, (await taken.json())["error"]["code"]) == (409, "address_taken")
    for wrong in ({"handle": "Alice", "name": "Alice"}, {"handle": "telegram:x", "name": "A"}, {"name": "A"}, []):
        assert (await visitor.call("POST", "/api/accounts", body=wrong)).status in {400, 404}


async def test_what_happens_comes_by_one_socket(visitor: Visitor, rail: RailServer, place: Place) -> None:
    """Two phones of one page: who writes and who is written to both hear of it."""
    for handle, name in ((ALICE, "Alice"), (BOB, "Bob")):
        await registered(rail, place, handle, name)
    async with visitor.http.ws_connect(f"{visitor.url}/api/ws", headers={"Origin": visitor.url}) as socket:
        await socket.send_str("not JSON")
        for handle in (ALICE, BOB):
            await socket.send_json({"do": "follow", "as": handle})
        opened = [await socket.receive_json(timeout=10) for _ in range(2)]
        assert {frame["as"] for frame in opened if frame["state"] == "open"} == {ALICE, BOB}
        await visitor.call("POST", "/api/rails/whatsapp/messages", body={"to": BOB, "text": "Ciao"}, X_As=ALICE)
        heard = set()
        while len(heard) < 2:
            frame = await socket.receive_json(timeout=10)
            if frame["type"] == "happened" and frame["event"]["type"] == "message":
                assert frame["event"]["message"]["text"] == "Ciao"
                heard.add(frame["as"])
        assert heard == {ALICE, BOB}


async def test_a_session_that_the_rail_has_forgotten_is_said_so(
    visitor: Visitor, rail: RailServer, place: Place
) -> None:
    """Instead of trying for ever."""
    token = await registered(rail, place, ALICE, "Alice")
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        await http.delete(f"{rail.url}/client/v1/sessions")
    async with visitor.http.ws_connect(f"{visitor.url}/api/ws", headers={"Origin": visitor.url}) as socket:
        await socket.send_json({"do": "follow", "as": ALICE})
        assert await socket.receive_json(timeout=10) == {"type": "rail", "as": ALICE, "state": "refused"}


async def test_phones_follow_a_rail_through_its_restart(visitor: Visitor, rail: RailServer, place: Place) -> None:
    """Lost, then open again: then the page fetches what it has missed."""
    await registered(rail, place, ALICE, "Alice")
    port = int(rail.url.rpartition(":")[2])
    async with visitor.http.ws_connect(f"{visitor.url}/api/ws", headers={"Origin": visitor.url}) as socket:
        await socket.send_json({"do": "follow", "as": ALICE})
        states = [(await socket.receive_json(timeout=10))["state"]]
        await rail.stop()
        gone = await visitor.call("GET", "/api/rails/whatsapp/threads", X_As=ALICE)
        assert (gone.status, (await gone.json())["error"]["code"]) == (502, "not_reachable_now")
        rail._settings = type(rail._settings)(
            data_dir=rail._settings.data_dir, port=port, partner_token="t", partner_secret="s"
        )
        await rail.start()
        while states[-1:] != ["open"] or len(states) < 3:
            states.append((await socket.receive_json(timeout=20))["state"])
        assert states[0] == "open"
        assert "lost" in states


async def test_without_the_bus_its_sights_say_so(visitor: Visitor) -> None:
    """The phones above have worked all the time."""
    for path in ("/api/people", "/api/dead", "/api/trace?id=evt_x", "/api/explain?from=whatsapp:%2B1&to=whatsapp:%2B2"):
        answer = await visitor.call("GET", path)
        assert (answer.status, (await answer.json())["error"]["code"]) == (503, "not_reachable_now")
    assert await (await visitor.call("GET", "/status")).json() == {"pages": 0, "bus": "away"}
