-- What every event moved, double entry: one row a transaction, whose entries sum to zero in every asset.
CREATE TABLE ledger (
    account         text COLLATE "C" NOT NULL,
    position        bigint NOT NULL PRIMARY KEY, -- of the event in the log
    kind            text COLLATE "C" NOT NULL,   -- fill, bust, commission, funding, clearance, opening, external, ...
    symbol          text COLLATE "C",            -- of the market, where it is about one
    reference       text,                        -- a trade's or a payment's id at the venue, a person's reason
    client_order_id text COLLATE "C",
    entries         jsonb NOT NULL,              -- {account of the ledger: {asset: amount}}, amounts as strings
    occurred_ns     bigint,                      -- the venue's time
    recorded_ns     bigint NOT NULL,
    recorded_at     timestamptz NOT NULL GENERATED ALWAYS AS (utc_of(recorded_ns)) STORED
);
CREATE INDEX ledger_account_idx ON ledger (account, position);
CREATE INDEX ledger_symbol_idx ON ledger (symbol, position);

-- What the entries add up to. The wallets' rows are what the account owns; an asset's rows sum to zero.
CREATE TABLE ledger_balances (
    account  text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL, -- of the ledger's account: wallet:spot, trading, fees, ...
    asset    text COLLATE "C" NOT NULL, -- a coin, or a perpetual's leg, in contracts
    amount   numeric NOT NULL,
    position bigint NOT NULL,           -- of the latest event that moved it
    PRIMARY KEY (account, name, asset)
) WITH (fillfactor = 70);

-- Entry by entry, for whoever asks with psql. A function and no view: a rebuild replaces the table.
CREATE FUNCTION ledger_entries()
    RETURNS TABLE (account text, "position" bigint, kind text, symbol text, name text, asset text, amount numeric)
    LANGUAGE sql STABLE SET search_path = pg_catalog AS
$$
    SELECT l.account, l.position, l.kind, l.symbol, n.key, e.key, e.value::numeric
    FROM public.ledger l, jsonb_each(l.entries) AS n, jsonb_each_text(n.value) AS e
$$;

GRANT SELECT, INSERT, UPDATE, DELETE ON ledger, ledger_balances TO oms_projector;
GRANT SELECT ON ledger, ledger_balances TO oms_reader;

-- The ledger begins with the first event, and all read models stand at one position: whoever projects next folds all of
-- them anew. Nothing is lost: everything in them comes from the log.
TRUNCATE orders, fills, positions, balances, breaks, projection_checkpoints;
