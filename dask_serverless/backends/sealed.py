"""Sealed invitations: what a platform's invocation carries, for its containers alone and for a while.

Nobody on the way reads it (it may hold the store's URL with its password) or changes a bit of it.
It is encrypted by HMAC-SHA256 in counter mode, then signed, each with a key of its own.
"""

from __future__ import annotations

import base64
import hmac
import json
import secrets
import time
from binascii import Error as NotBase64
from typing import Any

from dask_serverless.errors import InvitationExpired, NotAuthentic
from dask_serverless.signing.secret import INVITATIONS, SEALS, Secret
from dask_serverless.worker.invitation import Invitation

# As long as what a run has in the store outlives its client; and clocks may differ as much.
LIFE_SECONDS = 600.0
NONCE_BYTES, CODE_BYTES = 16, 32
WHAT = "an invitation"


def sealed(invitation: Invitation, secret: Secret) -> str:
    """Text, for any payload."""
    told = json.dumps([time.time(), invitation.to_json()]).encode()
    nonce = secrets.token_bytes(NONCE_BYTES)
    hidden = nonce + crossed(told, secret.key(SEALS), nonce)
    code = hmac.digest(secret.key(INVITATIONS), hidden, "sha256")
    return base64.b64encode(hidden + code).decode()


def unsealed(text: Any, secret: Secret) -> Invitation:
    """NotAuthentic for all that is not from somebody with the secret, or not from about now."""
    try:
        data = base64.b64decode(text, validate=True)
    except (NotBase64, TypeError, ValueError):
        raise NotAuthentic(WHAT, "", "is not sealed") from None
    hidden, code = data[:-CODE_BYTES], data[-CODE_BYTES:]
    if not hmac.compare_digest(hmac.digest(secret.key(INVITATIONS), hidden, "sha256"), code):
        raise NotAuthentic(WHAT, "", "was altered, or sealed with another secret")
    nonce, told = hidden[:NONCE_BYTES], hidden[NONCE_BYTES:]
    made, fields = json.loads(crossed(told, secret.key(SEALS), nonce))
    age = time.time() - made
    if abs(age) > LIFE_SECONDS:
        problem = f"is {age:.0f} s old by this container's clock, and lasts {LIFE_SECONDS:.0f} s"
        raise InvitationExpired(WHAT, "", problem)
    return Invitation(**fields)


def crossed(data: bytes, key: bytes, nonce: bytes) -> bytes:
    """Encrypted; done once more, decrypted."""
    begun, blocks = hmac.new(key, nonce, "sha256"), []
    for number in range(-(-len(data) // CODE_BYTES)):
        block = begun.copy()  # the key takes as long as the rest
        block.update(number.to_bytes(4, "big"))
        blocks.append(block.digest())
    stream = b"".join(blocks)
    crossed = int.from_bytes(data, "big") ^ int.from_bytes(stream[: len(data)], "big")
    return crossed.to_bytes(len(data), "big")
