-- Whoever takes a position by hand takes the log's lock for it, as a writer of ours does: else a row that somebody inserts
-- at a prompt keeps every writer waiting for as long as that transaction is open. `lock_log()` ends who falls silent.
CREATE FUNCTION wait_for_turn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM public.lock_log();
    RETURN NULL;
END $$;

DO $$
DECLARE
    numbered text;
BEGIN
    FOREACH numbered IN ARRAY ARRAY['stored_events', 'seals', 'epochs'] LOOP
        EXECUTE format('CREATE TRIGGER in_turn BEFORE INSERT ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION wait_for_turn()', numbered);
    END LOOP;
END $$;
