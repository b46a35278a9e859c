"""What a file is: by its bytes first, by what it was called only where bytes do not tell. Pure.

Containers hold sound or pictures alike (ogg, mp4, webm), Office files are all archives: there the claim decides between
what the bytes allow. Nobody is believed that something is a picture, a sound or a video which is not.
"""

import re
import unicodedata
from collections.abc import Mapping

import filetype

from schemas.content import MediaKind

HEAD_BYTES = 4096
"""As much of a file's beginning as is looked at."""

UNKNOWN = "application/octet-stream"
NAME_MOST, ENDING_MOST = 128, 16

_CONTAINERS: Mapping[str, str] = {
    "application/ogg": "ogg",
    "audio/ogg": "ogg",
    "video/ogg": "ogg",
    "audio/mp4": "mp4",
    "audio/x-m4a": "mp4",
    "video/mp4": "mp4",
    "audio/webm": "webm",
    "video/webm": "webm",
}
_ARCHIVES = ("application/zip", "application/vnd.openxmlformats", "application/vnd.ms-", "application/msword")
_OFFICE = ("application/vnd.openxmlformats", "application/vnd.ms-", "application/msword")
_MAJOR: Mapping[MediaKind, str] = {
    "image": "image/",
    "sticker": "image/",
    "video": "video/",
    "audio": "audio/",
    "voice": "audio/",
}
_UNSAFE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff]")


def settled(kind: MediaKind, claimed: str, head: bytes) -> tuple[MediaKind, str]:
    """The kind and the type of a file that begins so: as claimed where the bytes bear it out, else a document."""
    claimed = claimed.partition(";")[0].strip().lower()
    mime = _type(kind, claimed, head)
    major = _MAJOR.get(kind)
    return (kind if major is None or mime.startswith(major) else "document"), mime


def _type(kind: MediaKind, claimed: str, head: bytes) -> str:
    found: str = filetype.guess_mime(head) or ""
    if container := _CONTAINERS.get(found):
        return f"{'audio' if kind in ('audio', 'voice') else 'video'}/{container}"
    if found == "audio/x-wav":
        return "audio/wav"
    if found.startswith(_ARCHIVES) and claimed.startswith(_OFFICE):
        return claimed
    if found:
        return found
    if claimed.startswith("audio/"):  # raw sound (aac, amr, mpeg frames) begins with almost anything
        return claimed
    return "text/plain" if _is_text(head) else UNKNOWN


def is_animated(head: bytes) -> bool:
    """Whether it is a WebP with several frames: the flag of its extended header.

    https://developers.google.com/speed/webp/docs/riff_container#extended_file_format
    """
    return head[8:16] == b"WEBPVP8X" and len(head) > 20 and bool(head[20] & 0x02)


def _is_text(head: bytes) -> bool:
    if b"\0" in head:
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # cut within a character
    return True


def clean_name(name: str) -> str:
    """A file name without folders, control characters and marks that turn the reading direction; may be empty.

    Of a long one the end is kept: it says what the file is.
    """
    last = re.split(r"[/\\]", _UNSAFE.sub("", unicodedata.normalize("NFC", name)))[-1]
    clean = last.strip(". ").encode("utf-8", "ignore").decode()
    if len(clean) <= NAME_MOST:
        return clean
    stem, dot, ending = clean.rpartition(".")
    kept = dot + ending if dot and len(ending) <= ENDING_MOST else ""
    return (stem if kept else clean)[: NAME_MOST - len(kept)] + kept
