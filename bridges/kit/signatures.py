"""Whether a webhook comes from whom it should: its signature. Called by `intake` and `resolve`."""

import hashlib
import hmac
from collections.abc import Iterable

SIGNATURE = "X-Hub-Signature-256"


def is_signed(body: bytes, header: str, secrets: Iterable[str]) -> bool:
    """Whether the header is the HMAC-SHA256 of these very bytes with one of the secrets (two while one is replaced).

    Compared as bytes: a header may hold anything, and `compare_digest` refuses text that is not ASCII.
    """
    given = header.encode("utf-8", "surrogateescape")
    found = False
    for secret in secrets:
        digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        found |= hmac.compare_digest(b"sha256=" + digest.encode(), given)
    return found
