"""How BitMart futures' private stream is spelt (PROTOCOL 2.6, 3.5, 8.1, 8.3)."""

from typing import Final

import msgspec

from adapters.bitmart.connection import Dialect
from adapters.bitmart.perp import codec
from adapters.bitmart.sign import STREAM_LOGIN, Credentials, sign

OTHER_COINS: Final = ("futures/asset:BTC", "futures/asset:ETH")  # of coin-margined contracts, which are not traded here
TOPICS: Final = ("futures/order", "futures/position", "futures/asset:USDT", *OTHER_COINS)
DEVICE: Final = "web"  # as the documentation has it


def login(credentials: Credentials, timestamp_ms: int) -> str:
    """Return the frame that logs in (PROTOCOL 2.6, 10.5): every argument is a string, the last names the device."""
    signature = sign(credentials, timestamp_ms, STREAM_LOGIN)
    frame = {"action": "access", "args": [credentials.key, str(timestamp_ms), signature, DEVICE]}
    return msgspec.json.encode(frame).decode()


def subscribe(topics: tuple[str, ...]) -> str:
    """Return the frame that subscribes to `topics`; it stays far below the 2000 bytes that pass (PROTOCOL 3.4)."""
    return msgspec.json.encode({"action": "subscribe", "args": topics}).decode()


def plain(frame: str | bytes) -> bytes:
    """Return a frame's text as bytes: nothing is deflated here (PROTOCOL 8.1)."""
    return frame.encode() if isinstance(frame, str) else frame


PERP: Final = Dialect(
    market="futures",
    topics=TOPICS,
    ping='{"action":"ping"}',  # JSON: a bare ping is an error (PROTOCOL 9.35)
    login=login,
    subscribe=subscribe,
    inflated=plain,
    read=codec.frame,
    optional=frozenset(OTHER_COINS),
)
