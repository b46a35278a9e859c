"""rail node create: a business on a rail, for programs that speak the platform's own API."""

from typing import Any

import aiohttp

from trinario.credentials import partner_credentials
from trinario.failures import Failed, NotFound, NotReachable
from trinario.options import COMMON, Common
from trinario.output import printable
from trinario.where import running

_ANSWER_WITHIN_S = 20.0


async def create(rail: str, /, *, name: str, webhook: str | None = None, common: Common = COMMON) -> None:
    """Make a business node. Its credentials are shown this once.

    Parameters
    ----------
    rail
        The rail it is on, for example whatsapp.
    name
        The business's display name.
    webhook
        Where the rail posts what happens, in the platform's form.
    """
    place = common.place()
    rails = running(place).rails
    if rail not in rails:
        raise NotFound(f"There is no rail {rail!r} here. The rails are: {', '.join(sorted(rails))}.")
    token = partner_credentials(place, rail).partner_token
    made = await _made(rails[rail], token, {"name": name} | ({"webhook_url": webhook} if webhook else {}))
    output = common.output()
    if made.get("webhook_verified") is False:
        output.note(f"{webhook} did not answer the verification handshake; the rail posts there all the same.")
    output.document(made, lambda: "\n".join(f"{key}: {printable(str(value))}" for key, value in made.items()))


async def _made(url: str, token: str, body: dict[str, str]) -> dict[str, Any]:
    timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        async with (
            aiohttp.ClientSession(timeout=timeout, headers=headers) as http,
            http.post(f"{url}/v1.0/federation/nodes", json=body) as answer,
        ):
            found: dict[str, Any] = await answer.json(content_type=None)
    except (aiohttp.ClientError, TimeoutError) as error:
        raise NotReachable(f"The rail at {url} does not answer. `trinario status` shows more.") from error
    if "error" in found:
        raise Failed(f"The rail refused: {found['error'].get('message', found['error'])}")
    return found
