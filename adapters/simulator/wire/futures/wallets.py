"""Transfers between an account's spot and futures wallets, and what is said of sub-accounts (PROTOCOL 6.7)."""

from collections import deque
from decimal import Decimal
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.futures.orders import RefusedError
from adapters.simulator.exchange.orders import RefusedError as SpotRefusedError
from adapters.simulator.wire.codes import WireError
from adapters.simulator.wire.futures.venue import AMOUNT, Venue, read
from adapters.simulator.wire.futures.words import figure
from adapters.simulator.wire.gateway import Call

IN: Final = "spot_to_contract"
OUT: Final = "contract_to_spot"
LEAST: Final = Decimal("0.01")
MOST: Final = Decimal(10) ** 10
RECORDS_MAX: Final = 10_000  # remembered, of all accounts
PAGE_MAX: Final = 1_000
LIMITS: Final = range(10, 101)


class _Transfer(Struct):
    currency: str
    amount: str
    type: str


class _List(Struct):
    page: int
    limit: int
    currency: str | None = None
    time_start: int | None = None
    time_end: int | None = None


class _Record(Struct, frozen=True):
    """One transfer. It is finished when it is answered."""

    transfer_id: str
    account: str
    currency: str
    amount: Decimal
    type: str
    at_ms: int


class Wallets:
    """The endpoints that move coins; each method answers with the envelope's `data`."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._records: deque[_Record] = deque(maxlen=RECORDS_MAX)
        self._made = 0

    def transfer(self, call: Call) -> object:
        """Move coins from one wallet to the other, or neither. Not idempotent: there is no id of the client's."""
        asked = read(call, _Transfer)
        coins = {contract.margin_coin for contract in self._venue.exchange.contracts.values()}
        if asked.currency not in coins:
            raise WireError(60002)
        if asked.type not in {IN, OUT} or not AMOUNT.fullmatch(asked.amount):
            raise WireError(60000)
        value = Decimal(asked.amount)
        if not LEAST <= value <= MOST:
            raise WireError(60005)
        inward = value if asked.type == IN else -value
        try:
            if asked.type == IN:  # first whoever may refuse
                self._venue.spot.transfer(call.account, asked.currency, -inward, call.now_ms)
                self._venue.exchange.transfer(call.account, asked.currency, inward, call.now_ms)
            else:
                self._venue.exchange.transfer(call.account, asked.currency, inward, call.now_ms)
                self._venue.spot.transfer(call.account, asked.currency, -inward, call.now_ms)
        except (RefusedError, SpotRefusedError) as error:
            raise WireError(42000) from error
        self._made += 1
        number = f"{call.now_ms * 100_000 + self._made:018d}"
        self._records.append(_Record(number, call.account, asked.currency, value, asked.type, call.now_ms))
        return {"currency": asked.currency, "amount": asked.amount}

    def transfers(self, call: Call) -> object:
        """Newest first, page by page."""
        asked = read(call, _List)
        if not 1 <= asked.page <= PAGE_MAX or asked.limit not in LIMITS:
            raise WireError(60000)
        start_ms = 0 if asked.time_start is None else asked.time_start
        end_ms = call.now_ms if asked.time_end is None else asked.time_end
        rows = [
            {
                "transfer_id": one.transfer_id,
                "currency": one.currency,
                "amount": figure(one.amount),
                "type": one.type,
                "state": "FINISHED",
                "timestamp": one.at_ms,
            }
            for one in reversed(self._records)
            if one.account == call.account
            and asked.currency in {None, "", one.currency}
            and start_ms <= one.at_ms <= end_ms
        ]
        first = (asked.page - 1) * asked.limit
        return {"records": rows[first : first + asked.limit]}

    def no_sub_account(self, _call: Call) -> object:
        """Refuse: no account here has a sub-account, or is one."""
        raise WireError(61003)

    def no_transfers(self, _call: Call) -> object:
        """Nothing ever went to or came from a sub-account."""
        return []
