"""What money can open, what it is worth meanwhile, and what the tiers allow."""

from decimal import Decimal

import pytest

from adapters.simulator.exchange.futures.contracts import CONTRACTS
from adapters.simulator.exchange.futures.events import PositionChanged, WalletChanged
from adapters.simulator.exchange.futures.money import share
from adapters.simulator.exchange.futures.orders import MarginMode, PositionMode, Refusal, RefusedError
from oms.values import PositionLeg
from tests.adapters.simulator.futures.pit import CONTRACT, SYMBOL, Pit


@pytest.mark.parametrize(
    ("order", "why"),
    [
        ("dan 1 1.5 @ 100", Refusal.SIZE_NOT_WHOLE),
        ("dan 1 NaN @ 100", Refusal.SIZE_NOT_WHOLE),
        ("dan 1 0 @ 100", Refusal.SIZE_TOO_SMALL),
        ("dan 1 -1 @ 100", Refusal.SIZE_TOO_SMALL),
        ("dan 1 10001 @ 100", Refusal.SIZE_TOO_LARGE),
        ("dan 1 5001", Refusal.SIZE_TOO_LARGE),
        ("dan 1 1 @ 100.3", Refusal.PRICE_OFF_STEP),
        ("dan 1 1 @ 0", Refusal.PRICE_TOO_LOW),
        ("dan 1 1 @ NaN", Refusal.PRICE_TOO_LOW),
        ("dan 1 1 @ 1E+9000", Refusal.PRICE_TOO_HIGH),
        ("dan 1 1 @ 1E-9000", Refusal.PRICE_OFF_STEP),
        ("dan 1 1E+9000 @ 100", Refusal.SIZE_NOT_WHOLE),
        ("dan 1 1 maker_only", Refusal.MAKER_ONLY_MARKET),
        ("dan 1 5001 @ 100", Refusal.LEVERAGE_TOO_LARGE),  # for its tier
    ],
)
def test_what_does_not_fit_is_refused_and_changes_nothing(order: str, why: Refusal) -> None:
    pit = Pit()

    assert pit.refusal(order) is why
    assert (pit.events, pit.wallet("dan")) == ([], (Decimal(10_000), 0, 0))


def test_an_order_needs_its_margin_and_its_fee() -> None:
    pit = Pit()

    assert pit.refusal("dan 1 4990 @ 100", leverage=5) is Refusal.BALANCE_NOT_ENOUGH  # 9 980 and a fee of 29.94
    assert pit.refusal("dan 1 4985 @ 100", leverage=5) is None
    assert pit.wallet("dan") == (Decimal("0.09"), Decimal("9999.91"), 0)


@pytest.mark.parametrize(
    ("leverage", "size", "why"),
    [
        (0, 1, Refusal.LEVERAGE_TOO_SMALL),
        (51, 1, Refusal.LEVERAGE_TOO_LARGE),
        (50, 1_000, None),  # 10 000: all that its tier holds
        (50, 1_001, Refusal.LEVERAGE_TOO_LARGE),
        (20, 5_000, None),
        (20, 5_001, Refusal.LEVERAGE_TOO_LARGE),
    ],
)
def test_a_tier_caps_the_leverage_of_what_is_held_and_waiting(leverage: int, size: int, why: Refusal | None) -> None:
    pit = Pit()

    assert pit.refusal(f"dan 1 {size} @ 100", leverage=leverage) is why


def test_what_waits_and_what_is_held_counts_for_the_tier() -> None:
    pit = Pit()
    pit.place("ann 4 400 @ 100")
    pit.place("dan 1 400 @ 100", leverage=50)
    pit.place("dan 1 400 @ 100")

    assert pit.refusal("dan 1 201 @ 100") is Refusal.LEVERAGE_TOO_LARGE
    assert pit.refusal("dan 1 200 @ 100") is None


def test_what_only_closes_is_never_too_large_for_its_tier() -> None:
    pit = Pit(PositionMode.ONE_WAY)
    pit.place("ann 4 1000 @ 100")
    pit.place("dan 1 1000 @ 100", leverage=50)

    assert pit.refusal("dan 4 1001 @ 120") is None
    assert pit.refusal("dan 4 1000 @ 120") is Refusal.LEVERAGE_TOO_LARGE


def test_maintenance_never_jumps_where_a_tier_ends() -> None:
    for contract in (*CONTRACTS, CONTRACT):
        for tier, following in zip(contract.brackets, contract.brackets[1:], strict=False):
            assert tier.cap == following.floor
            assert tier.cap * tier.maintenance - tier.cum == tier.cap * following.maintenance - following.cum
            assert contract.maintenance(tier.cap) < contract.maintenance(tier.cap + 1)


def test_a_real_position_has_the_maintenance_that_was_captured() -> None:
    """PROTOCOL 6.8: one contract at 27407.9 had 0.1370395 of maintenance margin."""
    bitcoin = CONTRACTS[0]

    assert bitcoin.maintenance(bitcoin.value(Decimal(1), Decimal("27407.9"))) == Decimal("0.1370395")


def test_an_inverse_contract_is_listed_and_says_that_it_does_not_trade() -> None:
    pit = Pit()
    inverse = next(one for one in CONTRACTS if not one.linear)
    pit.exchange = type(pit.exchange)(CONTRACTS, pit.events.append)
    pit.exchange.open_account("dan", {"BTC": Decimal(1)})

    with pytest.raises(RefusedError, match="inverse_not_traded"):
        pit.exchange.set_leverage("dan", inverse.symbol, 10, MarginMode.CROSS)


def test_equity_is_available_frozen_deposit_and_unrealised() -> None:
    pit = Pit()
    pit.place("ann 4 50 @ 100")
    pit.place("dan 1 50 @ 100")
    pit.place("dan 1 10 @ 90")
    pit.exchange.set_mark(SYMBOL, Decimal(104), pit.now)

    available, frozen, deposit = pit.wallet("dan")

    assert (frozen, deposit) == (Decimal("9.054"), 50)
    assert pit.exchange.unrealised("dan", "USDT") == 20
    assert pit.exchange.equity("dan", "USDT") == available + frozen + deposit + 20 == Decimal("10019.7")


def test_a_loss_by_the_mark_cannot_be_spent_a_second_time() -> None:
    pit = Pit()
    pit.place("ann 4 900 @ 100")
    pit.place("dan 1 900 @ 100")
    pit.exchange.set_mark(SYMBOL, Decimal(20), pit.now)  # 7 200 lost of 10 000, 900 of it deposited

    assert pit.refusal("dan 1 2000 @ 100") is Refusal.BALANCE_NOT_ENOUGH
    with pytest.raises(RefusedError, match="balance_not_enough"):
        pit.exchange.transfer("dan", "USDT", Decimal(-2_000), pit.now)


def test_a_limit_sell_that_trades_higher_has_the_margin_for_it() -> None:
    pit = Pit(PositionMode.ONE_WAY)
    pit.place("ann 1 10 @ 200")

    pit.place("dan 4 10 @ 100")

    assert pit.wallet("dan") == (Decimal(10_000) - 20 - Decimal("0.12"), 0, 20)


def test_transfers_come_and_go_and_are_written_down() -> None:
    pit = Pit()

    pit.exchange.transfer("dan", "USDT", Decimal(500), pit.now)
    pit.exchange.transfer("dan", "USDT", Decimal(-200), pit.now)

    assert pit.wallet("dan")[0] == 10_300
    assert [(flow.kind.value, flow.amount) for flow in pit.account("dan").flows] == [
        ("transfer", 500),
        ("transfer", -200),
    ]


def test_what_is_told_last_is_what_is_so() -> None:
    pit = Pit()
    pit.place("ann 4 5 @ 100")
    pit.place("dan 1 8 @ 100")
    pit.place("bob 1 2 @ 99")
    pit.place("dan 3 2 @ 99")

    for name in ("ann", "bob", "dan"):
        wallets = [one for one in pit.events if isinstance(one, WalletChanged) and one.account == name]
        assert (wallets[-1].available, wallets[-1].frozen, wallets[-1].deposit) == pit.wallet(name)
        told = [one.position for one in pit.events if isinstance(one, PositionChanged) and one.position.account == name]
        for position in pit.account(name).positions.values():
            assert [one for one in told if one.leg is position.leg][-1] == position


def test_a_limit_sell_below_the_market_needs_the_margin_of_the_price_it_will_get() -> None:
    pit = Pit()
    pit.exchange.transfer("dan", "USDT", Decimal(-9_985), pit.now)
    pit.place("ann 1 10 @ 200")

    assert pit.refusal("dan 4 10 @ 100") is Refusal.BALANCE_NOT_ENOUGH  # 15 are enough at 100, and not at 200


def test_an_amend_may_use_what_its_order_holds_already() -> None:
    pit = Pit()
    pit.exchange.transfer("dan", "USDT", Decimal(-9_989), pit.now)
    order = pit.place("dan 1 10 @ 100")  # 10.06 of 11

    pit.exchange.amend("dan", order.order_id, pit.now, price=Decimal(109))
    with pytest.raises(RefusedError, match="balance_not_enough"):
        pit.exchange.amend("dan", order.order_id, pit.now, price=Decimal(110))

    assert pit.wallet("dan") == (Decimal("0.0346"), Decimal("10.9654"), 0)


def test_the_whole_is_shared_out_to_the_last_digit_and_a_part_is_rounded() -> None:
    tiny = Decimal("0.1234567890123456789")

    assert share(tiny, Decimal(3), Decimal(3)) == tiny
    assert share(Decimal(1), Decimal(1), Decimal(3)) == Decimal("0.333333333333")


def test_a_flat_leg_shows_what_the_next_order_would_use() -> None:
    pit = Pit()
    pit.place("dan 1 1 @ 100", leverage=50)
    pit.place("bob 4 1 @ 100")
    pit.place("dan 3 1 @ 100")
    pit.place("bob 2 1 @ 100")
    pit.exchange.set_leverage("dan", SYMBOL, 20, MarginMode.ISOLATED)
    (leg,) = [each for each in pit.exchange.accounts["dan"].positions.values() if each.leg is PositionLeg.LONG]
    assert (leg.size, leg.leverage, leg.margin_mode) == (0, 20, MarginMode.ISOLATED)
