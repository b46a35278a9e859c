"""What a file is, by its first bytes. Names and claimed types are not asked."""

import re

import filetype

from rails.kit.content import MediaKind

HEAD_BYTES = 8192
"""How much of a file has to be seen."""
_SAME = {"audio/x-wav": "audio/wav", "video/x-m4v": "video/mp4", "audio/x-flac": "audio/flac"}
_KINDS: dict[str, MediaKind] = {"image": "image", "video": "video", "audio": "audio"}
UNKNOWN = "application/octet-stream"
_TRACK = re.compile(rb"hdlr.{8}(soun|vide)", re.DOTALL)
"""What a track of an MP4 holds (ISO/IEC 14496-12, 8.4.3): browsers record sound alone into the container of films."""


def mime_of(head: bytes) -> str:
    """The type of a file that begins so."""
    if head[4:11] == b"ftyp3gp" or head[4:10] == b"ftyp3g":  # the library knows no 3GPP
        return "video/3gpp"
    if head[:4] == b"OggS":  # the library takes every Ogg for sound
        return "video/ogg" if b"theora" in head[:512] else "audio/ogg"
    found = filetype.guess(head)
    if found is None:
        return _text(head)
    mime = _SAME.get(str(found.mime), str(found.mime))
    return "audio/mp4" if mime == "video/mp4" and set(_TRACK.findall(head)) == {b"soun"} else mime


def _text(head: bytes) -> str:
    """Markup that a browser would run is named as what it is, so that it is served as nothing to be run."""
    if not head or b"\0" in head:
        return UNKNOWN
    try:
        # The head may end within a character.
        text = head.decode("utf-8", "strict" if len(head) < HEAD_BYTES else "ignore")
    except UnicodeDecodeError:
        return UNKNOWN
    start = text.lstrip("\ufeff \t\r\n").lower()
    if start.startswith("<"):
        return "image/svg+xml" if "<svg" in start else "text/html" if "<html" in start else "text/xml"
    return "text/plain"


def kind_of(mime: str) -> MediaKind:
    """What a file of that type is sent as, unless somebody says otherwise."""
    if mime == "image/webp":
        return "sticker"
    return "document" if mime == "image/svg+xml" else _KINDS.get(mime.partition("/")[0], "document")


def is_animated(head: bytes) -> bool:
    """Whether it is a WebP with several frames (the flag of its extended header)."""
    return head[8:16] == b"WEBPVP8X" and len(head) > 20 and bool(head[20] & 0x02)
