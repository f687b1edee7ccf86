"""One-way or hedged: asked for while nothing is open, believed when it is read back (S24), pure."""

from msgspec import Struct

from oms.account.events import AccountEvent, PositionModeRefused, PositionModeRequested, PositionModeSet, TradingHalted
from oms.account.state import Account
from oms.errors import CommandRefusedError
from oms.reports import PositionModeReport
from oms.values import AccountId, PositionMode


class SetPositionMode(Struct, frozen=True, kw_only=True, gc=False):
    """Keep the account's perpetuals as one net position a market, or as a long and a short one apart."""

    account: AccountId
    mode: PositionMode


Known = tuple[PositionMode | None, PositionMode | None]  # the mode, and the one that was asked for


class PositionModeLook(Struct, frozen=True, kw_only=True, gc=False):
    """The mode that the venue showed to whoever asked while the log held `known`: of a switch that was asked for, or
    read back, since then it says nothing.
    """

    mode: PositionMode
    known: Known


class PositionModeRejected(Struct, frozen=True, kw_only=True, gc=False):
    """The venue refused to switch."""

    reason: str
    code: str | None = None
    text: str | None = None


class PositionModeError(CommandRefusedError):
    """The mode cannot change now."""

    code = "position_mode"
    next_step = "cancel every order and close every position on perpetuals first"


def ask(command: SetPositionMode, account: Account, busy: str | None) -> tuple[AccountEvent, ...]:
    """Return the request; none if the mode is the wanted one already, or was asked for. `busy` names what is open on
    perpetuals.

    Raises:
        PositionModeError: something is open, or another switch is on its way.
    """
    if command.mode is account.mode_requested:
        return ()
    if account.mode_requested is not None:
        raise PositionModeError(
            f"a switch to {account.mode_requested} is on its way", next_step="wait until the venue has answered"
        )
    if command.mode is account.position_mode:
        return ()
    if busy is not None:
        raise PositionModeError(f"the position mode cannot change while {busy}")
    return (PositionModeRequested(mode=command.mode),)


def known(account: Account) -> Known:
    """Return what is known of the mode now."""
    return account.position_mode, account.mode_requested


def see(report: PositionModeReport | PositionModeLook, account: Account) -> tuple[AccountEvent, ...]:
    """Return what the mode that the venue shows adds; where another one was asked for, trading halts."""
    if isinstance(report, PositionModeLook) and report.known != known(account):
        return ()
    wanted = account.mode_requested
    if wanted is None and report.mode is account.position_mode:
        return ()
    shown = PositionModeSet(mode=report.mode)
    if wanted in {None, report.mode} or (None, None) in account.halts:
        return (shown,)
    reason = f"the account was to switch to {wanted} and is {report.mode}"
    return (shown, TradingHalted(reason=reason, halt_id=f"mode{account.version + 1}"))


def reject(report: PositionModeRejected, account: Account) -> tuple[AccountEvent, ...]:
    """Return the end of a request that the venue refused."""
    if account.mode_requested is None:
        return ()
    return (PositionModeRefused(reason=report.reason, code=report.code, text=report.text),)
