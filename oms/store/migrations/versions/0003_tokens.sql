-- Only the owner makes and revokes tokens: whoever trades with the writer's rights cannot give himself more.

CREATE TABLE tokens (
    token_id   text COLLATE "C" PRIMARY KEY,
    digest     bytea NOT NULL CHECK (octet_length(digest) = 32), -- SHA-256 of the secret, which is kept nowhere
    strategy   text NOT NULL CHECK (strategy <> ''),
    accounts   text[] NOT NULL,
    scopes     text[] NOT NULL CHECK (cardinality(scopes) > 0),
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at timestamptz,
    CHECK (cardinality(accounts) > 0 OR 'admin' = ANY (scopes))
);

GRANT SELECT ON tokens TO oms_writer;
