"""What the futures endpoints share: the exchange behind them, how a body and a query are read, what a query sees."""

import re
from collections import deque
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from adapters.simulator.exchange.futures.accounts import Account, Wallet
from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.events import FundingSettled, Printed
from adapters.simulator.exchange.futures.exchange import FuturesExchange
from adapters.simulator.exchange.futures.orders import Refusal, RefusedError
from adapters.simulator.exchange.matching import Exchange
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.futures.feeds import Quote
from adapters.simulator.wire.gateway import Call
from adapters.simulator.wire.house import House
from adapters.simulator.wire.lag import Lagging
from adapters.simulator.wire.tape import Tape

AMOUNT: Final = re.compile(r"[0-9]{1,20}(\.[0-9]{0,18})?")  # keeps every product of amounts exact
WHOLE: Final = re.compile(r"[0-9]{1,15}")
T = TypeVar("T")
V = TypeVar("V")

REFUSALS: Final = {
    Refusal.UNKNOWN_SYMBOL: 40034,
    Refusal.CONTRACT_DELISTED: 40014,
    Refusal.CONTRACT_PAUSED: 40015,
    Refusal.INVERSE_NOT_TRADED: 40014,
    Refusal.PRICE_REQUIRED: 40011,
    Refusal.PRICE_OFF_STEP: 40043,
    Refusal.PRICE_TOO_LOW: 40044,
    Refusal.PRICE_TOO_HIGH: 40044,
    Refusal.SIZE_NOT_WHOLE: 40043,
    Refusal.SIZE_TOO_SMALL: 40044,
    Refusal.SIZE_TOO_LARGE: 40044,
    Refusal.MAKER_ONLY_MARKET: 40042,
    Refusal.WOULD_TAKE: 40012,  # nobody has seen which it is (PROTOCOL 13.3): the venue's word for everything else
    Refusal.LEVERAGE_TOO_LARGE: 40029,
    Refusal.LEVERAGE_TOO_SMALL: 40030,
    Refusal.LEVERAGE_CONFLICT: 40040,
    Refusal.DUPLICATE_CLIENT_ORDER_ID: 40050,
    Refusal.BALANCE_NOT_ENOUGH: 40027,
    Refusal.POSITION_MISSING: 40021,
    Refusal.POSITION_NOT_ENOUGH: 40020,
    Refusal.POSITION_MODE_IN_USE: 40059,
    Refusal.ORDER_UNKNOWN: 40037,
    Refusal.ORDER_CANCELED: 40036,
    Refusal.ORDER_FILLED: 40036,
    Refusal.NOTHING_TO_AMEND: 40011,
    Refusal.PLAN_UNKNOWN: 40037,
    Refusal.PLAN_ENDED: 40036,
    Refusal.PLANS_TOO_MANY: 40028,
    Refusal.TRIGGER_REQUIRED: 40011,
    Refusal.TRIGGER_PASSED: 40044,
    Refusal.CALLBACK_OUT_OF_RANGE: 40044,
    Refusal.PRESET_ON_CLOSE: 40011,
    Refusal.TIMEOUT_TOO_SHORT: 40044,
}


class Venue:
    """The perpetual exchange as its endpoints see it; `spot` is where transfers go to and come from. `funding` is what
    was settled, newest last; `delisted_s` when contracts went, in seconds.
    """

    def __init__(
        self,
        *,
        exchange: FuturesExchange,
        spot: Exchange,
        tape: Tape[Printed],
        marks: Tape[Quote],
        funding: Mapping[str, deque[FundingSettled]],
        delisted_s: Mapping[str, int],
        house: House,
        shown: Lagging[Wallet],
    ) -> None:
        self.exchange = exchange
        self.spot = spot
        self.tape = tape
        self.marks = marks
        self.funding = funding
        self.delisted_s = delisted_s
        self.house = house
        self.shown = shown
        self.faults = house.faults

    def account(self, call: Call) -> Account:
        return self.exchange.accounts[call.account]

    def contract(self, call: Call) -> Contract:
        """Return the contract that the query names, or raise WireError 40034."""
        return self.listed(call.query.get("symbol", ""))

    def listed(self, symbol: str) -> Contract:
        """Return the contract, or raise WireError 40034."""
        contract = self.exchange.contracts.get(symbol)
        if contract is None:
            raise WireError(40034)
        return contract

    def check_schedule(self, call: Call, *, opens: bool) -> None:
        """Raise WireError 40015 for an order that the wind-down no longer takes."""
        schedule = self.house.settings.schedule
        if schedule.refuses_trading(call.now_ms) or (opens and schedule.refuses_opens(call.now_ms)):
            raise WireError(40015)


def read(call: Call, shape: type[T]) -> T:
    """Return the body as `shape`; what `shape` does not name is silently ignored.

    Raises:
        WireError: 40011 for a missing field or one of the wrong type, such as a size in quotes.
    """
    try:
        return msgspec.convert(call.body, shape)
    except msgspec.ValidationError as error:
        raise WireError(40011) from error


def word(words: Mapping[str, V], given: str, code: int) -> V:
    """Return what `given` means, or raise WireError `code`."""
    if given not in words:
        raise WireError(code)
    return words[given]


def number(numbers: Mapping[int, V], given: int, code: int) -> V:
    """Return what the number `given` means, or raise WireError `code`."""
    if given not in numbers:
        raise WireError(code)
    return numbers[given]


def amount(given: str | None) -> Decimal | None:
    """Return a decimal from its text; None for an empty one, WireError 40011 for what is none."""
    if not given:
        return None
    if not AMOUNT.fullmatch(given):
        raise WireError(40011)
    return Decimal(given)


def whole(call: Call, name: str, code: int = 40011) -> int | None:
    """Return a whole number of the query; None where it is absent or empty, WireError where it is none."""
    given = call.query.get(name)
    if not given:
        return None
    if not WHOLE.fullmatch(given):
        raise WireError(code)
    return int(given)


def refused(error: RefusedError) -> WireError:
    """Return how the wire says the exchange's no."""
    return WireError(REFUSALS[error.reason])
