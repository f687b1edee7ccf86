"""Double entry: every event's entries sum to zero, and the wallets hold what the book says by another way."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given as forall
from hypothesis import strategies as st

from oms.account.events import BalanceAdjusted, TradingHalted
from oms.book import Book, Event, account_stream, position_stream
from oms.ledger import Kind, Ledger, Name, equity, transaction
from oms.position.events import ClearanceBooked, CommissionBooked, FundingBooked, LegTakenOver
from oms.position.state import FLAT, Fill, book, reverse
from oms.values import EXACT, AccountId, ClientOrderId, Currency, ExecId, PositionLeg, Purse, Symbol, Wallet

MAIN = AccountId("main")
ACCOUNT = account_stream(MAIN)
SPOT = position_stream(MAIN, Symbol("BTC/USDT"), PositionLeg.NET)
PERPETUAL = position_stream(MAIN, Symbol("BTC/USDT:USDT"), PositionLeg.NET)
CONTRACTS = "BTC/USDT:USDT/net"
USDT, BTC, FUTURES_USDT = Purse("USDT"), Purse("BTC"), Purse("futures:USDT")


class Told:
    """Events told to the book and to the ledger alike."""

    def __init__(self) -> None:
        self.book = Book(MAIN)
        self.ledger = Ledger()

    def tell(self, stream: str, *events: Event) -> None:
        for event in events:
            self.book.apply(stream, event)
            self.ledger.book(stream, event)

    def trade(self, stream: str, quantity: str, price: str, fee: str | None = None, coin: str = "USDT") -> None:
        self.tell(stream, *book(fill(quantity, price, fee, coin, stream), self.book.positions.get(stream, FLAT)))

    def bring(self, amount: str, coin: str = "USDT", *, reason: str = "external", wallet: Wallet = Wallet.SPOT) -> None:
        change = Decimal(amount)
        event = BalanceAdjusted(currency=Currency(coin), change=change, total=change, reason=reason, wallet=wallet)
        self.tell(ACCOUNT, event)

    def of(self, name: Name, asset: str = "USDT") -> Decimal:
        return self.ledger.balances.get((name, asset), Decimal(0))


def fill(quantity: str, price: str, fee: str | None, coin: str, stream: str) -> Fill:
    return Fill(
        exec_id=ExecId("t1"),
        client_order_id=ClientOrderId("c1"),
        quantity=Decimal(quantity),
        price=Decimal(price),
        commission=None if fee is None else Decimal(fee),
        commission_currency=None if fee is None else Currency(coin),
        contract_size=Decimal("0.001") if stream == PERPETUAL else Decimal(1),
    )


def agree(told: Told) -> None:
    assert told.ledger.unbalanced == {}
    assert told.ledger.totals == {purse: total for purse, total in told.book.totals.items() if total}
    for purse, total in told.book.totals.items():
        funds = told.book.funds(purse)
        assert EXACT.add(funds.available, funds.held) == total == told.ledger.total(purse)


def test_a_spot_buy_exchanges_coins_at_cost_and_pays_its_fee() -> None:
    (booked,) = book(fill("0.5", "60000", "30", "USDT", SPOT), FLAT)
    told = transaction(SPOT, booked)
    assert told is not None
    assert told.kind is Kind.FILL
    assert {(each.name.value, each.asset, each.amount) for each in told.entries} == {
        ("wallet:spot", "BTC", Decimal("0.5")),
        ("trading", "BTC", Decimal("-0.5")),
        ("wallet:spot", "USDT", Decimal(-30030)),
        ("trading", "USDT", Decimal(30000)),
        ("fees", "USDT", Decimal(30)),
    }


def test_a_round_trip_leaves_its_profit_and_its_fees_and_nothing_in_trading() -> None:
    told = Told()
    told.bring("10000", reason="opening")
    told.trade(SPOT, "2", "100", "-0.02")  # a rebate
    told.trade(SPOT, "-2", "110", "1.5", "BMX")
    assert told.of(Name.PNL) == -20
    assert (told.of(Name.FEES), told.of(Name.FEES, "BMX")) == (Decimal("-0.02"), Decimal("1.5"))
    assert told.of(Name.TRADING) == told.of(Name.TRADING, "BTC") == 0
    assert told.of(Name.SPOT) == Decimal("10020.02")
    assert told.of(Name.OPENING) == -10000
    agree(told)


def test_a_perpetual_moves_contracts_and_only_what_it_earned_is_coin() -> None:
    told = Told()
    told.bring("100", wallet=Wallet.FUTURES)
    told.trade(PERPETUAL, "3", "60000", "0.108")
    assert (told.of(Name.CONTRACTS, CONTRACTS), told.of(Name.FUTURES)) == (3, Decimal("99.892"))
    told.trade(PERPETUAL, "-5", "61000", "0.183")  # a flip: closes 3, opens 2 short
    assert (told.of(Name.CONTRACTS, CONTRACTS), told.of(Name.TRADING, CONTRACTS)) == (-2, 2)
    assert told.of(Name.PNL) == -3  # 3 x 0.001 x 1000
    assert told.of(Name.FUTURES) == Decimal("102.709")
    agree(told)


def test_funding_and_what_a_liquidation_left_over_have_accounts_of_their_own() -> None:
    told = Told()
    told.trade(PERPETUAL, "3", "60000")
    told.tell(PERPETUAL, FundingBooked(ledger_id="1", amount=Decimal("-0.4"), at_ms=1))
    told.tell(PERPETUAL, ClearanceBooked(ledger_id="1", amount=Decimal(-2), currency=Currency("USDT"), at_ms=1))
    assert (told.of(Name.FUNDING), told.of(Name.INSURANCE), told.of(Name.FUTURES)) == (
        Decimal("0.4"),
        2,
        Decimal("-2.4"),
    )
    agree(told)


def test_a_commission_told_late_and_a_bust_are_booked_where_the_trade_was() -> None:
    told = Told()
    told.trade(SPOT, "1", "100")
    late = CommissionBooked(exec_id=ExecId("t1"), commission=Decimal("0.1"), commission_currency=Currency("USDT"))
    told.tell(SPOT, late)
    assert told.of(Name.FEES) == Decimal("0.1")
    told.tell(SPOT, *reverse(fill("1", "100", "0.1", "USDT", SPOT), told.book.positions[SPOT]))
    assert not any(told.ledger.balances.values())
    agree(told)


def test_what_did_not_come_from_trading_says_where_it_came_from() -> None:
    told = Told()
    told.bring("5", reason="opening")
    told.bring("7", reason="external")
    told.bring("-1", reason="break: of Monday")
    flows = {Name.OPENING: Decimal(-5), Name.EXTERNAL: Decimal(-7), Name.ADJUSTMENTS: Decimal(1)}
    assert {name: told.of(name) for name in flows} == flows
    agree(told)


def test_a_leg_from_before_the_log_is_contracts_and_no_money() -> None:
    told = Told()
    told.tell(
        PERPETUAL, LegTakenOver(quantity=Decimal(3), total=Decimal(3), cost_change=Decimal(180), reason="opening")
    )
    assert (told.of(Name.CONTRACTS, CONTRACTS), told.of(Name.OPENING, CONTRACTS)) == (3, -3)
    assert told.book.positions[PERPETUAL].open_cost == 180
    told.trade(PERPETUAL, "-3", "61000")
    assert told.of(Name.CONTRACTS, CONTRACTS) == 0
    agree(told)


def test_what_moves_no_money_is_no_transaction() -> None:
    assert transaction(ACCOUNT, TradingHalted(reason="stop", halt_id="h1")) is None
    assert Ledger().book(ACCOUNT, TradingHalted(reason="stop", halt_id="h1")) is None


def test_s72_equity_is_told_apart_from_what_was_brought_and_taken_away() -> None:
    told = Told()
    told.bring("1000", reason="opening")
    told.trade(SPOT, "2", "100", "1")
    prices = {"USDT": Decimal(1), "BTC": Decimal(90)}
    before = equity(told.ledger.balances, prices=prices)
    assert (before.value, before.flows, before.result) == (979, 1000, -21)
    told.bring("-500")  # a withdrawal is no loss
    told.bring("0.5", "BTC")  # and a deposit no profit
    after = equity(told.ledger.balances, prices=prices)
    assert (after.value, after.flows, after.result) == (524, 545, -21)


def test_what_a_perpetual_would_earn_is_equity() -> None:
    told = Told()
    told.bring("100", wallet=Wallet.FUTURES)
    told.trade(PERPETUAL, "3", "60000")
    open_profit = told.book.positions[PERPETUAL].unrealized(Decimal(61000))
    worth = equity(told.ledger.balances, prices={"USDT": Decimal(1)}, unrealized={Currency("USDT"): open_profit})
    assert (worth.value, worth.result) == (103, 3)
    with pytest.raises(KeyError, match="USDT"):
        equity(told.ledger.balances, prices={})


amounts = st.decimals(min_value="-1000", max_value="1000", places=8).filter(bool)
prices = st.decimals(min_value="0.00000001", max_value="200000", places=8)
coins = st.sampled_from(["USDT", "BTC", "BMX"])
steps = st.one_of(
    st.tuples(st.just("trade"), st.sampled_from([SPOT, PERPETUAL]), amounts, prices, st.none() | amounts, coins),
    st.tuples(st.just("bring"), coins, amounts, st.sampled_from(Wallet), st.sampled_from(["external", "break: x"])),
    st.tuples(st.just("pay"), amounts, st.booleans()),
)


@forall(path=st.lists(steps, max_size=25))
def test_i6_entries_sum_to_zero_and_wallets_are_what_the_book_says_on_any_path(
    path: Sequence[tuple[Any, ...]],
) -> None:
    told = Told()
    for n, step in enumerate(path):
        match step:
            case ("trade", str(stream), Decimal() as quantity, Decimal() as price, fee, str(coin)):
                told.trade(stream, str(quantity), str(price), None if fee is None else str(fee), coin)
            case ("bring", str(coin), Decimal() as amount, Wallet() as wallet, str(reason)):
                told.bring(str(amount), coin, reason=reason, wallet=wallet)
            case _:
                _, amount, insured = step
                currency, name = Currency("USDT"), f"p{n}"
                told.tell(
                    PERPETUAL,
                    ClearanceBooked(ledger_id=name, amount=amount, currency=currency, at_ms=n)
                    if insured
                    else FundingBooked(ledger_id=name, amount=amount, at_ms=n),
                )
        agree(told)
    for stream in (SPOT, PERPETUAL):
        leg = told.book.positions.get(stream, FLAT)
        if stream == SPOT:
            assert told.of(Name.TRADING, "BTC") == -leg.quantity
            assert told.of(Name.TRADING) == leg.open_cost
        else:
            assert told.of(Name.CONTRACTS, CONTRACTS) == leg.quantity
