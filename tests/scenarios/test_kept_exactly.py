"""S36, S37, S52: what is stored comes back digit for digit, adds up by hand, and is taken back whole."""

import csv
import io
import json
from decimal import Decimal

import psycopg
import pytest

from oms.book import position_stream
from oms.cli.export import _csv, _rows
from oms.order.messages import BustReport, SubmitAccepted
from oms.order.state import Life
from oms.replay import fold_log
from oms.runtime import SystemClock, Tasks
from oms.store.log import PostgresLog
from oms.values import Currency, PositionLeg, Symbol, VenueOrderId, Wallet, purse
from projections.compare import compare
from projections.past import Past
from projections.queries import Queries
from projections.runner import Runner
from tests.order.story import trade
from tests.projections.history import MAIN, Recorder, write

pytestmark = pytest.mark.postgres

TINY = "0.00000123"
LEG = position_stream(MAIN, Symbol("BTC/USDT"), PositionLeg.NET)
USDT, BMX = (purse(Wallet.SPOT, Currency(name)) for name in ("USDT", "BMX"))


async def kept(url: str, story: Recorder) -> PostgresLog:
    """Store a story and project it."""
    log, tasks = PostgresLog(url), Tasks()
    await write(log, story.fresh())
    await Runner(log, url, clock=SystemClock(), spawn=tasks).run_to_end()
    assert (await compare(log, url)).differences == ()
    await tasks.close()
    return log


async def test_s36_a_tiny_price_is_the_same_digit_for_digit_when_stored_replayed_and_exported(database: str) -> None:
    story = Recorder()
    story.place("c1", quantity="1000000", price="1")
    story.hear("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")), trade("t1", "1000000", TINY, commission=None))
    log = await kept(database, story)
    with psycopg.connect(database) as connection:
        stored = connection.execute("SELECT price::text FROM fills").fetchone()
        shown = connection.execute("SELECT body->>'price' FROM events WHERE topic = 'order-filled/1'").fetchone()
    assert stored == shown == (TINY,)
    replayed = fold_log(database)[MAIN].positions[LEG]
    assert (replayed.open_cost, str(replayed.average_price)) == (Decimal("1.23"), TINY)
    out = io.BytesIO()
    _csv(out, _rows(database, 1, await log.head()))
    lines = csv.DictReader(io.StringIO(out.getvalue().decode()))
    (exported,) = [json.loads(line["body"])["price"] for line in lines if line["type"] == "order-filled/1"]
    assert exported == TINY
    await log.close()


async def test_s37_a_rebate_a_taker_fee_and_a_fee_in_another_coin_add_up_as_by_hand(database: str) -> None:
    story = Recorder(usdt="10000", btc="10")
    story.balances(USDT="10000", BTC="10", BMX="50")
    story.place("c1", quantity="2", price="100")
    story.hear("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")))
    story.hear("c1", trade("maker", "1", "100", commission=Decimal("-0.02")))  # a rebate
    story.hear("c1", trade("taker", "1", "100", commission=Decimal("0.10")))
    story.place("c2", side="sell", quantity="2", price="110")
    paid_in_bmx = {"commission": Decimal("1.5"), "commission_currency": Currency("BMX")}
    story.hear("c2", trade("other", "2", "110", venue_order_id=VenueOrderId("v2"), **paid_in_bmx))
    log = await kept(database, story)
    for book in (story.book, fold_log(database)[MAIN]):
        leg = book.positions[LEG]
        assert (leg.quantity, leg.realized) == (0, 20)
        assert dict(leg.commissions) == {"USDT": Decimal("0.08"), "BMX": Decimal("1.5")}
        assert book.funds(USDT).total == Decimal("10019.92")  # 10000 - 200 + 0.02 - 0.10 + 220
        assert book.funds(BMX).total == Decimal("48.5")
        assert book.funds(USDT).held == 0
    async with Queries(database) as reads:
        transactions = (await reads.ledger(accounts=[MAIN])).rows
        sums = {(row.name, row.asset): row.amount for row in (await reads.ledger_balances(accounts=[MAIN])).rows}
    for each in transactions:
        legs = [(asset, amount) for assets in each.entries.values() for asset, amount in assets.items()]
        assert {asset: sum(amount for of, amount in legs if of == asset) for asset, _ in legs} == {
            asset: 0 for asset, _ in legs
        }
    golden = {
        ("wallet:spot", "USDT"): "10019.92",
        ("wallet:spot", "BTC"): "10",
        ("wallet:spot", "BMX"): "48.5",
        ("pnl", "USDT"): "-20",  # 2 x (110 - 100) earned: income is a credit
        ("fees", "USDT"): "0.08",  # -0.02 + 0.10
        ("fees", "BMX"): "1.5",
        ("external", "USDT"): "-10000",
        ("external", "BTC"): "-10",
        ("external", "BMX"): "-50",
        ("trading", "USDT"): "0",  # everything that was bought is sold
        ("trading", "BTC"): "0",
    }
    assert sums == {key: Decimal(amount) for key, amount in golden.items()}
    with psycopg.connect(database) as connection:
        uneven = "SELECT asset, sum(amount) FROM ledger_entries() GROUP BY asset, position HAVING sum(amount) <> 0"
        assert connection.execute(uneven).fetchall() == []
    await log.close()


async def test_s52_a_bust_takes_back_order_position_and_money_and_yesterday_still_believes_the_trade(
    database: str,
) -> None:
    story = Recorder(usdt="1000", btc="0")
    story.place("c1", quantity="2", price="100")
    story.hear("c1", SubmitAccepted(venue_order_id=VenueOrderId("v1")))
    before = story.book.funds(USDT)
    story.hear("c1", trade("t1", "2", "100", commission=Decimal("0.2")))
    log = await kept(database, story)
    believed = await log.head()
    story.hear("c1", BustReport(exec_id="t1"))
    await log.close()
    log = await kept(database, story)

    book = fold_log(database)[MAIN]
    order = book.orders["order/main/c1"]
    assert (order.life, order.cum_quantity, order.cum_cost) == (Life.WORKING, 0, 0)
    assert (book.positions[LEG].quantity, book.positions[LEG].open_cost) == (0, 0)
    assert book.funds(USDT) == before  # and what it holds for the order, it holds again
    then = Past(log).at(believed)
    (fill,) = (await then.fills(accounts=[MAIN])).rows
    (position,) = (await then.positions(accounts=[MAIN])).rows
    assert (fill.busted, fill.quantity, position.quantity) == (False, 2, 2)
    (now,) = (await Past(log).at(await log.head()).fills(accounts=[MAIN])).rows
    assert now.busted
    await log.close()
