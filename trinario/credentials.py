"""What a rail and its federation partner share: made once a rail, kept in ``secrets/<rail>.json``, mode 0600."""

import secrets

import msgspec

from bus.once import write_once
from trinario.failures import Misconfigured
from trinario.place import Place


class PartnerCredentials(msgspec.Struct, frozen=True, kw_only=True):
    """The partner's token (it calls the rail with it) and secret (the rail signs its webhooks with it)."""

    partner_token: str
    partner_secret: str


def partner_credentials(place: Place, rail: str) -> PartnerCredentials:
    """The rail's credentials; made when there are none. Raises `Misconfigured` when the file is damaged."""
    path = place.folder("secrets") / f"{rail}.json"
    if not path.exists():
        made = PartnerCredentials(partner_token=secrets.token_urlsafe(32), partner_secret=secrets.token_urlsafe(32))
        write_once(path, msgspec.json.encode(made))
    try:
        return msgspec.json.decode(path.read_bytes(), type=PartnerCredentials)
    except msgspec.MsgspecError as error:
        raise Misconfigured(
            f"{path} cannot be read ({error}). Restore it, or remove it to have new credentials made."
        ) from error
