-- The log and nothing else. Every statement runs as oms_owner.

-- Column for column the text-id table of the eventsourcing library, so that its stock readers read it too. What differs
-- is invisible to a reader: positions are assigned under a lock (a sequence would leave holes after a rollback), no
-- column may be null, and ids compare by byte, which is faster and does not move with the system's collation.
CREATE TABLE stored_events (
    originator_id      text COLLATE "C" NOT NULL, -- the stream: order/<account>/<client order id>, position/..., account/...
    originator_version bigint NOT NULL,           -- from 1, without a gap, within the stream
    topic              text COLLATE "C" NOT NULL, -- the event's tag and version: order-filled/1
    state              bytea NOT NULL,            -- JSON: what stands beside the event, and the event, in one flat object
    notification_id    bigint NOT NULL,           -- the position: from 1, without a gap, in commit order
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    -- Rows only arrive: vacuum early and little, so that pages are frozen as they fill and never all at once.
    autovacuum_vacuum_insert_scale_factor = 0.05,
    autovacuum_analyze_scale_factor = 0.02
);
CREATE UNIQUE INDEX stored_events_notification_id_idx ON stored_events (notification_id ASC);

-- One row a commit: seal = sha256(seal before || digest || first || last), 64-bit big-endian positions.
CREATE TABLE seals (
    last      bigint PRIMARY KEY,
    first     bigint NOT NULL CHECK (first BETWEEN 1 AND last),
    account   text NOT NULL,  -- whose batch, '' for a writer that names none
    epoch     bigint NOT NULL,
    digest    bytea NOT NULL CHECK (octet_length(digest) = 32),
    checks    bytea NOT NULL, -- Adler-32 of every event in turn: tells which one of a batch was changed
    seal      bytea NOT NULL CHECK (octet_length(seal) = 32),
    sealed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (octet_length(checks) = 4 * (last - first + 1))
);

-- What went over the wire, redacted, in the transaction of the events it caused.
CREATE TABLE venue_messages (
    message_id text COLLATE "C" PRIMARY KEY,
    account    text NOT NULL,
    at_ns      bigint NOT NULL, -- UTC nanoseconds
    direction  text NOT NULL CHECK (direction IN ('in', 'out')),
    channel    text NOT NULL,
    body       bytea NOT NULL,
    position   bigint           -- of the first event of its batch; null if it caused none
);
CREATE INDEX venue_messages_position_idx ON venue_messages (position);

-- The fence: an account belongs to the writer with its highest epoch.
CREATE TABLE epochs (
    account  text NOT NULL,
    epoch    bigint NOT NULL CHECK (epoch >= 1),
    taken_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, epoch)
);

-- How far each projection has read; moves in the transaction of its rows.
CREATE TABLE projection_checkpoints (
    name       text PRIMARY KEY,
    position   bigint NOT NULL CHECK (position >= 0),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE VIEW events AS
SELECT notification_id AS position, originator_id AS stream, originator_version AS version, topic,
       convert_from(state, 'UTF8')::jsonb AS body
FROM stored_events;

-- ------------------------------------------------------------------------------------------ append-only, for everybody

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'OMS02',
        MESSAGE = format('%s is append-only: %s is refused', TG_TABLE_NAME, TG_OP),
        HINT = 'A repair is a command that leaves an event, never a change of what was recorded.';
END $$;

-- ALWAYS: also for a superuser, and in sessions that replicate.
DO $$
DECLARE
    recorded text;
BEGIN
    FOREACH recorded IN ARRAY ARRAY['stored_events', 'seals', 'venue_messages', 'epochs'] LOOP
        EXECUTE format('CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', recorded);
        EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER append_only', recorded);
    END LOOP;
END $$;

-- ------------------------------------------------------------------------------------------------------ writing

-- Orders the writers: held to the end of the transaction, so commits become visible in the order of their positions.
-- Unlike LOCK TABLE it needs no right on the table and does not wait for ANALYZE or VACUUM. The key spells "oms.log".
CREATE FUNCTION lock_log() RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock(x'6f6d732e6c6f67'::bigint) $$;

-- Appends one batch and seals it; returns the position before its first event. The arrays run side by side.
-- Fails with OMS01 (DETAIL: the current epoch) if the account belongs to another writer; an account of '' is not fenced.
CREATE FUNCTION append_events(
    writer_account text, writer_epoch bigint,
    streams text[], versions bigint[], topics text[], states bytea[], batch_digest bytea, batch_checks bytea,
    message_ids text[], message_times bigint[], directions text[], channels text[], bodies bytea[]
) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    current_epoch bigint;
    before        bigint;
    previous      bytea;
    added         bigint := cardinality(streams);
BEGIN
    PERFORM public.lock_log();
    IF writer_account <> '' THEN
        SELECT coalesce(max(epoch), 0) INTO current_epoch FROM public.epochs WHERE account = writer_account;
        IF current_epoch <> writer_epoch THEN
            RAISE EXCEPTION USING ERRCODE = 'OMS01', DETAIL = current_epoch,
                MESSAGE = format('account %s is at epoch %s, the batch comes from epoch %s',
                                 writer_account, current_epoch, writer_epoch);
        END IF;
    END IF;
    SELECT last, seal INTO before, previous FROM public.seals ORDER BY last DESC LIMIT 1;
    IF NOT FOUND THEN
        before := 0;
        previous := decode(repeat('00', 32), 'hex');
    END IF;
    IF added > 0 THEN
        INSERT INTO public.stored_events (originator_id, originator_version, topic, state, notification_id)
        SELECT stream, version, topic, state, before + place
        FROM unnest(streams, versions, topics, states) WITH ORDINALITY AS event (stream, version, topic, state, place);
        INSERT INTO public.seals (last, first, account, epoch, digest, checks, seal)
        VALUES (before + added, before + 1, writer_account, writer_epoch, batch_digest, batch_checks,
                sha256(previous || batch_digest || int8send(before + 1) || int8send(before + added)));
        PERFORM pg_notify('stored_events', (before + added)::text);
    END IF;
    IF cardinality(message_ids) > 0 THEN
        INSERT INTO public.venue_messages (message_id, account, at_ns, direction, channel, body, position)
        SELECT message.*, CASE WHEN added > 0 THEN before + 1 END
        FROM (SELECT id, writer_account, at, direction, channel, body
              FROM unnest(message_ids, message_times, directions, channels, bodies)
                   AS wire (id, at, direction, channel, body)) AS message;
    END IF;
    RETURN before;
END $$;

-- Fences every earlier writer of the account and returns the new epoch.
CREATE FUNCTION take_over(taken_account text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    taken bigint;
BEGIN
    PERFORM public.lock_log();
    INSERT INTO public.epochs (account, epoch)
    SELECT taken_account, coalesce(max(epoch), 0) + 1 FROM public.epochs WHERE account = taken_account
    RETURNING epoch INTO taken;
    RETURN taken;
END $$;

-- ------------------------------------------------------------------------------------------------------- who may what

REVOKE ALL ON FUNCTION lock_log(), take_over(text), append_events(
    text, bigint, text[], bigint[], text[], bytea[], bytea, bytea, text[], bigint[], text[], text[], bytea[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION lock_log(), take_over(text), append_events(
    text, bigint, text[], bigint[], text[], bytea[], bytea, bytea, text[], bigint[], text[], text[], bytea[]) TO oms_writer;
GRANT SELECT, INSERT ON stored_events, seals, venue_messages, epochs TO oms_writer;
GRANT SELECT ON stored_events, seals, venue_messages, epochs, events TO oms_projector, oms_reader;
GRANT SELECT, INSERT, UPDATE, DELETE ON projection_checkpoints TO oms_projector;
GRANT SELECT ON projection_checkpoints TO oms_reader;
GRANT SELECT ON events TO oms_writer;
GRANT SELECT ON alembic_version TO PUBLIC; -- every program checks that it knows the schema
