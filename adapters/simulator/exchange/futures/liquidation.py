"""Takes over what can no longer pay for itself: market, insurance fund, then the winners (PROTOCOL 6.8).

A cross account is one whole: all its cross positions of the coin go when its balance at the marks is below their
maintenance. An isolated position goes alone. No fee is taken; what is left of the margin goes to the insurance fund,
and what is missing comes from it.
"""

from decimal import ROUND_DOWN, ROUND_UP, Decimal

from msgspec import Struct

from adapters.simulator.exchange.futures.accounts import Account, FlowKind
from adapters.simulator.exchange.futures.booking import book, end, venue_order
from adapters.simulator.exchange.futures.contracts import Contract
from adapters.simulator.exchange.futures.events import Action
from adapters.simulator.exchange.futures.matching import Matching
from adapters.simulator.exchange.futures.money import on_grid, share
from adapters.simulator.exchange.futures.orders import CancelSource, MarginMode, Order, OrderType
from adapters.simulator.exchange.futures.positions import Position
from adapters.simulator.exchange.futures.state import State
from oms.values import RATIO, ZERO, Liquidity, Side


class Liquidation:
    """Looks after the accounts of `state`; sells through `matching`."""

    def __init__(self, state: State, matching: Matching) -> None:
        self._state = state
        self._matching = matching

    def sweep(self, symbol: str, now_ms: int) -> None:
        """Take over every position of a contract, and every cross account in it, that is below its maintenance."""
        coin = self._state.contracts[symbol].margin_coin
        for account in tuple(self._state.accounts.values()):
            if not account.watched:
                continue
            held = tuple(account.held_positions(symbol))
            for position in held:
                if position.margin_mode is MarginMode.ISOLATED and self.excess((position,), account) < ZERO:
                    self._take_over((position,), account, now_ms)
            cross = self.group(account, coin)
            if (
                cross
                and any(one.margin_mode is MarginMode.CROSS for one in held)
                and self.excess(cross, account) < ZERO
            ):
                self._take_over(cross, account, now_ms)
            elif not cross and account.wallet(coin).available < ZERO:
                self._forgive(account, coin, now_ms)

    def take_over(self, position: Position, now_ms: int) -> None:
        """Take over a position, and with a cross one all it stands and falls with."""
        account = self._state.accounts[position.account]
        self._take_over(self._together(position, account), account, now_ms)

    def deleverage(self, position: Position, now_ms: int) -> None:
        """Close a position at the mark against the other side, the worst off first."""
        contract, mark = self._state.contracts[position.symbol], self._state.prices[position.symbol].mark
        price = on_grid(mark, contract.price_step)
        losers = self._winners(position)[::-1]
        for other in sorted(losers, key=lambda one: one.account == position.account):
            size = min(position.size, other.size)
            if not size:
                break
            active = venue_order(self._state, other, OrderType.ADL, size=size, price=price, now_ms=now_ms)
            self._pair(active, position, size, now_ms)
            self._trim(other, now_ms)
        self._state.touch(position.symbol)

    def price(self, position: Position) -> Decimal:
        """Return the mark at which the position would be taken over, all other contracts as they are; zero for never.

        The legs of a hedged account that stand and fall together have one price: only their difference is exposed.
        """
        state = self._state
        contract, mark = state.contracts[position.symbol], state.prices[position.symbol].mark
        account = state.accounts[position.account]
        together = self._together(position, account)
        exposed = sum((one.signed_size for one in together if one.symbol == position.symbol), ZERO)
        if not exposed:
            return ZERO
        away = RATIO.divide(self.excess(together, account), exposed * contract.contract_size)
        return max(on_grid(mark - away, contract.price_step), ZERO)

    def _together(self, position: Position, account: Account) -> tuple[Position, ...]:
        isolated = position.margin_mode is MarginMode.ISOLATED
        return (position,) if isolated else self.group(account, self._state.contracts[position.symbol].margin_coin)

    def group(self, account: Account, coin: str) -> tuple[Position, ...]:
        """Return the cross positions of a coin: they stand and fall together."""
        contracts = self._state.contracts
        return tuple(
            one
            for one in account.held_positions()
            if one.margin_mode is MarginMode.CROSS and contracts[one.symbol].margin_coin == coin
        )

    def excess(self, positions: tuple[Position, ...], account: Account) -> Decimal:
        """Return by how much the balance behind the positions is above their maintenance."""
        maintenance = sum((self._state.contracts[one.symbol].maintenance(one.cost) for one in positions), ZERO)
        return self._balance(positions, account) - maintenance

    # -------------------------------------------------------------------------------------------- how

    def _balance(self, positions: tuple[Position, ...], account: Account) -> Decimal:
        """Return margin and unrealised profit: of isolated positions their own, of cross ones the coin's."""
        state = self._state
        profit = sum(
            (one.unrealised(state.contracts[one.symbol], state.prices[one.symbol].mark) for one in positions), ZERO
        )
        if positions[0].margin_mode is MarginMode.ISOLATED:
            return positions[0].margin + profit
        coin = state.contracts[positions[0].symbol].margin_coin
        return account.wallet(coin).total - self._apart(account, coin) + profit

    def _apart(self, account: Account, coin: str) -> Decimal:
        """Return the margin of the isolated positions of a coin."""
        contracts = self._state.contracts
        return sum(
            (
                one.margin
                for one in account.held_positions()
                if one.margin_mode is MarginMode.ISOLATED and contracts[one.symbol].margin_coin == coin
            ),
            ZERO,
        )

    def _take_over(self, positions: tuple[Position, ...], account: Account, now_ms: int) -> None:
        """Cancel what waits, split the balance by maintenance, and close each position with its part."""
        state = self._state
        balance = self._balance(positions, account)
        coin = state.contracts[positions[0].symbol].margin_coin
        isolated = positions[0].margin_mode is MarginMode.ISOLATED
        for order in tuple(account.open.values()):
            if order.symbol == positions[0].symbol if isolated else state.contracts[order.symbol].margin_coin == coin:
                end(state, order, CancelSource.LIQUIDATION, now_ms)
        parts = [state.contracts[one.symbol].maintenance(one.cost) for one in positions]
        whole, left = sum(parts, ZERO), balance
        for position, part in zip(positions[1:], parts[1:], strict=True):
            cushion = share(balance, part, whole)
            left -= cushion
            self._close(position, cushion, account, now_ms)
        self._close(positions[0], left, account, now_ms)
        if not isolated:
            self._sweep_up(account, state.contracts[positions[0].symbol], now_ms)

    def _close(self, position: Position, cushion: Decimal, account: Account, now_ms: int) -> None:
        """Close one position so that it costs exactly its `cushion`; the insurance fund takes or gives the rest."""
        if not position.size:
            return  # it was the account's other leg, and the counterparty of the one before
        state = self._state
        contract, mark = state.contracts[position.symbol], state.prices[position.symbol].mark
        expected = position.unrealised(contract, mark)
        price = _bankruptcy_price(position, contract, mark, cushion)
        realised = self._sell(position, price, account, now_ms)
        realised += self._sell_with_insurance(position, price, now_ms)
        realised += self._deleverage(position, price, now_ms)
        self._clear(account, contract, cushion + realised - expected, now_ms)

    def _sweep_up(self, account: Account, contract: Contract, now_ms: int) -> None:
        """Settle what a cross account won or lost when its own other leg was its counterparty."""
        coin = contract.margin_coin
        self._clear(account, contract, account.wallet(coin).total - self._apart(account, coin), now_ms)

    def _clear(self, account: Account, contract: Contract, left: Decimal, now_ms: int) -> None:
        """Bring what a liquidation left over to the insurance fund, or what is missing from it, as far as it goes."""
        coin = contract.margin_coin
        fund = self._state.insurance.get(coin, ZERO)
        left = max(left, -fund)
        self._state.insurance[coin] = fund + left
        self._state.pay(account, FlowKind.LIQUIDATION, -left, contract, now_ms)
        self._state.tell_wallet(account, coin, now_ms)

    def _sell(self, position: Position, price: Decimal, account: Account, now_ms: int) -> Decimal:
        """Trade at the bankruptcy price or better; return the profit (a loss) made."""
        order = venue_order(self._state, position, OrderType.LIQUIDATE, size=position.size, price=price, now_ms=now_ms)
        orders = self._state.books[position.symbol]
        realised = ZERO
        while order.live and orders.crosses(order.side, price):
            maker = orders.against(order.side).best()
            assert maker is not None
            if maker.account == account.name:
                end(self._state, maker, CancelSource.LIQUIDATION, now_ms)
                continue
            size = min(order.leaves, maker.leaves)
            realised += self._matching.match(order, maker, size, now_ms, action=Action.LIQUIDATED).realised
        if order.live:
            end(self._state, order, CancelSource.LIQUIDATION, now_ms)
        return realised

    def _sell_with_insurance(self, position: Position, price: Decimal, now_ms: int) -> Decimal:
        """Trade at what there is, as long as the fund can pay the difference to the bankruptcy price."""
        state = self._state
        contract, orders = state.contracts[position.symbol], state.books[position.symbol]
        fund = state.insurance.get(contract.margin_coin, ZERO)
        order: Order | None = None
        realised = ZERO
        side = Side.SELL if position.direction is Side.BUY else Side.BUY
        while position.size and (maker := orders.against(side).best()) is not None:
            cost = contract.value(Decimal(1), abs(price - maker.price))
            size = min(position.size, maker.leaves, fund // cost if cost else position.size)
            if size <= ZERO:
                break
            if order is None:
                order = venue_order(
                    state, position, OrderType.BANKRUPTCY, size=position.size, price=maker.price, now_ms=now_ms
                )
            fund -= size * cost
            realised += self._matching.match(order, maker, size, now_ms, action=Action.BANKRUPT).realised
        if order is not None and order.live:
            end(state, order, CancelSource.LIQUIDATION, now_ms)
        return realised

    def _deleverage(self, position: Position, price: Decimal, now_ms: int) -> Decimal:
        """Close the rest against those who win most by it, at the bankruptcy price: there is always enough of them."""
        state = self._state
        if not position.size:
            return ZERO
        order = venue_order(state, position, OrderType.ADL, size=position.size, price=price, now_ms=now_ms)
        realised = ZERO
        for other in self._winners(position):
            realised += self._pair(order, other, min(order.leaves, other.size), now_ms)
            if not order.live:
                break
        state.touch(position.symbol)
        return realised

    def _pair(self, active: Order, winner: Position, size: Decimal, now_ms: int) -> Decimal:
        """Close `size` of a winner's position against the side that was taken over; return that side's profit."""
        passive = venue_order(self._state, winner, OrderType.ADL, size=size, price=active.price, now_ms=now_ms)
        for order, role, action in (
            (passive, Liquidity.MAKER, Action.PASSIVE_ADL),
            (active, Liquidity.TAKER, Action.ACTIVE_ADL),
        ):
            fill = book(self._state, order, size, active.price, role=role, action=action, now_ms=now_ms)
        self._trim(winner, now_ms)
        return fill.realised

    def _trim(self, position: Position, now_ms: int) -> None:
        account = self._state.accounts[position.account]
        self._matching.trim(account, position.symbol, position.leg, now_ms, source=CancelSource.ADL)

    def _winners(self, position: Position) -> list[Position]:
        """Return the positions on the other side, the one with the most leveraged profit first; the account's own other
        leg last.
        """
        state = self._state
        contract, mark = state.contracts[position.symbol], state.prices[position.symbol].mark
        ranked = [
            _Ranked(
                other.account == position.account,
                -RATIO.divide(other.unrealised(contract, mark) * other.leverage, other.cost),
                other,
            )
            for account in state.accounts.values()
            for other in account.held_positions(position.symbol)
            if other.direction is not position.direction
        ]
        return [one.position for one in sorted(ranked, key=lambda one: (one.own, one.rank))]

    def _forgive(self, account: Account, coin: str, now_ms: int) -> None:
        """Pay from the fund, as far as it goes, what an account owes that lost more than it had and holds nothing."""
        wallet = account.wallet(coin)
        owed = -(wallet.total - self._apart(account, coin))
        fund = self._state.insurance.get(coin, ZERO)
        paid = min(owed, fund)
        if paid > ZERO:
            wallet.available += paid
            self._state.insurance[coin] = fund - paid
            self._state.note(account, FlowKind.LIQUIDATION, paid, now_ms, coin=coin, symbol="")
            self._state.tell_wallet(account, coin, now_ms)


class _Ranked(Struct, frozen=True):
    own: bool
    rank: Decimal
    position: Position


def _bankruptcy_price(position: Position, contract: Contract, mark: Decimal, cushion: Decimal) -> Decimal:
    """Return the price at which `cushion` is used up, on the grid, and on the side where something is left of it."""
    away = RATIO.divide(cushion, position.size * contract.contract_size)
    if position.direction is Side.BUY:
        return max(on_grid(mark - away, contract.price_step, ROUND_UP), contract.price_step)
    return max(on_grid(mark + away, contract.price_step, ROUND_DOWN), contract.price_step)
