-- Disagreements with the venue, as they stand or as they ended. A break that opens again goes on in its row.
CREATE TABLE breaks (
    account     text COLLATE "C" NOT NULL,
    break_id    text COLLATE "C" NOT NULL, -- made from what disagrees: balance:spot/USDT
    kind        text COLLATE "C" NOT NULL,
    subject     text COLLATE "C" NOT NULL,
    symbol      text COLLATE "C",          -- where it is about one market
    ours        text NOT NULL,
    theirs      text NOT NULL,
    difference  numeric,                   -- theirs less ours, where they are amounts
    explanation text,                      -- what somebody said it comes from
    resolution  text COLLATE "C",          -- how it ended: agreed, accepted
    reason      text,                      -- why, in the words of whoever ended it
    open        boolean NOT NULL,
    evidence    jsonb NOT NULL,            -- venue_messages that the figures were read in
    until_ms    bigint,
    opened_ns   bigint NOT NULL,
    updated_ns  bigint NOT NULL,
    opened      bigint NOT NULL,           -- position of its (latest) opening
    position    bigint NOT NULL,
    opened_at   timestamptz NOT NULL GENERATED ALWAYS AS (utc_of(opened_ns)) STORED,
    updated_at  timestamptz NOT NULL GENERATED ALWAYS AS (utc_of(updated_ns)) STORED,
    PRIMARY KEY (account, break_id)
) WITH (fillfactor = 70);
CREATE INDEX breaks_opened_idx ON breaks (opened);

GRANT SELECT, INSERT, UPDATE, DELETE ON breaks TO oms_projector;
GRANT SELECT ON breaks TO oms_reader;

-- All read models stand at one position, and no log holds a break from before this table.
INSERT INTO projection_checkpoints (name, position)
SELECT 'breaks', position FROM projection_checkpoints WHERE name = 'balances';
