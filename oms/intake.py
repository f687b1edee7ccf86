"""How much an engine takes that is not durable yet, and for whom it keeps room.

Who asks for orders to end, or for nothing to open any more, asks just when much waits: behind a full intake a halt in
memory alone would have stopped everything there. So cancels have room of their own, and halts have some that no number
of cancels fills. All of it has a bound.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from oms.account.state import HaltTrading
from oms.decide import Command
from oms.errors import IntakeFullError
from oms.order.messages import CancelOrder

INTAKE_MAX: Final = 20_000  # messages decided or waiting, and not yet durable
ROOM: Final[Mapping[type[Command], int]] = MappingProxyType({CancelOrder: 5_000, HaltTrading: 6_000})  # beyond that


def require_room(command: Command, waiting: int, intake_max: int) -> None:
    """Raises IntakeFullError: so much waits that this one is not taken."""
    if waiting >= intake_max + ROOM.get(type(command), 0):
        raise IntakeFullError(f"{waiting} commands wait to become durable; this one was not taken")
