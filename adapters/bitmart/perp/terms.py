"""What trading a contract costs and what must back it: the account's fees, and the venue's leverage brackets."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

from msgspec import Raw

from adapters.bitmart.envelope import MALFORMED, payload
from adapters.bitmart.perp import codec, requests
from adapters.bitmart.perp import messages as wire
from adapters.bitmart.perp.markets import bracket
from adapters.bitmart.rest import Rest
from adapters.bitmart.scalars import decoder, required
from oms.instrument import Bracket
from oms.reports import Refusal
from oms.values import Symbol
from oms.venue import NoAnswerError

Fees = tuple[Decimal, Decimal]  # maker, taker
FEES_MAX: Final = 20  # contracts whose own fees are asked for; one a second (PROTOCOL 3.3)
# The rates of the public fee page of 2026-08 (PROTOCOL 6.7, 10.29), for an account whose own cannot be read.
PUBLISHED: Final[Fees] = (Decimal("0.0004"), Decimal("0.0006"))


class Terms:
    """Reads the terms of contracts. What cannot be read is left out: trades say what a fill really cost."""

    def __init__(self, rest: Rest, fees_of: Sequence[Symbol]) -> None:
        self._rest = rest
        self._fees_of = tuple(fees_of)[:FEES_MAX]

    async def fees(self, usual: str | None) -> tuple[Fees, Mapping[str, Fees]]:
        """Return what the account pays on the contract `usual` (the published rates without one), for all that are not
        named otherwise, and what it pays on those whose own fees are wanted, by the venue's symbol.
        """
        own: dict[str, Fees] = {}
        for symbol in self._fees_of:
            name = requests.linear(symbol)
            if (rates := await self._fee_rate(name)) is not None:
                own[name] = rates
        if usual is None:
            return PUBLISHED, own
        return own.get(usual) or await self._fee_rate(usual) or PUBLISHED, own

    async def _fee_rate(self, venue_symbol: str) -> Fees | None:
        asked = await self._rest.keyed(codec.TRADE_FEE_RATE, {"symbol": venue_symbol})
        rate = payload(wire.FeeRate, asked.response, asked.status)
        if isinstance(rate, Refusal):
            return None
        try:
            return required(rate.maker_fee_rate, "maker fee"), required(rate.taker_fee_rate, "taker fee")
        except ValueError:
            return None

    async def brackets(self) -> Mapping[str, tuple[Bracket, ...]]:
        """Return the brackets of every contract that tells them readably, by the venue's symbol."""
        try:
            asked = await self._rest.public(codec.LEVERAGE_BRACKET)
        except NoAnswerError:
            return {}
        found = payload(wire.BracketRules, asked.response, asked.status)
        if isinstance(found, Refusal):
            return {}
        return dict(rule for raw in found.rules if (rule := _rule(raw)) is not None)


_bracket_rule: Final = decoder(wire.BracketRule)


def _rule(raw: Raw) -> tuple[str, tuple[Bracket, ...]] | None:
    try:
        rule = _bracket_rule.decode(raw)
        return rule.symbol, tuple(sorted(map(bracket, rule.brackets), key=lambda one: one.cap))
    except MALFORMED:
        return None
