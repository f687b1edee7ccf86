"""Events may say that what protects an order changes, and that a share of a position is given to somebody.

No table changes: a program that cannot read those events is to refuse the database.
"""

from typing import Final

revision: Final = "0012"
down_revision: Final = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Leave everything as it is."""
