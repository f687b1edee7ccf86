"""What every projector is: facts in, touched rows out, and nothing of Postgres in between."""

from collections.abc import Sequence
from typing import Protocol, TypeVar

from msgspec import Struct

from projections.accounts import Accounts, Fact
from projections.table import Table

R = TypeVar("R", bound=Struct)


class Projector(Protocol[R]):
    """One read model. Its checkpoint has the name of its table."""

    @property
    def table(self) -> Table[R]: ...

    @property
    def recalls(self) -> bool:
        """Whether its rows are all that is left of what it must remember, so that they are to be read at a start."""
        ...

    def recall(self, rows: Sequence[R], accounts: Accounts) -> None:
        """Remember: `rows` are those of its table, `accounts` still empty."""
        ...

    def fold(self, fact: Fact) -> None:
        """Note which rows `fact` touches, and what they say now."""
        ...

    def drain(self) -> Sequence[R]:
        """Return the rows touched since the last call, each once, as they are now."""
        ...
