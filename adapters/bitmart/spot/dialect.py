"""How BitMart spot's private stream is spelt (PROTOCOL 2.6, 3.5, 4.8, 7.4)."""

from collections.abc import Sequence
from typing import Final

import msgspec

from adapters.bitmart.connection import Dialect
from adapters.bitmart.sign import STREAM_LOGIN, Credentials, sign
from adapters.bitmart.spot import codec

BALANCES: Final = "spot/user/balance:BALANCE_UPDATE"
TOPICS: Final = ("spot/user/orders:ALL_SYMBOLS", BALANCES)
TOPICS_MAX: Final = 20  # of one frame


def login(credentials: Credentials, timestamp_ms: int) -> str:
    """Return the frame that logs in (PROTOCOL 2.6): every argument is a string."""
    signature = sign(credentials, timestamp_ms, STREAM_LOGIN)
    frame = {"op": "login", "args": [credentials.key, str(timestamp_ms), signature]}
    return msgspec.json.encode(frame).decode()


def subscribe(topics: tuple[str, ...]) -> str:
    """Return the frame that subscribes to `topics`, at most 20 of them."""
    return msgspec.json.encode({"op": "subscribe", "args": topics}).decode()


def of_symbols(venue_symbols: Sequence[str]) -> Dialect:
    """Return the dialect of a stream of balances and of the orders of some symbols; of all, if none are named.

    Raises:
        ValueError: there are more than one frame subscribes to; then listen to all.
    """
    if not venue_symbols:
        return SPOT
    if len(venue_symbols) >= TOPICS_MAX:
        raise ValueError(f"{len(venue_symbols)} symbols are too many for a stream of their own: listen to all")
    topics = (*(f"spot/user/order:{symbol}" for symbol in venue_symbols), BALANCES)
    return msgspec.structs.replace(SPOT, topics=topics)


SPOT: Final = Dialect(
    market="spot",
    topics=TOPICS,
    ping="ping",  # a text frame; protocol pings are not answered (PROTOCOL 3.5)
    login=login,
    subscribe=subscribe,
    inflated=codec.inflated,
    read=codec.frame,
    harmless=frozenset({"91005"}),  # logged in already
    subscribed_already=frozenset({"90008"}),  # the stream keeps flowing
    too_often=frozenset({"90007", "94001", "94002"}),  # messages, attempts, connections
    clock=frozenset({"91021", "91022", "91023"}),
)
