"""The exchange: takes orders, matches them by price and time, moves coins, and says what happened.

Pure in the sense of the simulation: time comes in with each call, ids are counted from it, and the only way out is the
`emit` that was given. Coins are conserved: what leaves one account arrives in another or in `fees`.
"""

from collections.abc import Callable, Iterable, Mapping
from copy import copy
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Final

from msgspec import Struct

from adapters.simulator.exchange.accounts import Account, Balance
from adapters.simulator.exchange.admission import admit
from adapters.simulator.exchange.book import Book
from adapters.simulator.exchange.orders import (
    BalanceChanged,
    CancelSource,
    Event,
    Fill,
    Market,
    NewOrder,
    Order,
    OrderChanged,
    OrderState,
    OrderType,
    Printed,
    Refusal,
    RefusedError,
    SelfTrade,
)
from adapters.simulator.exchange.owner import HISTORY_MAX, Terms
from oms.values import EXACT, ZERO, Liquidity, Side

FEE_GRID: Final = Decimal("0.00000001")  # fees are cut to 8 decimals, as in the capture of PROTOCOL 5.8
IDS_PER_MS: Final = 100_000  # an id is the millisecond and five more digits: 18 in all, as BitMart's are
DEFAULT_MAKER_FEE: Final = Decimal("0.0008")
DEFAULT_TAKER_FEE: Final = Decimal("0.001")
_ROUNDING: Final = EXACT.copy()
_ROUNDING.clear_traps()


class Rules(Struct):
    """What is not settled about the venue and can be switched, at any time."""

    duplicate_check: bool = True  # a client order id is refused the second time, for ever (50042)
    refuse_crossing_maker: bool = False  # else it is accepted and canceled by the system (PROTOCOL 10.2)
    waiting_holds: bool = False  # an order that waits for its price (5.11) freezes what it may need; no source says


class Exchange:
    """All markets and accounts of the simulated venue.

    Args:
        markets: what trades here.
        emit: is called with every event, in the order in which things happened.
        rules: see Rules.
        portion: may cut the size of the next match smaller, to split fills; gets (size, step), returns a multiple of
            the step that is positive and not above the size.
    """

    def __init__(
        self,
        markets: Iterable[Market],
        emit: Callable[[Event], None],
        *,
        rules: Rules | None = None,
        portion: Callable[[Decimal, Decimal], Decimal] | None = None,
    ) -> None:
        self.markets: Mapping[str, Market] = {market.symbol: market for market in markets}
        self.accounts: dict[str, Account] = {}
        self.fees: dict[str, Decimal] = {}
        self.rules = rules or Rules()
        self._books: dict[str, Book[Order]] = {symbol: Book() for symbol in sorted(self.markets)}
        self._emit = emit
        self._portion = portion
        self._id = 0

    # -------------------------------------------------------------------------------------------- accounts

    def open_account(
        self,
        name: str,
        deposits: Mapping[str, Decimal],
        *,
        maker_fee: Decimal = DEFAULT_MAKER_FEE,
        taker_fee: Decimal = DEFAULT_TAKER_FEE,
        watched: bool = True,
        history_max: int = HISTORY_MAX,
    ) -> Account:
        """Open an account with coins in it.

        Raises:
            ValueError: the name is taken, or a deposit is negative or no number.
        """
        if name in self.accounts:
            raise ValueError(f"account {name} exists")
        for coin, amount in deposits.items():
            if not (amount.is_finite() and amount >= ZERO):
                raise ValueError(f"deposit {amount} {coin} is not an amount")
        terms = Terms(maker_fee=maker_fee, taker_fee=taker_fee, watched=watched, history_max=history_max)
        account = Account(name, terms)
        account.balances.update({coin: Balance(available=amount) for coin, amount in deposits.items()})
        self.accounts[name] = account
        return account

    def transfer(self, name: str, coin: str, amount: Decimal, now_ms: int) -> None:
        """Bring coins in, or with a negative amount out.

        Raises:
            RefusedError: so much is not available; nothing changed.
        """
        account = self.accounts[name]
        balance = account.balance(coin)
        with localcontext(EXACT):
            if balance.available + amount < ZERO:
                raise RefusedError(Refusal.BALANCE_NOT_ENOUGH)
            balance.available += amount
            self._tell_balance(account, (coin,), now_ms)

    def book(self, symbol: str) -> Book[Order]:
        return self._books[symbol]

    # -------------------------------------------------------------------------------------------- orders

    def submit(self, new: NewOrder, now_ms: int) -> Order:
        """Take an order, match it, rest or end it; return it as it stands then.

        Raises:
            RefusedError: it was not taken; nothing changed.
        """
        market = self.markets.get(new.symbol)
        if market is None:
            raise RefusedError(Refusal.UNKNOWN_SYMBOL)
        account = self.accounts[new.account]
        with localcontext(EXACT):
            terms = admit(new, market)
            if new.client_order_id and self.rules.duplicate_check and account.knows(new.client_order_id):
                raise RefusedError(Refusal.DUPLICATE_CLIENT_ORDER_ID)
            crossing = new.type is OrderType.LIMIT_MAKER and self.book(new.symbol).crosses(new.side, terms.price)
            if crossing and self.rules.refuse_crossing_maker:
                buys = new.side is Side.BUY
                raise RefusedError(Refusal.WOULD_BUY_AT_ONCE if buys else Refusal.WOULD_SELL_AT_ONCE)
            order = Order(
                order_id="",
                client_order_id=new.client_order_id,
                account=new.account,
                symbol=new.symbol,
                side=new.side,
                type=new.type,
                stp=new.stp,
                price=terms.price,
                size=terms.size,
                notional=terms.notional,
                created_ms=now_ms,
                updated_ms=now_ms,
            )
            self._accept(order, account, market, now_ms)
            if crossing or terms.doomed:
                self._end(order, CancelSource.SYSTEM, now_ms)
            else:
                self._work(order, market, now_ms)
        return order

    def cancel(self, account: str, order_id: str, now_ms: int, source: CancelSource = CancelSource.USER) -> Order:
        """Take a live order off the book and free what it held.

        Raises:
            RefusedError: no such order of this account, or it has ended; nothing changed.
        """
        order = self.accounts[account].order(order_id)
        if order is None:
            raise RefusedError(Refusal.ORDER_UNKNOWN)
        if not order.live:
            filled = order.state is OrderState.FILLED
            raise RefusedError(Refusal.ORDER_FILLED if filled else Refusal.ORDER_CANCELED)
        with localcontext(EXACT):
            self.book(order.symbol).remove(order)
            self._end(order, source, now_ms)
        return order

    def hold(self, new: NewOrder) -> tuple[str, Decimal]:
        """Freeze what an order may need before it is one; return coin and amount, for `free`.

        Raises:
            RefusedError: so much is not available; nothing changed.
        """
        account, market = self.accounts[new.account], self.markets[new.symbol]
        with localcontext(EXACT):
            if new.side is Side.SELL:
                coin, amount = market.base, new.size or ZERO
            else:
                worth = new.notional or (new.size or ZERO) * (new.price or ZERO)
                coin, amount = market.quote, worth * (1 + account.hold_rate)
            account.freeze(coin, amount)
        return coin, amount

    def free(self, name: str, held: tuple[str, Decimal], now_ms: int) -> None:
        """Undo a `hold`."""
        coin, amount = held
        account = self.accounts[name]
        with localcontext(EXACT):
            account.balance(coin).frozen -= amount
            account.balance(coin).available += amount
            self._tell_balance(account, (coin,), now_ms)

    def bust(self, trade_id: str, now_ms: int) -> None:
        """Take a trade back, on both sides; name it by either side's id.

        No source shows what BitMart does then, so these are choices: coins and fees go back; an order whose trade is
        undone has traded so much less, and ends if it still worked; the trade is gone from every list. For a background
        trader, who has no past, the exchange's own coins (`fees`) stand in.

        Raises:
            ValueError: nobody here has such a trade, or a side no longer has what it brought; nothing changed.
        """
        with localcontext(EXACT):
            account, fill = self._find(trade_id)
            # the two sides of a match are numbered one after the other, the maker's first
            twin_id = int(trade_id) + (1 if fill.role is Liquidity.MAKER else -1)
            try:
                sides = [(account, fill), self._find(f"{twin_id:018d}")]
            except ValueError:
                sides = [(account, fill)]
            for owner, one in sides:
                coin, amount = self._brought(one)
                if owner.balance(coin).available < amount:
                    raise ValueError(f"trade {trade_id}: {owner.name} no longer has the {coin} it brought")
            for owner, one in sides:
                self._undo(owner, one, house=len(sides) == 1, now_ms=now_ms)

    # -------------------------------------------------------------------------------------------- matching

    def _accept(self, order: Order, account: Account, market: Market, now_ms: int) -> None:
        order.held = _needed(order, account)
        account.freeze(market.quote if order.side is Side.BUY else market.base, order.held)
        order.order_id = self.next_id(now_ms)
        account.opened(order)
        self._tell(order, None)
        self._tell_balance(account, (market.quote if order.side is Side.BUY else market.base,), now_ms)

    def _work(self, order: Order, market: Market, now_ms: int) -> None:
        """Match what can be matched; then rest, or end."""
        book = self.book(order.symbol)
        while order.live and (maker := self._counterpart(order, book)) is not None:
            if maker.account == order.account and order.stp is not SelfTrade.NONE:
                self._part(order, maker, book, now_ms)
                continue
            size = _matchable(order, maker, market)
            if not size:
                break
            if self._portion is not None:
                size = self._portion(size, market.size_step)
            self._match(order, maker, size, now_ms)
        if not order.live:
            return
        if order.type is OrderType.LIMIT or order.type is OrderType.LIMIT_MAKER:
            book.add(order)
        else:
            self._end(order, CancelSource.SYSTEM, now_ms)

    @staticmethod
    def _counterpart(order: Order, book: Book[Order]) -> Order | None:
        if order.type is not OrderType.MARKET and not book.crosses(order.side, order.price):
            return None
        return book.against(order.side).best()

    def _part(self, taker: Order, maker: Order, book: Book[Order], now_ms: int) -> None:
        """Keep an account from trading with itself, as the taker's mode says."""
        if taker.stp is not SelfTrade.CANCEL_TAKER:
            book.remove(maker)
            self._end(maker, CancelSource.STP, now_ms)
        if taker.stp is not SelfTrade.CANCEL_MAKER:
            self._end(taker, CancelSource.STP, now_ms)

    def _match(self, taker: Order, maker: Order, size: Decimal, now_ms: int) -> None:
        book = self.book(taker.symbol)
        self._fill(maker, Liquidity.MAKER, size, maker.price, now_ms)
        if maker.live:
            book.touched()
        else:
            book.remove(maker)
        self._fill(taker, Liquidity.TAKER, size, maker.price, now_ms)
        self._emit(Printed(symbol=taker.symbol, price=maker.price, size=size, side=taker.side, at_ms=now_ms))

    def _fill(self, order: Order, role: Liquidity, size: Decimal, price: Decimal, now_ms: int) -> None:
        account, market = self.accounts[order.account], self.markets[order.symbol]
        rate = account.maker_fee if role is Liquidity.MAKER else account.taker_fee
        notional = price * size
        fill = Fill(
            trade_id=self.next_id(now_ms),
            order_id=order.order_id,
            client_order_id=order.client_order_id,
            account=order.account,
            symbol=order.symbol,
            side=order.side,
            type=order.type,
            stp=order.stp,
            price=price,
            size=size,
            notional=notional,
            fee=(notional * rate).quantize(FEE_GRID, ROUND_DOWN, context=_ROUNDING) if rate else ZERO,
            fee_coin=market.quote,
            role=role,
            at_ms=now_ms,
        )
        order.filled_size += size
        order.filled_notional += notional
        order.updated_ms = now_ms
        self._pay(order, fill)
        order.state = OrderState.PARTIALLY_FILLED if order.leaves else OrderState.FILLED
        if account.watched:
            account.filled(fill)
        if not order.live:
            account.ended(order)
        self._tell(order, fill)
        self._tell_balance(account, (market.base, market.quote), now_ms)

    def _pay(self, order: Order, fill: Fill) -> None:
        """Move the coins of one side: the fee is in quote, on top for a buy, out of the proceeds for a sell."""
        account, market = self.accounts[order.account], self.markets[order.symbol]
        base, quote = account.balance(market.base), account.balance(market.quote)
        needed = _needed(order, account)
        unfrozen = order.held - needed
        order.held = needed
        if order.side is Side.BUY:
            quote.frozen -= unfrozen
            quote.available += unfrozen - fill.notional - fill.fee
            base.available += fill.size
        else:
            base.frozen -= unfrozen
            quote.available += fill.notional - fill.fee
        self.fees[market.quote] = self.fees.get(market.quote, ZERO) + fill.fee

    def _end(self, order: Order, source: CancelSource, now_ms: int) -> None:
        """End an order that is not in the book (any more) and free what it held."""
        account, market = self.accounts[order.account], self.markets[order.symbol]
        coin = market.quote if order.side is Side.BUY else market.base
        balance = account.balance(coin)
        balance.frozen -= order.held
        balance.available += order.held
        order.held = ZERO
        order.state = OrderState.PARTIALLY_CANCELED if order.filled_size else OrderState.CANCELED
        order.cancel_source = source
        order.updated_ms = now_ms
        account.ended(order)
        self._tell(order, None)
        self._tell_balance(account, (coin,), now_ms)

    # -------------------------------------------------------------------------------------------- taking back

    def _find(self, trade_id: str) -> tuple[Account, Fill]:
        for account in self.accounts.values():
            for fill in reversed(account.fills):
                if fill.trade_id == trade_id:
                    return account, fill
        raise ValueError(f"nobody has a trade {trade_id}")

    def _brought(self, fill: Fill) -> tuple[str, Decimal]:
        market = self.markets[fill.symbol]
        return (market.base, fill.size) if fill.side is Side.BUY else (market.quote, fill.notional - fill.fee)

    def _undo(self, account: Account, fill: Fill, *, house: bool, now_ms: int) -> None:
        market, order = self.markets[fill.symbol], account.order(fill.order_id)
        if order is not None and order.live:
            self.book(order.symbol).remove(order)
            self._end(order, CancelSource.SYSTEM, now_ms)
        sign = Decimal(1 if fill.side is Side.BUY else -1)
        account.balance(market.base).available -= sign * fill.size
        account.balance(market.quote).available += sign * fill.notional + fill.fee
        self.fees[market.quote] = self.fees.get(market.quote, ZERO) - fill.fee
        if house:
            self.fees[market.base] = self.fees.get(market.base, ZERO) + sign * fill.size
            self.fees[market.quote] -= sign * fill.notional
        account.fills.remove(fill)
        account.fills_of[fill.order_id].remove(fill)
        if order is not None:
            order.filled_size -= fill.size
            order.filled_notional -= fill.notional
            order.state = OrderState.PARTIALLY_CANCELED if order.filled_size else OrderState.CANCELED
            order.cancel_source, order.updated_ms, order.undone = CancelSource.SYSTEM, now_ms, True
            self._tell(order, None)
        self._tell_balance(account, (market.base, market.quote), now_ms)

    # -------------------------------------------------------------------------------------------- telling

    def _tell(self, order: Order, fill: Fill | None) -> None:
        if self.accounts[order.account].watched:
            self._emit(OrderChanged(order=copy(order), fill=fill))

    def _tell_balance(self, account: Account, coins: tuple[str, ...], now_ms: int) -> None:
        if account.watched:
            held = tuple((coin, account.balance(coin).available, account.balance(coin).frozen) for coin in coins)
            self._emit(BalanceChanged(account=account.name, coins=held, at_ms=now_ms))

    def next_id(self, now_ms: int) -> str:
        """Rising, and other than those of an exchange that ran here before, so that no log confuses the two."""
        self._id = max(self._id + 1, now_ms * IDS_PER_MS)
        return f"{self._id:018d}"


def _needed(order: Order, account: Account) -> Decimal:
    """What has to stay frozen for the rest of `order`: for a buy with the highest fee that it may be charged."""
    if order.side is Side.SELL:
        return order.leaves
    worth = order.leaves if order.by_notional else order.leaves * order.price
    return worth * (1 + account.hold_rate)


def _matchable(taker: Order, maker: Order, market: Market) -> Decimal:
    """How much the two can trade; zero when what a market buy has left buys no further step."""
    if not taker.by_notional:
        return min(taker.leaves, maker.leaves)
    steps = taker.leaves // (maker.price * market.size_step)
    return min(steps * market.size_step, maker.leaves)
