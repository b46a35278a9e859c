"""What one does with a message that is there: edit, unsend, react, vote, download. Speaks to the Client API only."""

import asyncio
import hashlib
import os
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from cyclopts import Parameter

from schemas.handles import parse
from trinario.client import RailClient, acting
from trinario.failures import Failed, Misused, NotFound, Refused
from trinario.options import COMMON, As, Common
from trinario.shown import files, size


async def edit(
    native_id: str,
    text: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    as_: As,
    common: Common = COMMON,
) -> None:
    """Say a message of yours otherwise, everywhere.

    Parameters
    ----------
    native_id
        The message's id on the account's rail.
    text
        What it says from now on.
    as_
        The account that wrote it.
    """
    async with acting(common.place(), parse(as_)) as client:
        await client.edit(native_id, text)
    common.output().document({"native_id": native_id}, lambda: f"{native_id} says it otherwise now.")


async def unsend(native_id: str, /, *, as_: As, common: Common = COMMON) -> None:
    """Take a message of yours back, everywhere.

    Parameters
    ----------
    native_id
        The message's id on the account's rail.
    as_
        The account that wrote it.
    """
    async with acting(common.place(), parse(as_)) as client:
        await client.unsend(native_id)
    common.output().document({"native_id": native_id}, lambda: f"{native_id} is taken back.")


async def react(native_id: str, emoji: str, /, *, as_: As, common: Common = COMMON) -> None:
    """React to a message.

    Parameters
    ----------
    native_id
        The message's id on the account's rail.
    emoji
        One emoji; "" takes the reaction back.
    as_
        The account that reacts.
    """
    async with acting(common.place(), parse(as_)) as client:
        await client.react(native_id, emoji)
    what = f"{parse(as_)} reacts with {emoji}." if emoji else f"{parse(as_)} no longer reacts."
    common.output().document({"native_id": native_id}, lambda: what)


async def vote(native_id: str, /, *numbers: int, as_: As, common: Common = COMMON) -> None:
    """Vote in a poll.

    Parameters
    ----------
    native_id
        The poll's id on the account's rail.
    numbers
        The options chosen, numbered from 1 as the inbox shows them; none takes the vote back.
    as_
        The account that votes.
    """
    if any(number < 1 for number in numbers):
        raise Misused("The options of a poll are numbered from 1, as `trinario inbox` shows them.")
    async with acting(common.place(), parse(as_)) as client:
        await client.vote(native_id, [number - 1 for number in numbers])
    chosen = ", ".join(map(str, numbers)) or "nothing"
    common.output().document(
        {"native_id": native_id, "numbers": list(numbers)}, lambda: f"{parse(as_)} votes for {chosen}."
    )


async def download(native_id: str, /, *, as_: As, to: Path, common: Common = COMMON) -> None:
    """Save the file (or the files) of a message.

    Parameters
    ----------
    native_id
        The message's id on the account's rail.
    as_
        An account that sees the message.
    to
        A new file, or a folder that is there.
    """
    async with acting(common.place(), parse(as_)) as client:
        message = await client.message(native_id)
        shown = files(message["content"])
        if not shown:
            raise NotFound(f"The message {native_id} shows no file. `trinario inbox` says what messages show.")
        saved = [await _save(client, media, place_for(media, to, several=len(shown) > 1)) for media in shown]
    common.output().document(
        {"native_id": native_id, "files": saved},
        lambda: "\n".join(f"Saved {one['path']} ({size(one['size_bytes'])})." for one in saved),
    )


def place_for(media: Any, to: Path, *, several: bool) -> Path:
    """Where a file is saved. Its name is a stranger's: nothing of it but a plain file name counts."""
    if several and not to.is_dir():
        raise Misused(f"The message shows several files, and {to} is no folder. Make it, or name another with --to.")
    if not to.is_dir():
        return to
    name = "".join(letter for letter in str(media["name"]) if letter.isprintable() and letter not in '/\\:*?"<>|')
    return to / (name.lstrip(". ")[-120:] or str(media["media_id"]))


async def _save(client: RailClient, media: Any, path: Path) -> dict[str, Any]:
    """Whole or not at all, and never over another file."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    digest = hashlib.sha256()
    try:
        await _fetch(client, media["media_id"], await asyncio.to_thread(part.open, "xb"), digest)
        if digest.hexdigest() != media["sha256"]:
            raise Failed(f"What the rail sent for {path.name} is not the file it described. Try again.")
        try:
            os.link(part, path)
        except FileExistsError:
            raise Refused(f"{path} is there already. Name another with --to; nothing is ever overwritten.") from None
    except FileNotFoundError:
        raise NotFound(f"There is no folder {path.parent}. Make it, or name another with --to.") from None
    finally:
        part.unlink(missing_ok=True)
    return {"path": str(path), "mime": media["mime"], "size_bytes": media["size_bytes"], "sha256": media["sha256"]}


async def _fetch(client: RailClient, media_id: str, file: BinaryIO, digest: "hashlib._Hash") -> None:
    with file:
        async for piece in client.download(media_id):
            digest.update(piece)
            file.write(piece)
