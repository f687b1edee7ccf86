"""Dead men's switches: an account that is not heard of in time has a contract's orders canceled (PROTOCOL 6.4)."""

from typing import Final

from adapters.simulator.exchange.futures.orders import Refusal, RefusedError

SECONDS_MIN: Final = 5


class Switches:
    """At most one per account and contract."""

    def __init__(self) -> None:
        self._due_ms: dict[tuple[str, str], int] = {}

    def arm(self, account: str, symbol: str, timeout_s: int, now_ms: int) -> int:
        """Set a switch anew, or with zero take it away; return when it is due, in ms (zero: never).

        Raises:
            RefusedError: the time is too short; the switch is as it was.
        """
        if not timeout_s:
            self._due_ms.pop((account, symbol), None)
            return 0
        if timeout_s < SECONDS_MIN:
            raise RefusedError(Refusal.TIMEOUT_TOO_SHORT)
        self._due_ms[account, symbol] = now_ms + timeout_s * 1000
        return self._due_ms[account, symbol]

    def due(self, now_ms: int) -> list[tuple[str, str]]:
        """Take away the switches that are due and return them, as (account, symbol)."""
        due = [whose for whose, at_ms in self._due_ms.items() if now_ms >= at_ms]
        for whose in due:
            del self._due_ms[whose]
        return due
