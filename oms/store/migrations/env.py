"""How Alembic reaches the database: as the owner of the tables, whoever connects."""

import os

import psycopg
from alembic import context

from oms.errors import SchemaError
from oms.store.database import alembic_engine, become_owner

url = (
    context.config.attributes.get("url")
    or context.get_x_argument(as_dictionary=True).get("url")
    or os.environ.get("OMS_DATABASE_URL")
)
if not url:
    raise SchemaError("no database is named", next_step="pass -x url=postgresql://..., or set OMS_DATABASE_URL")

engine = alembic_engine(url)
try:
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)
        become_owner(driver)
        context.configure(connection=connection, target_metadata=None)
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()
finally:
    engine.dispose()
