"""HTTP to the rail: one call, or many in a batch. Says what is known of a call that was not answered, and no more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import msgspec
from aiohttp.payload import AsyncIterablePayload
from yarl import URL

from bridges.kit import extension
from bridges.kit.contract import Call, Upload

_encode = msgspec.json.encode

LONGEST_WAIT_S = 3600.0
SILENCE_S = 30.0
"""A file may take long, but not without a byte for so long."""


class RailAway(Exception):
    """Nobody answers at the rail's address; nothing was sent."""


class Unanswered(Exception):
    """The call was sent and not answered (or not understandably): it may or may not have been carried out."""


class Elsewhere(Exception):
    """An address that is not the rail's own: nothing is fetched from there."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """A rail's answer. `wait_s`: what ``Retry-After`` asks for, 0 when it does not."""

    status: int
    body: bytes
    wait_s: float = 0.0


class _Streamed(AsyncIterablePayload):
    """A stream of known length, so that the form around it has one, too."""

    def __init__(self, chunks: AsyncIterator[bytes], *, size_bytes: int, mime: str) -> None:
        super().__init__(chunks, content_type=mime)
        self._size = size_bytes


class RailClient:
    """The partner's calls. One session, kept alive."""

    def __init__(self, *, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self._session, self._url = session, url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    async def ask(self, call: Call) -> Answer:
        """Make one call. Raises `RailAway` and `Unanswered`."""
        try:
            async with self._session.request(
                call.method,
                self._url + call.path,
                data=None if call.body is None else _encode(call.body),
                headers={**self._headers, **call.headers},
            ) as response:
                body = await response.read()
                return Answer(
                    status=response.status, body=body, wait_s=_retry_after_s(response.headers.get("Retry-After"))
                )
        except aiohttp.ClientConnectorError as error:
            raise RailAway(f"Nobody answers at {self._url}.") from error
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise Unanswered(f"{call.path}: {error or type(error).__name__}") from error

    @asynccontextmanager
    async def download(self, url: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """A file of the rail's, to be streamed. Raises as `ask`, also while it is being read.

        Only addresses of the rail's own origin are asked (else `Elsewhere`), and no redirect is followed: the token is
        for nobody else, and a webhook must not make us call anybody.
        """
        origin = URL(self._url).origin()
        address = origin.join(URL(url))
        if address.origin() != origin:
            raise Elsewhere("it is not at the rail")
        timeout = aiohttp.ClientTimeout(total=None, connect=5, sock_read=SILENCE_S)
        headers = {"Authorization": self._headers["Authorization"]}
        try:
            async with self._session.get(address, headers=headers, timeout=timeout, allow_redirects=False) as response:
                yield response
        except aiohttp.ClientConnectorError as error:
            raise RailAway(f"Nobody answers at {self._url}.") from error
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise Unanswered(f"a file: {error or type(error).__name__}") from error

    async def upload(
        self, upload: Upload, *, chunks: AsyncIterator[bytes], size_bytes: int, mime: str, name: str
    ) -> Answer:
        """Give the rail a file, streamed. Raises as `ask`."""
        timeout = aiohttp.ClientTimeout(total=None, connect=5, sock_read=SILENCE_S)
        with aiohttp.MultipartWriter("form-data") as form:
            for key, value in upload.fields.items():
                form.append(value).set_content_disposition("form-data", name=key)
            file = form.append_payload(_Streamed(chunks, size_bytes=size_bytes, mime=mime))
            file.set_content_disposition("form-data", quote_fields=False, name=upload.file_field, filename=name)
        headers = {"Authorization": self._headers["Authorization"]}
        try:
            async with self._session.post(self._url + upload.path, data=form, headers=headers, timeout=timeout) as got:
                body = await got.read()
                return Answer(status=got.status, body=body, wait_s=_retry_after_s(got.headers.get("Retry-After")))
        except aiohttp.ClientConnectorError as error:
            raise RailAway(f"Nobody answers at {self._url}.") from error
        except (aiohttp.ClientError, TimeoutError, ConnectionError) as error:
            raise Unanswered(f"{upload.path}: {error or type(error).__name__}") from error

    async def ask_many(self, calls: list[Call]) -> list[Answer]:
        """Make several calls, by one batch if they are more than one; the answers in the same order.

        A batch that is put off as a whole (too many, not let in) has done nothing: each call then has that answer. One
        that is refused otherwise says nothing of its calls, which are then made one by one. Raises as `ask`.
        """
        if len(calls) == 1:
            return [await self.ask(calls[0])]
        answer = await self.ask(extension.batch(calls))
        if answer.status in (401, 403, 408, 425, 429) or answer.status >= 500:
            return [answer] * len(calls)
        if answer.status != 200:
            return [await self.ask(call) for call in calls]
        try:
            found = extension.read_batch(answer.body)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Unanswered(f"A batch was answered with something else: {error}") from error
        if len(found) != len(calls):
            raise Unanswered(f"A batch of {len(calls)} calls has {len(found)} answers.")
        return [Answer(status=status, body=body) for status, body in found]


def _retry_after_s(value: str | None) -> float:
    """Seconds; the header's other form, a date, is not used by these platforms."""
    if value is None or not value.isdecimal():
        return 0.0
    return min(float(value), LONGEST_WAIT_S)
