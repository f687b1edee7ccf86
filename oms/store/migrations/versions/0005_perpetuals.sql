-- What was written before is of spot markets, where these have but one value: no row needs to be made anew.

ALTER TABLE orders
    ADD COLUMN leverage    numeric,          -- as asked for; null: as it was set
    ADD COLUMN margin_mode text COLLATE "C",
    ADD COLUMN trigger     jsonb,            -- amounts as strings, as everywhere in JSON
    ADD COLUMN take_profit jsonb,
    ADD COLUMN stop_loss   jsonb,
    ADD COLUMN origin      text COLLATE "C", -- who made an order that nobody asked for here
    ADD COLUMN parent      text COLLATE "C"; -- the conditional order that it came from

ALTER TABLE positions
    ADD COLUMN contract_size numeric NOT NULL DEFAULT 1,
    ADD COLUMN leverage      numeric,
    ADD COLUMN margin_mode   text COLLATE "C",
    ADD COLUMN margin        numeric,                    -- quote units that back the leg; null on spot
    ADD COLUMN funding       numeric NOT NULL DEFAULT 0; -- quote units received, less paid

ALTER TABLE balances
    ADD COLUMN wallet text COLLATE "C" NOT NULL DEFAULT 'spot',
    DROP CONSTRAINT balances_pkey,
    ADD PRIMARY KEY (account, wallet, currency);
