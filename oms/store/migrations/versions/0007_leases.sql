-- Who leads an account. The epoch fences; the lease only says whose turn it is, so its rows may change.
-- A row is renewed a few times a second. A standby counts renewals by its own clock: no two clocks are compared, and a
-- database that was away for a while finds the same leader again.
CREATE TABLE leases (
    account    text COLLATE "C" PRIMARY KEY,
    holder     text NOT NULL,  -- one process's own name
    renewals   bigint NOT NULL,
    renewed_at timestamptz NOT NULL DEFAULT clock_timestamp() -- for people
);
GRANT SELECT, INSERT, UPDATE, DELETE ON leases TO oms_writer;
GRANT SELECT ON leases TO oms_reader;

-- Who took an epoch, so that whoever lost the answer knows his own again.
ALTER TABLE epochs ADD COLUMN taker text;

-- Takes the account over only from `after_epoch`; asked again by the same taker, it returns what he took.
-- Fails with OMS01 (DETAIL: the current epoch) if somebody else has taken it since.
CREATE FUNCTION take_over_after(taken_account text, after_epoch bigint, by_taker text)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    current_epoch bigint;
    current_taker text;
BEGIN
    PERFORM public.lock_log();
    SELECT epoch, taker INTO current_epoch, current_taker FROM public.epochs
    WHERE account = taken_account ORDER BY epoch DESC LIMIT 1;
    IF current_epoch = after_epoch THEN
        INSERT INTO public.epochs (account, epoch, taker) VALUES (taken_account, after_epoch + 1, by_taker);
        RETURN after_epoch + 1;
    END IF;
    IF current_epoch = after_epoch + 1 AND current_taker = by_taker THEN
        RETURN current_epoch;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'OMS01', DETAIL = coalesce(current_epoch, 0),
        MESSAGE = format('account %s is at epoch %s, not at %s', taken_account, current_epoch, after_epoch);
END $$;
REVOKE ALL ON FUNCTION take_over_after(text, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_over_after(text, bigint, text) TO oms_writer;
