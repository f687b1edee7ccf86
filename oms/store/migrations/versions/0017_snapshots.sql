-- What the log of an account adds up to at a position: a shortcut for the next start, which may be deleted at any time.
-- No other program than the one that made it reads it.
CREATE TABLE snapshots (
    account  text COLLATE "C" PRIMARY KEY,
    position bigint NOT NULL,
    program  bytea NOT NULL, -- SHA-256 of the code that made it
    digest   bytea NOT NULL, -- SHA-256 of the parts and of the event at `position`
    parts    bytea[] NOT NULL,
    made_at  timestamptz NOT NULL DEFAULT clock_timestamp() -- for people
);
ALTER TABLE snapshots ALTER COLUMN parts SET STORAGE EXTERNAL; -- it is read at once and whole: no time for compression
GRANT SELECT, INSERT, UPDATE, DELETE ON snapshots TO oms_writer;
GRANT SELECT ON snapshots TO oms_reader;
