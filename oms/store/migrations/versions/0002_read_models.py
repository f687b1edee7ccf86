"""The read models: orders, fills, positions, balances. All of it can be thrown away and folded from the log again."""

from pathlib import Path
from typing import Final

from oms.store.database import run_script

revision: Final = "0002"
down_revision: Final = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
