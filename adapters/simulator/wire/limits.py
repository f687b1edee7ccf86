"""BitMart's rate limits: fixed windows per endpoint and caller, with a header that counts up (PROTOCOL 3.1)."""

from typing import Final

from msgspec import Struct

from adapters.simulator.wire.codes import WireError

REFUSED_MAX: Final = 20  # calls refused in one window before the venue blocks the caller; not documented
BLOCK_MS: Final = 60_000  # not documented either


class Limit(Struct, frozen=True):
    """`calls` per `seconds`, counted per `target`: ip, key or uid."""

    calls: int
    seconds: int
    target: str


class _Window(Struct):
    number: int = -1
    used: int = 0
    blocked_until_ms: int = 0


class Limiter:
    """All counters. There is one per endpoint and caller, and callers are accounts or loopback addresses: few."""

    def __init__(self, *, refused_max: int = REFUSED_MAX, block_ms: int = BLOCK_MS) -> None:
        self._windows: dict[tuple[str, str], _Window] = {}
        self._refused_max = refused_max
        self._block_ms = block_ms

    def count(self, endpoint: str, caller: str, limit: Limit, now_ms: int) -> dict[str, str]:
        """Count one call and return the headers that say so.

        Raises:
            WireError: 30013 above the limit; 30017 for going on in spite of it. The call is not to be executed.
        """
        window = self._windows.setdefault((endpoint, caller), _Window())
        if now_ms < window.blocked_until_ms:
            raise WireError(30017)
        number = now_ms // (limit.seconds * 1000)
        if number != window.number:
            window.number, window.used = number, 0
        window.used += 1
        if window.used > limit.calls + self._refused_max:
            window.blocked_until_ms = now_ms + self._block_ms
            raise WireError(30017)
        if window.used > limit.calls:
            raise WireError(30013)
        return {
            "X-BM-RateLimit-Remaining": str(window.used),
            "X-BM-RateLimit-Limit": str(limit.calls),
            "X-BM-RateLimit-Reset": str(limit.seconds),
            "X-BM-RateLimit-Mode": limit.target.upper(),
        }
