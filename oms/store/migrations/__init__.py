"""The history of the schema; Alembic owns every table."""
