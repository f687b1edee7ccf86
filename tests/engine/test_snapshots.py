"""A start goes on from what was kept of memory, and folds the whole log wherever that cannot be relied on."""

import asyncio
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace

from oms import snapshot
from oms.book import Book, account_stream
from oms.decide import BalancesReport
from oms.errors import LogUnavailableError
from oms.gateway.auth import Accounts, Caller
from oms.gateway.bodies import CancelAllBody
from oms.gateway.commands import Commands
from oms.gateway.metrics import Metrics
from oms.gateway.tokens import Scope
from oms.order.state import Life, Order
from oms.ports import Snapshot, StoredEvent
from oms.reconcile import address
from oms.recovery import recover
from oms.reports import BalanceReport, OrderReport, VenueOrderStatus
from oms.snapshot import Memory, Pace
from oms.store.codec import decode
from oms.store.memory import Fault, Trouble
from oms.values import AccountId, Currency, Protection, Provenance, Side, StrategyId, VenueOrderId, Wallet
from tests.engine.desk import MAIN, Desk, play, stream
from tests.golden.corpus import chapters, log_of
from tests.order.story import BTC_PERPETUAL, FUTURES, shown, trade

OFTEN = Pace(1, 0.0)
TALLIED = [StrategyId("maker"), StrategyId("desk")]


async def trading(desk: Desk) -> None:
    """Trade until memory holds something of every kind, and has been kept."""
    desk.pace = OFTEN
    await desk.start(watching=False)
    for name in ("filled", "canceled", "open"):
        await desk.place(name)
    await desk.engine.report([(stream("filled"), trade("t1", "0.5", venue_order_id="v1"))], source=Provenance.STREAM)
    ended = shown(VenueOrderStatus.CANCELED, client_order_id="canceled")
    await asyncio.sleep(1.0)  # the one before has been kept
    await desk.engine.report([(stream("canceled"), ended)], source=Provenance.STREAM)
    await kept(desk)


async def kept(desk: Desk) -> Snapshot:
    """Return what was kept, once it is of the whole log."""
    for _ in range(100):
        found = desk.log._snapshots.get(MAIN)
        if found is not None and found.position == desk.engine.position:
            return found
        await asyncio.sleep(0)
    raise AssertionError("memory was not kept")


def seldom(desk: Desk) -> None:
    """Let nothing more be kept."""
    desk.pace = desk.engine._snapshots._pace = Pace()


def reading(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return after which positions pages are read from now on, but for the one event that a snapshot ends with."""
    read: list[int] = []
    page = desk.log.page

    async def noticed(*, after: int, limit: int) -> Sequence[StoredEvent]:
        if limit > 1:
            read.append(after)
        return await page(after=after, limit=limit)

    monkeypatch.setattr(desk.log, "page", noticed)
    return read


def test_a_start_folds_what_came_since_and_nothing_before(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(desk: Desk) -> None:
        await trading(desk)
        position, before = (await kept(desk)).position, desk.engine.book.image()
        seldom(desk)
        await desk.place("later")
        read = reading(desk, monkeypatch)
        await desk.start(watching=False)
        assert read[0] == position
        assert desk.agrees()
        assert desk.engine.book.orders.keys() == {*before.orders, stream("later")}
        whole = await recover(MAIN, desk.log, closed_kept=desk.closed_kept, whole=True)
        assert (desk.engine.opened_ns, desk.engine.written_ns) == (whole.opened_ns, whole.written_ns)
        assert desk.engine.book.image() == whole.book.image()

    play(story)


def test_what_is_decided_and_not_durable_is_not_kept() -> None:
    """S03: of a batch that the log refuses, nothing shows at the next start."""

    async def story(desk: Desk) -> None:
        await trading(desk)
        desk.faults.appends.append(Fault(Trouble.REFUSED))
        with pytest.raises(Exception, match="did not take the command"):
            await desk.place("refused")
        await desk.engine._ready.wait()
        await asyncio.sleep(1.0)
        await desk.place("next")
        await kept(desk)
        await desk.start(watching=False)
        assert stream("refused") not in desk.engine.book.orders
        assert stream("next") in desk.engine.book.orders
        assert desk.agrees()

    play(story)


def spoiled(kept_: Snapshot) -> Snapshot:
    head, *rest = kept_.parts
    return replace(kept_, parts=(head[:-1] + bytes([head[-1] ^ 1]), *rest))


def of_another_program(kept_: Snapshot) -> Snapshot:
    return replace(kept_, program=bytes(32))


def of_a_longer_log(kept_: Snapshot) -> Snapshot:
    return replace(kept_, position=kept_.position + 1_000)


def of_another_moment(kept_: Snapshot) -> Snapshot:
    return replace(kept_, position=kept_.position - 1)


def discarded(kept_: Snapshot) -> Snapshot:
    return Snapshot(kept_.account, 0, b"", b"", ())


@pytest.mark.parametrize("change", [spoiled, of_another_program, of_a_longer_log, of_another_moment, discarded])
def test_the_whole_log_is_folded_where_what_was_kept_cannot_be_relied_on(
    change: Callable[[Snapshot], Snapshot], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story(desk: Desk) -> None:
        await trading(desk)
        desk.log._snapshots[MAIN] = change(await kept(desk))
        read = reading(desk, monkeypatch)
        await desk.start(watching=False)
        assert read[0] == 0
        assert desk.agrees()

    play(story)


def test_a_snapshot_that_alone_cannot_be_read_keeps_no_start_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to read it a start waited for ever, and said that another OMS leads the account."""

    async def story(desk: Desk) -> None:
        await trading(desk)

        async def forbidden(account: AccountId) -> Snapshot | None:
            raise LogUnavailableError(f"permission denied for the snapshot of {account}")

        monkeypatch.setattr(desk.log, "snapshot", forbidden)
        read = reading(desk, monkeypatch)
        await desk.start(watching=False)
        assert read[0] == 0
        assert desk.agrees()
        desk.faults.unreadable = True  # but where the log cannot be read at all, that is what is said
        with pytest.raises(LogUnavailableError, match="the log cannot be read"):
            await recover(MAIN, desk.log, closed_kept=desk.closed_kept)
        desk.faults.unreadable = False

    play(story)


async def test_memory_bears_the_name_of_the_code_that_runs_and_not_of_what_its_files_hold_by_now() -> None:
    """The files may be an upgrade's by the time memory is first kept: its start took old memory for its own."""
    upgraded = """
from pathlib import Path
import oms.snapshot
Path.read_bytes = lambda _: b"an upgrade"
print(oms.snapshot.program().hex())
"""
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-c", upgraded, cwd=Path(snapshot.__file__).parents[1], stdout=asyncio.subprocess.PIPE
    )
    said, _ = await running.communicate()
    assert said.decode().strip() == snapshot.program().hex()


def test_what_was_kept_for_other_strategies_or_bounds_is_left_aside() -> None:
    async def story(desk: Desk) -> None:
        await trading(desk)
        await kept(desk)
        assert (await recover(MAIN, desk.log, closed_kept=desk.closed_kept)).snapshot
        assert not (await recover(MAIN, desk.log, closed_kept=1)).snapshot
        assert not (await recover(MAIN, desk.log, closed_kept=desk.closed_kept, tallied=TALLIED)).snapshot

    play(story)


def test_memory_that_lacks_an_event_is_found_out_by_the_next_one_of_its_stream(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def story(desk: Desk) -> None:
        await trading(desk)
        await kept(desk)
        real = snapshot.kept

        async def lacking(*account: object, **bounds: object) -> tuple[Memory, int] | None:
            found = await real(*account, **bounds)  # type: ignore[arg-type]  # as asked
            assert found is not None
            memory, position = found
            older = replace(memory.image.orders[stream("open")], version=1)
            orders = {**memory.image.orders, stream("open"): older}
            return replace(memory, image=replace(memory.image, orders=orders)), position

        seldom(desk)
        await desk.cancel("open")
        monkeypatch.setattr("oms.recovery.kept", lacking)
        await desk.start(watching=False)
        assert desk.agrees()

    play(story)


def test_where_memory_and_log_disagree_nothing_that_was_kept_is_used_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(desk: Desk) -> None:
        await trading(desk)
        read = reading(desk, monkeypatch)
        seldom(desk)
        memory = desk.engine.book
        memory.orders.pop(stream("open"))
        memory.open.pop(stream("open"))
        with pytest.raises(Exception, match="disagree"):
            await desk.place("open")
        await desk.engine._ready.wait()
        assert read[0] == 0
        assert desk.log._snapshots[MAIN].parts == ()
        assert desk.agrees()

    play(story)


def test_what_is_being_kept_while_they_disagree_is_not_used_either(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(desk: Desk) -> None:
        await trading(desk)
        keep, landed = desk.log.keep_snapshot, asyncio.Event()

        async def slowly(kept_: Snapshot) -> None:
            if kept_.parts:
                await asyncio.sleep(5.0)
                landed.set()
            await keep(kept_)

        monkeypatch.setattr(desk.log, "keep_snapshot", slowly)
        await desk.place("wrong")  # with which memory is kept
        desk.engine.book.orders.pop(stream("wrong"))
        desk.engine.book.open.pop(stream("wrong"))
        seldom(desk)
        with pytest.raises(Exception, match="disagree"):
            await desk.place("wrong")
        await desk.engine._ready.wait()
        assert landed.is_set()
        assert desk.log._snapshots[MAIN].parts == ()

    play(story)


def test_what_cannot_be_discarded_keeps_nobody_from_the_log_and_is_replaced_once_it_can_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without the right to write it, an account whose memory disagreed once took no command for ever."""

    async def story(desk: Desk) -> None:
        await trading(desk)
        wrong = await kept(desk)
        seldom(desk)
        keep = desk.log.keep_snapshot

        async def forbidden(kept_: Snapshot) -> None:
            raise LogUnavailableError(f"permission denied for the snapshot of {kept_.account}")

        monkeypatch.setattr(desk.log, "keep_snapshot", forbidden)
        read = reading(desk, monkeypatch)
        desk.engine.book.orders.pop(stream("open"))
        desk.engine.book.open.pop(stream("open"))
        with pytest.raises(LogUnavailableError, match="disagree"):
            await desk.place("open")
        await asyncio.sleep(1.0)
        assert desk.engine.ready
        assert read[0] == 0
        assert desk.agrees()
        await asyncio.sleep(Pace().seconds)
        await desk.place("not yet")
        await asyncio.sleep(Pace().seconds)
        assert desk.log._snapshots[MAIN] == wrong
        monkeypatch.setattr(desk.log, "keep_snapshot", keep)
        await desk.place("then")  # long before its pace asks for another one
        assert (await kept(desk)).position > wrong.position
        await asyncio.sleep(Pace().seconds)
        await desk.place("and no more")
        await asyncio.sleep(1.0)
        assert desk.log._snapshots[MAIN].position < desk.engine.position

    play(story)


def test_a_log_that_cannot_keep_it_costs_nothing_but_time() -> None:
    async def story(desk: Desk) -> None:
        await trading(desk)
        before = await kept(desk)
        desk.faults.unreadable = True
        await desk.place("later")
        await asyncio.sleep(1.0)
        desk.faults.unreadable = False
        assert desk.log._snapshots[MAIN] == before
        await asyncio.sleep(1.0)
        await desk.place("last")
        assert (await kept(desk)).position > before.position

    play(story)


def test_it_is_kept_at_its_pace() -> None:
    async def story(desk: Desk) -> None:
        desk.pace = Pace(every=10, seconds=60.0)
        await desk.start(watching=False)
        seen = []
        for number in range(40):
            await desk.place(f"c{number}")
            await asyncio.sleep(4.0)
            found = desk.log._snapshots.get(MAIN)
            seen.append(0 if found is None else found.position)
        assert len(set(seen) - {0}) == 3  # of 160 seconds, every sixty

    play(story)


@pytest.mark.parametrize("chapter", chapters())
async def test_any_memory_comes_back_as_it_was(chapter: str) -> None:
    """Every kind of state that the golden logs lead to, at every position, and what follows from it."""
    books: dict[str, Book] = {}
    states: dict[str, object] = {}
    for stored in log_of(chapter):
        name, stream_ = stored.stream.split("/")[1], stored.stream
        book = books.setdefault(name, Book(AccountId(name), closed_kept=10, tallied=TALLIED))
        before = states.get(stream_)
        if isinstance(before, Order) and stream_ not in book.orders:
            book.restore(stream_, before)  # over and settled, it was not kept: the log tells it again
        states[stream_] = book.apply(stream_, decode(stored.topic, stored.state))
        memory = Memory(book.image(), 1, 2)
        back = snapshot.decoded(await snapshot.encoded(memory))
        assert back == memory
        books[name] = Book.of_image(book.name, back.image)
        assert books[name].summary() == book.summary()
        assert books[name].image() == book.image()


def test_of_what_is_over_only_the_last_that_traded_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten thousand orders that are over took 7 MB, and the commits beside them a fifth of a second."""
    monkeypatch.setattr("oms.book.LAST_CLOSED", 1)

    async def story(desk: Desk) -> None:
        await trading(desk)
        for number in (1, 2):
            name = f"whole{number}"
            await desk.place(name, quantity=Decimal(1))
            fill = trade(f"w{number}", "1", venue_order_id=name)
            await desk.engine.report([(stream(name), fill)], source=Provenance.STREAM)
            await asyncio.sleep(1.0)
        await desk.place("last")
        await kept(desk)
        await desk.start(watching=False)
        # Half filled, and without its cost; what was canceled has nothing to be asked about.
        assert desk.engine.book.orders.keys() == {stream(name) for name in ("open", "filled", "whole2", "last")}
        report = trade("t2", "0.5", venue_order_id="v2")
        await desk.engine.report([(stream("canceled"), report)], source=Provenance.POLL)
        assert desk.engine.book.orders[stream("canceled")].life is Life.CANCELED  # read from the log
        assert desk.agrees()

    play(story)


def test_the_adapter_is_told_whose_trades_the_venue_may_show_also_after_a_start_from_a_snapshot() -> None:
    """It asked the venue for order after order."""

    async def story(desk: Desk) -> None:
        desk.pace = OFTEN
        await desk.start()
        await desk.place()
        await asyncio.sleep(1)
        desk.venue.push(*desk.venue.fill("c1", "2"))
        await asyncio.sleep(15)
        assert desk.life() is Life.FILLED
        await desk.place("last")
        await kept(desk)
        desk.process.kill()
        desk.venue.recalled.clear()
        await desk.start()
        assert "c1" in [each.client_order_id for each in desk.venue.recalled]

    play(story)


def test_the_stop_of_an_order_that_is_over_is_its_strategys_also_after_a_start_from_a_snapshot() -> None:
    """It belonged to nobody: the order that had asked for it was not in memory."""

    async def story(desk: Desk) -> None:
        desk.pace = OFTEN
        desk.venue.can = replace(FUTURES, leverage=False)
        desk.venue.futures = Decimal(10_000)
        await desk.start(watching=False)
        funds = BalanceReport(currency=Currency("USDT"), total=Decimal(1_000_000), wallet=Wallet.FUTURES)
        told = BalancesReport(balances=(funds,), reason="opening")
        await desk.engine.report([(account_stream(MAIN), told)])
        symbol, price = BTC_PERPETUAL.symbol, Decimal(60_000)
        await desk.place("p1", symbol=symbol, price=price, take_profit=Protection(price=Decimal(61_000)))
        fill = trade("t1", "2", "60000", symbol=symbol, venue_order_id="v1")
        await desk.engine.report([(stream("p1"), fill)], source=Provenance.STREAM)
        assert desk.life("p1") is Life.FILLED
        await asyncio.sleep(1.0)
        await desk.place("p2", symbol=symbol, price=price)
        await kept(desk)
        seldom(desk)
        await desk.start(watching=False)
        shown_ = OrderReport(
            symbol=symbol,
            status=VenueOrderStatus.NEW,
            venue_order_id=VenueOrderId("preset"),
            client_order_id=None,
            side=Side.SELL,
            quantity=Decimal(2),
            cum_quantity=Decimal(0),
            order_type="take_profit",
            trigger_price=Decimal(61_000),
        )
        where = address(MAIN, shown_)
        await desk.engine.report([(where, shown_)], source=Provenance.POLL)
        assert desk.engine.book.orders[where].parent == "p1"
        assert desk.engine.book.orders[where].request.strategy == "maker"

    play(story)


def test_a_repeated_cancel_all_ends_nothing_that_came_after_it_also_after_a_start_from_a_snapshot() -> None:
    async def story(desk: Desk) -> None:
        desk.pace = OFTEN
        await desk.start()
        caller = Caller(token_id="t", strategy=StrategyId("maker"), accounts=frozenset({MAIN}), scopes=frozenset(Scope))

        async def cancel_all() -> list[str]:
            engine = desk.engine
            commands = Commands(
                Accounts({MAIN: engine}), log=desk.log, ids=desk.ids(), metrics=Metrics([engine]), clock=desk.clock
            )
            reply = await commands.cancel_all(caller, CancelAllBody(), key="k1")
            return [each.client_order_id for each in reply.body.items]  # type: ignore[union-attr]

        await desk.place("c1")
        await asyncio.sleep(1)
        assert await cancel_all() == ["c1"]
        await asyncio.sleep(5)
        assert desk.life("c1") is Life.CANCELED
        await desk.process.bury()
        await desk.start()
        await desk.place("c2")
        await asyncio.sleep(1)
        await cancel_all()  # the client has no answer yet, and repeats itself
        await asyncio.sleep(5)
        assert desk.life("c2") is Life.WORKING, desk.told("c2")

    play(story)
