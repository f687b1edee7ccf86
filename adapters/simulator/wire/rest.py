"""BitMart's spot REST: which paths there are, and what it takes to call them (PROTOCOL 2, 3.2, 5)."""

from collections.abc import Callable, Mapping
from typing import Final

from adapters.simulator.exchange.algo import Algo
from adapters.simulator.wire.algo import AlgoOrders
from adapters.simulator.wire.custody import Custody
from adapters.simulator.wire.gateway import Call, Endpoint, Endpoints, Gateway, Level, Spelling
from adapters.simulator.wire.keys import Permission
from adapters.simulator.wire.limits import Limit
from adapters.simulator.wire.public import Public
from adapters.simulator.wire.queries import Queries
from adapters.simulator.wire.trading import Trading
from adapters.simulator.wire.venue import Venue

SPELLING: Final = Spelling(success="success", error_data=True, wrong_method=57001, wrong_media=58001)


def spot_rest(venue: Venue, algo: Algo) -> Gateway:
    """Return the spot host's REST over `venue`."""
    endpoints = {
        **_endpoints(Public(venue), Trading(venue), Queries(venue), AlgoOrders(venue, algo)),
        **Custody(venue).endpoints(),
    }
    return Gateway(venue.house, endpoints, SPELLING)


def _endpoints(public: Public, trading: Trading, queries: Queries, algo: AlgoOrders) -> Endpoints:
    """Every endpoint a trading client uses, with the limits of PROTOCOL 3.2."""

    def open_to_all(calls: int, seconds: int, handler: Callable[[Call], object]) -> Mapping[str, Endpoint]:
        return {"GET": Endpoint(Level.NONE, Limit(calls, seconds, "ip"), handler)}

    def keyed(calls: int, handler: Callable[[Call], object]) -> Mapping[str, Endpoint]:
        return {"GET": Endpoint(Level.KEYED, Limit(calls, 2, "key"), handler)}

    def asked(calls: int, handler: Callable[[Call], object]) -> Mapping[str, Endpoint]:
        return {"POST": Endpoint(Level.SIGNED, Limit(calls, 2, "key"), handler, windowed=True)}

    def done(
        calls: int, seconds: int, handler: Callable[[Call], object], *, windowed: bool = True
    ) -> Mapping[str, Endpoint]:
        limit = Limit(calls, seconds, "uid")
        return {"POST": Endpoint(Level.SIGNED, limit, handler, windowed, Permission.SPOT_TRADE)}

    return {
        "/system/time": open_to_all(10, 1, public.time),
        "/system/service": open_to_all(10, 1, public.service),
        "/spot/v1/currencies": open_to_all(8, 2, public.currencies),
        "/spot/v1/symbols": open_to_all(8, 2, public.symbols),
        "/spot/v1/symbols/details": open_to_all(12, 2, public.details),
        "/spot/quotation/v3/tickers": open_to_all(10, 2, public.tickers),
        "/spot/quotation/v3/ticker": open_to_all(15, 2, public.ticker),
        "/spot/quotation/v3/lite-klines": open_to_all(15, 2, public.klines),
        "/spot/quotation/v3/klines": open_to_all(10, 2, public.klines),
        "/spot/quotation/v3/books": open_to_all(15, 2, public.books),
        "/spot/quotation/v3/trades": open_to_all(15, 2, public.trades),
        "/spot/v2/submit_order": done(40, 2, trading.submit, windowed=False),
        "/spot/v4/batch_orders": done(40, 2, trading.batch),
        "/spot/v3/cancel_order": done(40, 2, trading.cancel, windowed=False),
        "/spot/v4/cancel_orders": done(40, 2, trading.cancel_many),
        "/spot/v4/cancel_all": done(1, 3, trading.cancel_all),
        "/spot/v4/query/order": asked(50, queries.order),
        "/spot/v4/query/client-order": asked(50, queries.client_order),
        "/spot/v4/query/open-orders": asked(12, queries.open_orders),
        "/spot/v4/query/history-orders": asked(12, queries.history_orders),
        "/spot/v4/query/trades": asked(12, queries.trades),
        "/spot/v4/query/order-trades": asked(12, queries.order_trades),
        "/spot/v4/algo/submit_order": done(10, 2, algo.submit),
        "/spot/v4/algo/cancel_order": done(10, 2, algo.cancel),
        "/spot/v4/algo/cancel_all": done(5, 2, algo.cancel_all),
        "/spot/v4/query/algo/order": asked(40, algo.order),
        "/spot/v4/query/algo/client-order": asked(40, algo.client_order),
        "/spot/v4/query/algo/open-orders": asked(20, algo.open_orders),
        "/spot/v4/query/algo/history-orders": asked(20, algo.history_orders),
        "/account/v1/currencies": open_to_all(2, 2, public.account_currencies),
        "/spot/v1/wallet": keyed(12, queries.wallet),
        "/account/v1/wallet": keyed(12, queries.account_wallet),
        "/spot/v1/trade_fee": keyed(2, queries.trade_fee),
        "/spot/v1/user_fee": keyed(2, queries.user_fee),
    }
