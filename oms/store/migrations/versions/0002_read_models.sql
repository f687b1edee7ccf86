-- What the log says, as rows. Only the projector writes here, rows and checkpoint in one transaction.
-- Amounts are NUMERIC without a scale: digit for digit what was recorded. Times are UTC nanoseconds, which order and
-- compare exactly; the *_at columns show the same to people, cut to microseconds.

CREATE FUNCTION utc_of(ns bigint) RETURNS timestamptz LANGUAGE sql IMMUTABLE PARALLEL SAFE AS
$$ SELECT (timestamp 'epoch' + ns / 1000 * interval '1 microsecond') AT TIME ZONE 'UTC' $$;

-- Rows are written over many times while an order is open. Room is left in every page and no index holds a column that
-- moves with each event, so that a new version of a row stays in its page and touches no index (HOT).
CREATE TABLE orders (
    account         text COLLATE "C" NOT NULL,
    client_order_id text COLLATE "C" NOT NULL,
    strategy        text COLLATE "C" NOT NULL,
    symbol          text COLLATE "C" NOT NULL,
    side            text COLLATE "C" NOT NULL,
    type            text COLLATE "C" NOT NULL,
    quantity        numeric,          -- base units; null for an order by notional
    notional        numeric,          -- quote units to spend
    price           numeric,
    time_in_force   text COLLATE "C" NOT NULL,
    post_only       boolean NOT NULL,
    reduce_only     boolean NOT NULL,
    position_leg    text COLLATE "C" NOT NULL,
    tags            jsonb NOT NULL,
    status          text COLLATE "C" NOT NULL, -- as people read it: FIX 39
    life            text COLLATE "C" NOT NULL, -- the state machine's own word
    open            boolean NOT NULL,
    venue_order_id  text COLLATE "C",
    cum_quantity    numeric NOT NULL,
    cum_cost        numeric NOT NULL,
    average_price   numeric,          -- cum_cost / cum_quantity to 40 digits
    leaves_quantity numeric NOT NULL,
    reason          text,             -- why it was denied, refused, in doubt or ended
    flagged         boolean NOT NULL, -- the venue contradicted itself or us: a person should look
    created_ns      bigint NOT NULL,
    updated_ns      bigint NOT NULL,
    opened          bigint NOT NULL,  -- position of its first event
    position        bigint NOT NULL,  -- position of its latest event
    created_at      timestamptz NOT NULL GENERATED ALWAYS AS (utc_of(created_ns)) STORED,
    updated_at      timestamptz NOT NULL GENERATED ALWAYS AS (utc_of(updated_ns)) STORED,
    PRIMARY KEY (account, client_order_id)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
-- The newest first: of everybody, the open ones, of a strategy, of a market.
CREATE INDEX orders_opened_idx ON orders (opened);
CREATE INDEX orders_open_idx ON orders (open, opened);
CREATE INDEX orders_strategy_idx ON orders (strategy, opened);
CREATE INDEX orders_symbol_idx ON orders (symbol, opened);

CREATE TABLE fills (
    account             text COLLATE "C" NOT NULL,
    client_order_id     text COLLATE "C" NOT NULL,
    exec_id             text COLLATE "C" NOT NULL,
    strategy            text COLLATE "C" NOT NULL,
    symbol              text COLLATE "C" NOT NULL,
    side                text COLLATE "C" NOT NULL,
    quantity            numeric NOT NULL,
    price               numeric NOT NULL,
    commission          numeric,          -- a cost when positive; null until the venue says it
    commission_currency text COLLATE "C",
    liquidity           text COLLATE "C",
    source              text COLLATE "C" NOT NULL, -- how we learned of it: stream, poll, response, ...
    busted              boolean NOT NULL, -- the venue took it back
    occurred_ns         bigint,           -- when the venue says it happened
    recorded_ns         bigint NOT NULL,  -- when we wrote it down
    position            bigint NOT NULL,  -- of its booking in the log
    occurred_at         timestamptz GENERATED ALWAYS AS (utc_of(occurred_ns)) STORED,
    recorded_at         timestamptz NOT NULL GENERATED ALWAYS AS (utc_of(recorded_ns)) STORED,
    PRIMARY KEY (account, client_order_id, exec_id)
) WITH (fillfactor = 90);
CREATE INDEX fills_position_idx ON fills (position);
CREATE INDEX fills_strategy_idx ON fills (strategy, position);
CREATE INDEX fills_symbol_idx ON fills (symbol, position);

CREATE TABLE positions (
    account       text COLLATE "C" NOT NULL,
    symbol        text COLLATE "C" NOT NULL,
    leg           text COLLATE "C" NOT NULL,
    version       bigint NOT NULL,  -- of the leg's stream
    quantity      numeric NOT NULL, -- base units, long positive, short negative
    open_cost     numeric NOT NULL, -- quote units, signed
    average_price numeric,          -- open_cost / quantity to 40 digits; null when flat
    realized      numeric NOT NULL, -- quote units, before commissions
    commissions   jsonb NOT NULL,   -- paid so far, by currency; amounts as strings, as everywhere in JSON
    updated_ns    bigint NOT NULL,
    position      bigint NOT NULL,
    updated_at    timestamptz NOT NULL GENERATED ALWAYS AS (utc_of(updated_ns)) STORED,
    PRIMARY KEY (account, symbol, leg)
) WITH (fillfactor = 50);

CREATE TABLE balances (
    account    text COLLATE "C" NOT NULL,
    currency   text COLLATE "C" NOT NULL,
    total      numeric NOT NULL,
    held       numeric NOT NULL,    -- what open orders keep from being spent twice
    available  numeric NOT NULL,
    updated_ns bigint NOT NULL,
    position   bigint NOT NULL,
    updated_at timestamptz NOT NULL GENERATED ALWAYS AS (utc_of(updated_ns)) STORED,
    PRIMARY KEY (account, currency),
    CHECK (total = available + held)
) WITH (fillfactor = 50);

GRANT SELECT, INSERT, UPDATE, DELETE ON orders, fills, positions, balances TO oms_projector;
GRANT SELECT ON orders, fills, positions, balances TO oms_reader;
