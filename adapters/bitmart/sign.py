"""How BitMart knows a caller: HMAC-SHA256 over the exact bytes that leave (PROTOCOL 2.2, 2.6)."""

import hmac

from msgspec import Struct

STREAM_LOGIN = b"bitmart.WebSocket"  # what stands in the body's place when a stream logs in


class Credentials(Struct, frozen=True):
    """One API key. `memo` is the label typed when the key was made: case sensitive, not the account's number.

    The repr shows nothing of it, so that no log line and no traceback can.
    """

    key: str
    secret: str
    memo: str

    def __repr__(self) -> str:
        return "Credentials(key=…, secret=…, memo=…)"


def sign(credentials: Credentials, timestamp_ms: int, body: bytes) -> str:
    """Return the lower-case hex signature of a request; `body` is the bytes on the wire, empty for a GET."""
    payload = b"%d#%b#%b" % (timestamp_ms, credentials.memo.encode(), body)
    return hmac.digest(credentials.secret.encode(), payload, "sha256").hex()


def keyed(credentials: Credentials) -> dict[str, str]:
    """Return the header of a KEYED call; it proves that the key exists, nothing about the secret."""
    return {"X-BM-KEY": credentials.key}


def signed(credentials: Credentials, timestamp_ms: int, body: bytes) -> dict[str, str]:
    """Return the headers of a SIGNED call with `body`."""
    return {
        "Content-Type": "application/json",
        "X-BM-KEY": credentials.key,
        "X-BM-TIMESTAMP": str(timestamp_ms),
        "X-BM-SIGN": sign(credentials, timestamp_ms, body),
    }
