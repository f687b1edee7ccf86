"""An order may be good till a time."""

from pathlib import Path
from typing import Final

from oms.store.database import run_script

revision: Final = "0011"
down_revision: Final = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
