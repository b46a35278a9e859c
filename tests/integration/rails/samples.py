"""Small files that are what they say they are, for the rails' tests."""

import io
import struct
import wave
import zlib


def png(shade: int = 0) -> bytes:
    """A picture of one dot."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    dot = zlib.compress(bytes([0, shade]))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", dot) + chunk(b"IEND", b"")


def wav() -> bytes:
    """A tenth of a second of silence."""
    stored = io.BytesIO()
    with wave.open(stored, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(1600))
    return stored.getvalue()


PNG = png()
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffdb004300") + bytes(60) + bytes.fromhex("ffd9")
GIF = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xff\xff\xff!\xf9\x04\0\0\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 " + bytes(40)
WEBP_ANIMATED = b"RIFF\x24\0\0\0WEBPVP8X\x0a\0\0\0\x02" + bytes(40)
MP4 = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41" + bytes(50)
_HANDLER = b"\0\0\0\x2dhdlr" + bytes(8) + b"%s" + bytes(13)
RECORDED_MP4 = MP4[:32] + _HANDLER % b"soun"
"""What a browser records: sound alone, in the container of films."""
FILM_WITH_SOUND = RECORDED_MP4 + _HANDLER % b"vide"
M4A = b"\0\0\0\x20ftypM4A \0\0\0\0M4A mp42isom\0\0\0\0" + bytes(50)
THREE_GP = b"\0\0\0\x14ftyp3gp4\0\0\0\x003gp4" + bytes(50)
OGG = b"OggS\0\2" + bytes(22) + b"OpusHead\x01" + bytes(20)
OGG_FILM = b"OggS\0\2" + bytes(22) + b"\x80theora" + bytes(20)
MP3 = b"ID3\x03\0\0\0\0\0\x0a" + bytes(20) + b"\xff\xfb\x90\x64" + bytes(400)
AMR = b"#!AMR\n\x3c" + bytes(50)
PDF = b"%PDF-1.4\n%\xe2\xe3\n1 0 obj\n<<>>\nendobj\n"
TEXT = "Ciao, com'è?\n".encode()
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
SVG = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"
NOISE = bytes(range(256)) * 4
