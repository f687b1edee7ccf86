"""What backs a market's positions: asked for, and believed when it is read back, pure."""

from decimal import Decimal

from msgspec import Struct

from oms.errors import CommandRefusedError, DuplicateOrderError, InvalidOrderError
from oms.instrument import Instrument, unknown_market
from oms.position.events import LeverageRefused, LeverageRequested, PositionEvent
from oms.position.state import Position
from oms.reports import LeverageReport
from oms.values import ONE, AccountId, MarginMode, Symbol, Wallet, plain


class SetLeverage(Struct, frozen=True, kw_only=True, gc=False):
    """Back new positions of a market with `leverage`. The same `request_id` is the same request."""

    account: AccountId
    symbol: Symbol
    request_id: str
    leverage: Decimal
    margin_mode: MarginMode


class LeverageRejected(Struct, frozen=True, kw_only=True, gc=False):
    """The venue refused, or gave no answer that could be read back."""

    request_id: str
    reason: str
    code: str | None = None
    text: str | None = None


class LeverageError(CommandRefusedError):
    """The leverage is not one that may be set."""

    code = "leverage"
    next_step = "ask for less"


def ask(
    command: SetLeverage, held: Position, instrument: Instrument | None, leverage_max: Decimal | None
) -> tuple[PositionEvent, ...]:
    """Return the request; none if it is one of the latest again.

    Raises:
        UnknownSymbolError: there is no such perpetual.
        DuplicateOrderError: that request asked for something else.
        CommandRefusedError: the leverage is none, or above what the market or our own limit allows.
    """
    leverage = command.leverage
    if not leverage.is_finite() or leverage < ONE:
        raise InvalidOrderError(f"leverage {leverage:.6g} is not a number from 1 upward")
    asked = LeverageRequested(request_id=command.request_id, leverage=leverage, margin_mode=command.margin_mode)
    before = next((each for each in held.settings if each.request_id == command.request_id), None)
    if before == asked:  # whatever holds today: it was allowed then
        return ()
    if instrument is None or instrument.wallet is not Wallet.FUTURES:
        raise unknown_market(command.symbol, command.account)
    for most in (instrument.leverage_max, leverage_max):
        if most is not None and leverage > most:
            raise LeverageError(f"{command.symbol} leverage {plain(leverage)} is above the {plain(most)} allowed")
    if before is not None:
        raise DuplicateOrderError(f"request {command.request_id} asked for another leverage before")
    return (asked,)


def not_read_back(asked: object, read: object) -> LeverageRejected | None:
    """Return the end of a request for a leverage that the venue took, and does not show; None for anything else."""
    if not (isinstance(asked, LeverageRequested) and isinstance(read, LeverageReport)):
        return None
    if (read.leverage, read.margin_mode or asked.margin_mode) == (asked.leverage, asked.margin_mode):
        return None
    shown = "nothing" if read.leverage is None else f"{plain(read.leverage)} {read.margin_mode or ''}".rstrip()
    text = f"the venue took it, and shows {shown}"
    return LeverageRejected(request_id=asked.request_id, reason="not_read_back", text=text)


def reject(report: LeverageRejected) -> tuple[PositionEvent, ...]:
    """Return the end of a request that came to nothing."""
    return (LeverageRefused(request_id=report.request_id, reason=report.reason, code=report.code, text=report.text),)
