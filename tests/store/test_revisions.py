"""The revisions that files say by their names are those that Alembic walks."""

from alembic.config import Config
from alembic.script import ScriptDirectory

from oms.store.database import MIGRATIONS, REVISIONS


def test_names_and_alembic_agree_on_every_revision_and_their_order() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    walked = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert list(reversed(walked)) == REVISIONS
