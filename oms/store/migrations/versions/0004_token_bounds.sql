-- A token that names no symbol is for all of them, as before; `limits` holds only those that are set.

ALTER TABLE tokens
    ADD COLUMN symbols text[] NOT NULL DEFAULT '{}',
    ADD COLUMN limits  jsonb  NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(limits) = 'object');
