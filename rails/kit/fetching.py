"""Files by link: fetched for somebody else, and so only from where anybody could fetch them.

A link is somebody's word. It must not reach what only this machine can reach: every address of its host has to be a
public one, the connection goes to an address that was checked (not to one looked up again), and so for every redirect.
"""

import ipaddress
import socket
from collections.abc import AsyncIterator
from urllib.parse import unquote

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from rails.kit.files import Files, Staged
from rails.kit.model import Refused, Why

REDIRECTS_MOST = 3
URL_LENGTH = 2000
PART_BYTES = 64 * 1024
TIMEOUT_S = 10.0
VIDEO_TIMEOUT_S = 75.0
_TRANSLATED = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("2002::/16"))
"""IPv6 addresses that stand for IPv4 ones: NAT64 and 6to4."""


def is_public(text: str) -> bool:
    """Whether anybody on the internet reaches that address, and it is one machine's."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(str(address.ipv4_mapped))
        if any(address in network for network in _TRANSLATED):
            return False
    return address.is_global and not address.is_multicast


class _PublicOnly(AbstractResolver):
    """Looks names up, and finds only those whose every address is public."""

    def __init__(self) -> None:
        self._inner = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if not all(is_public(result["host"]) for result in found):
            raise OSError(f"{host} has an address that is not public")
        return found

    async def close(self) -> None:
        await self._inner.close()


class Fetcher:
    """Fetches links. `allow_private`: from anywhere, for a rail that is tried out at home."""

    def __init__(self, *, files: Files, allow_private: bool) -> None:
        self._files = files
        self._allow_private = allow_private

    async def fetch(self, link: str, *, limit_bytes: int, is_video: bool) -> tuple[Staged, str]:
        """The file, and the name in the link. `media_fetch` says what went wrong, `media_size` what was too much."""
        timeout = aiohttp.ClientTimeout(total=VIDEO_TIMEOUT_S if is_video else TIMEOUT_S, sock_connect=5)
        resolver = None if self._allow_private else _PublicOnly()
        # A session for each link: nothing is kept between them, neither cookies nor connections.
        connector = aiohttp.TCPConnector(resolver=resolver, use_dns_cache=False, force_close=True)
        try:
            async with aiohttp.ClientSession(
                connector=connector, timeout=timeout, trust_env=False, cookie_jar=aiohttp.DummyCookieJar()
            ) as http:
                return await self._follow(http, link, limit_bytes)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            reason = type(error).__name__ if isinstance(error, TimeoutError) else str(error)[:200]
            raise Refused(Why.MEDIA_FETCH, f"{link[:200]} could not be fetched: {reason}") from error
        finally:
            if resolver is not None:
                await resolver.close()

    async def _follow(self, http: aiohttp.ClientSession, link: str, limit_bytes: int) -> tuple[Staged, str]:
        url = self._checked(link)
        for _ in range(REDIRECTS_MOST + 1):
            async with http.get(url, allow_redirects=False, headers={"Accept-Encoding": "identity"}) as answer:
                if answer.status in {301, 302, 303, 307, 308} and "Location" in answer.headers:
                    url = self._checked(str(url.join(URL(answer.headers["Location"]))))
                    continue
                if answer.status != 200:
                    raise Refused(Why.MEDIA_FETCH, f"{link[:200]} answered {answer.status}, expected 200 and the file")
                if (answer.content_length or 0) > limit_bytes:
                    raise Refused(Why.MEDIA_SIZE, f"{link[:200]} has more than {limit_bytes} bytes")
                staged = await self._files.stage(_parts(answer), limit_bytes=limit_bytes)
                return staged, unquote(url.raw_name)
        raise Refused(Why.MEDIA_FETCH, f"{link[:200]} was redirected more than {REDIRECTS_MOST} times")

    def _checked(self, link: str) -> URL:
        try:
            url = URL(link) if len(link) <= URL_LENGTH else URL()
        except ValueError:
            url = URL()
        if url.scheme not in {"http", "https"} or not url.host or url.user is not None:
            raise Refused(Why.MEDIA_FETCH, f"{link[:200]!r}: expected a public http or https link without credentials")
        literal = url.host.strip("[]")
        is_literal = ":" in literal or literal.replace(".", "").isdigit()
        if is_literal and not self._allow_private and not is_public(literal):
            raise Refused(
                Why.MEDIA_FETCH,
                f"{link[:200]} is not at a public address; a rail tried out at home may: allow_private_links",
            )
        return url


async def _parts(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    async for part in answer.content.iter_chunked(PART_BYTES):
        yield part
