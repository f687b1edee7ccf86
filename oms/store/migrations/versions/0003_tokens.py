"""The strategies' tokens: who may come through the gateway's door."""

from pathlib import Path
from typing import Final

from oms.store.database import run_script

revision: Final = "0003"
down_revision: Final = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    run_script(Path(__file__).with_suffix(".sql"))
