"""Who gets past the console's gate, and what every answer carries (threats T9 and T10)."""

import os
import stat
from typing import Any

import aiohttp
import pytest

from tests.unit.console.conftest import Visitor
from trinario.console.login import VALID_S, Login, forget_key, kept_key
from trinario.place import Place


async def test_every_answer_forbids_what_is_not_ours(visitor: Visitor) -> None:
    """The page, a file, a call, a refusal and an error carry the same policy."""
    for path in ("/", "/js/app.js", "/api/accounts", "/api/nothing", "/nothing", "/healthz"):
        answer = await visitor.call("GET", path)
        policy = answer.headers["Content-Security-Policy"]
        directives = dict(part.split(" ", 1) for part in policy.split("; "))
        assert directives["default-src"] == "'none'"
        assert directives["script-src"] == "'self'"
        assert directives["style-src"] == "'self'"
        assert directives["frame-ancestors"] == "'none'"
        assert directives["base-uri"] == "'none'"
        assert directives["require-trusted-types-for"] == "'script'"
        assert "unsafe" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", "localhost:1", "evil.example:{port}", "127.0.0.1.nip.io:{port}", ""]
)
async def test_another_hosts_name_gets_nothing(visitor: Visitor, host: str) -> None:
    """A name that was made to point here (DNS rebinding) sees neither the page nor the calls."""
    named = host.format(port=visitor.host.rpartition(":")[2])
    for path in ("/", "/api/accounts", "/healthz"):
        answer = await visitor.call("GET", path, Host=named)
        assert answer.status in {400, 421}, (named, path)
        assert b"<html" not in await answer.read()


async def test_our_own_names_are_let_in(visitor: Visitor) -> None:
    """The address that is printed, and localhost."""
    port = visitor.host.rpartition(":")[2]
    for name in ("127.0.0.1", "localhost", "LOCALHOST", "[::1]"):
        assert (await visitor.call("GET", "/", Host=f"{name}:{port}")).status == 200


@pytest.mark.parametrize(
    "origin", [None, "null", "http://evil.example", "https://{host}", "http://{host}.evil.example"]
)
async def test_foreign_pages_change_nothing(visitor: Visitor, origin: str | None) -> None:
    """Neither with the cookie, nor by logging in."""
    sent = origin and origin.format(host=visitor.host)
    body = {"handle": "whatsapp:+393330000000", "name": "Carla"}
    assert (await visitor.call("POST", "/api/accounts", body=body, Origin=sent)).status == 403
    assert (await visitor.call("POST", "/api/login", body={"key": visitor.key}, Origin=sent)).status == 403
    answer = await visitor.call("GET", "/api/accounts")
    assert (await answer.json())["accounts"] == []


async def test_calls_need_the_header_that_forms_cannot_send(visitor: Visitor) -> None:
    """A read, too: a foreign page may not even learn whether it worked."""
    assert (await visitor.call("GET", "/api/accounts", X_Trinario=None)).status == 403


async def test_calls_need_a_session(stranger: Visitor) -> None:
    """The page's own files do not, or nobody could log in."""
    assert (await stranger.call("GET", "/")).status == 200
    for path in ("/api/accounts", "/api/people", "/api/trace?id=x", "/api/rails/whatsapp/threads", "/api/nothing"):
        assert (await stranger.call("GET", path)).status == 401, path


async def test_the_key_opens_and_nothing_else_does(stranger: Visitor) -> None:
    """A wrong key gives no cookie; the right one gives one that scripts cannot read and other sites cannot send."""
    for wrong in ({"key": ""}, {"key": stranger.key[:-1]}, {"key": "é"}, {}, [], "text"):
        answer = await stranger.call("POST", "/api/login", body=wrong)
        assert answer.status == 401
        assert "Set-Cookie" not in answer.headers
    answer = await stranger.call("POST", "/api/login", body={"key": stranger.key})
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert stranger.key not in cookie
    assert (await stranger.call("GET", "/api/accounts")).status == 200
    await stranger.call("DELETE", "/api/login")
    assert (await stranger.call("GET", "/api/accounts")).status == 401


def test_cookies_end_and_cannot_be_made_up() -> None:
    """Signed with the key, valid for a time, and no other text is one."""
    now_s = 1_000_000.0
    login = Login(key="k", now_s=lambda: now_s)
    cookie = login.redeem("k")
    assert cookie is not None
    assert login.admits(cookie)
    ends_s, _, signature = cookie.partition(".")
    forged: list[Any] = [
        None,
        "",
        ".",
        "x.y",
        ends_s,
        f"{ends_s}0.{signature}",
        f"{ends_s}.{'0' * 64}",
        f"é.{signature}",
    ]
    assert not any(login.admits(text) for text in forged)
    assert not Login(key="other", now_s=lambda: now_s).admits(cookie)
    now_s += VALID_S
    assert not login.admits(cookie)


def test_the_key_is_kept_until_a_clean_stop(place: Place) -> None:
    """A console that was killed comes back under the address that was printed; nobody else can read the key."""
    key = kept_key(place)
    assert kept_key(place) == key
    assert stat.S_IMODE(os.stat(place.data / "console.key").st_mode) == 0o600  # noqa: PTH116
    forget_key(place)
    assert kept_key(place) != key


@pytest.mark.parametrize("origin", [None, "http://evil.example"])
async def test_foreign_pages_get_no_socket(visitor: Visitor, origin: str | None) -> None:
    """Browsers send cookies with a WebSocket from anywhere: Origin is what tells."""
    headers = {} if origin is None else {"Origin": origin}
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await visitor.http.ws_connect(f"{visitor.url}/api/ws", headers=headers)
    assert caught.value.status == 403


async def test_a_socket_needs_a_session(stranger: Visitor) -> None:
    """Our own page before logging in gets none."""
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await stranger.http.ws_connect(f"{stranger.url}/api/ws", headers={"Origin": stranger.url})
    assert caught.value.status == 401
