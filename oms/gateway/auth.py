"""Who asks, and what they may: from a Bearer token to a Caller."""

from collections.abc import Mapping

from msgspec import Struct

from oms.engine import Engine
from oms.errors import UnknownAccountError, UnknownOrderError
from oms.gateway.allowance import UNLIMITED, TokenLimits
from oms.gateway.picture import Picture
from oms.gateway.problems import ForbiddenError, UnauthenticatedError
from oms.gateway.tokens import Scope, split
from oms.instrument import unknown_market
from oms.order.state import Order
from oms.sums import symbol_of
from oms.values import AccountId, ClientOrderId, StrategyId, Symbol


class Caller(Struct, frozen=True, kw_only=True):
    """Somebody whose token is valid."""

    token_id: str
    strategy: StrategyId
    accounts: frozenset[AccountId]
    scopes: frozenset[Scope]
    symbols: frozenset[Symbol] = frozenset()  # none: all of them
    limits: TokenLimits = UNLIMITED

    @property
    def admin(self) -> bool:
        return Scope.ADMIN in self.scopes

    def may(self, scope: Scope) -> bool:
        """Return whether the token has `scope`."""
        return self.admin or scope in self.scopes

    def need(self, scope: Scope) -> None:
        """Raise ForbiddenError unless the token has `scope`."""
        if not self.may(scope):
            raise ForbiddenError(f"the token lacks the scope {scope}")

    def sees(self, account: str) -> bool:
        """Return whether the token is for `account`."""
        return self.admin or account in self.accounts

    def trades(self, symbol: str) -> bool:
        """Return whether the token is for the market `symbol`."""
        return self.admin or not self.symbols or symbol in self.symbols

    def owns(self, order: Order) -> bool:
        """Return whether the order is this strategy's and of the token's markets; an administrator owns all."""
        return self.admin or (order.request.strategy == self.strategy and self.trades(order.request.symbol))

    def named_symbols(self, symbol: str | None) -> tuple[Symbol, ...] | None:
        """Return which markets are meant: the one that is named, or the token's own (None: all there are).

        Raises:
            ForbiddenError: one is named that the token is not for.
        """
        if symbol is not None:
            self.need_symbol(symbol)
            return (Symbol(symbol),)
        return None if self.admin or not self.symbols else tuple(sorted(self.symbols))

    def need_symbol(self, symbol: str) -> None:
        """Raise ForbiddenError unless the token is for the market `symbol`."""
        if not self.trades(symbol):
            raise ForbiddenError(f"the token is not for the symbol {symbol[:64]!r}")

    def need_all_symbols(self) -> None:
        """Raise ForbiddenError if the token is for some markets only: what is of a whole account is not for it."""
        if not self.admin and self.symbols:
            raise ForbiddenError(f"the token is for {', '.join(sorted(self.symbols))}, and not for every market")

    def named_strategy(self, strategy: str | None) -> StrategyId | None:
        """Return whose orders are meant: the caller's own, for an administrator anybody's (None: everybody's).

        Raises:
            ForbiddenError: another strategy is named.
        """
        if self.admin:
            return None if strategy is None else StrategyId(strategy)
        if strategy not in {None, self.strategy}:
            raise ForbiddenError(f"the token is bound to the strategy {self.strategy}")
        return self.strategy


class Authority:
    """Knows who a token speaks for."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    async def bearer(self, header: str | None) -> Caller:
        """Return who an Authorization header speaks for.

        Raises:
            UnauthenticatedError: nobody we know.
            LogUnavailableError: the tokens cannot be read, and this one is not known from before.
        """
        scheme, _, text = (header or "").partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthenticatedError("the request carries no Bearer token")
        return await self.caller(text.strip())

    async def caller(self, text: str) -> Caller:
        """Return who a token speaks for. Raises as `bearer` does."""
        parts = split(text)
        if parts is None:
            raise UnauthenticatedError("the token is not spelled oms_<id>_<secret>")
        token_id, secret = parts
        token = await self._picture.token(token_id)
        if token is None or not token.opens_with(secret):
            raise UnauthenticatedError("the token is unknown, wrong or revoked")
        return Caller(
            token_id=token.token_id,
            strategy=token.strategy,
            accounts=frozenset(token.accounts),
            scopes=frozenset(token.scopes),
            symbols=frozenset(token.symbols),
            limits=token.limits,
        )

    async def holds(self, caller: Caller) -> bool:
        """Return whether the token that `caller` came with is still valid."""
        return await self._picture.token(caller.token_id) is not None


class Accounts:
    """The accounts that run here, by what a caller may see of them."""

    def __init__(self, engines: Mapping[AccountId, Engine]) -> None:
        self.engines = engines

    @property
    def position(self) -> int:
        """The last log position that any of our writers knows to be committed."""
        return max((engine.position for engine in self.engines.values()), default=0)

    def visible(self, caller: Caller, name: str | None = None) -> list[Engine]:
        """Return the engines of the accounts that `caller` sees, or of the one that is named.

        Raises:
            UnknownAccountError: the one that is named does not run here, or not for this token.
        """
        if name is not None:
            return [self.one(caller, name)]
        return [engine for account, engine in self.engines.items() if caller.sees(account)]

    def meant(self, caller: Caller, name: str | None) -> list[Engine]:
        """Return the engines that a command goes to, as `visible`, but never none: whoever stops everything is not told
        that all is well where nothing was stopped. Raises UnknownAccountError.
        """
        engines = self.visible(caller, name)
        if not engines:
            raise UnknownAccountError("none of this token's accounts runs here")
        return engines

    def one(self, caller: Caller, name: str | None) -> Engine:
        """Return the engine of the account that is named, or of the only one there is for `caller`.

        Raises:
            UnknownAccountError: it does not run here, not for this token, or none is named and there are several.
        """
        if name is not None:
            engine = self.engines.get(AccountId(name))
            if engine is None or not caller.sees(name):
                raise UnknownAccountError(f"no account {name[:64]!r} runs here for this token")
            return engine
        engines = self.visible(caller)
        if len(engines) != 1:
            names = ", ".join(engine.account for engine in engines) or "none"
            raise UnknownAccountError(f"name the account: this token sees {names}")
        return engines[0]

    def need_market(self, caller: Caller, name: str | None, symbol: Symbol) -> None:
        """Raise UnknownSymbolError unless one of the accounts that are meant has that market, or had: it may be listed
        no more. Where not all markets are known yet, it may be one of the others. Raises as `visible`.
        """
        engines = self.visible(caller, name)
        if not any(_may_have(engine, symbol) for engine in engines):
            raise unknown_market(symbol, AccountId(", ".join(engine.account for engine in engines)))


def _may_have(engine: Engine, symbol: Symbol) -> bool:
    book = engine.book
    return (
        symbol in engine.decider.instruments
        or ("/" in symbol and not engine.trading)  # nothing trades before all markets are known
        or any(order.request.symbol == symbol for order in book.orders.values())
        or any(symbol_of(stream) == symbol for stream in book.positions)
    )


def unknown_order(client_order_id: str) -> UnknownOrderError:
    """Return the refusal for an order that is not there, or another strategy's: which of both is not told."""
    return UnknownOrderError(f"no order {ClientOrderId(client_order_id[:64])!r} of this strategy")
