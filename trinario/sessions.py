"""Session tokens: one file a handle under ``sessions/``, mode 0600. A token is what lets ``--as`` act as an account."""

from urllib.parse import quote

import msgspec

from schemas.handles import Handle
from trinario.failures import Failed, NotFound
from trinario.place import Place, write_private


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """What a rail gave when the account was registered."""

    handle: Handle
    token: str


class Sessions:
    """The sessions kept in one data folder."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def find(self, handle: Handle) -> Session | None:
        """The session of a handle, if there is one. Raises `Failed` when the file is there and unreadable."""
        path = self._place.data / "sessions" / _file_name(handle)
        try:
            return msgspec.json.decode(path.read_bytes(), type=Session)
        except FileNotFoundError:
            return None
        except msgspec.MsgspecError as error:
            raise Failed(f"The session file {path} cannot be read ({error}). Remove it and register anew.") from error

    def get(self, handle: Handle) -> Session:
        """The session of a handle. Raises `NotFound` with the way out."""
        found = self.find(handle)
        if found is None:
            raise NotFound(
                f"No session for {handle} in {self._place.data}. Register the account first: "
                f"trinario account register {handle} --name NAME"
            )
        return found

    def keep(self, session: Session) -> None:
        """Store a session in the place of an older one."""
        write_private(self._place.folder("sessions") / _file_name(session.handle), msgspec.json.encode(session))


def _file_name(handle: Handle) -> str:
    return quote(handle, safe="+@.-_") + ".json"
