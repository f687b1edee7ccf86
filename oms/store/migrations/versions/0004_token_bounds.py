"""What a token is further bound to: symbols, and limits of its own."""

from pathlib import Path
from typing import Final

from oms.store.database import run_script

revision: Final = "0004"
down_revision: Final = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
