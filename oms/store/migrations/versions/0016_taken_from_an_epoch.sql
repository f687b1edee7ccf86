-- Fences every earlier writer of the account, if its epoch still is `after_epoch` (0: nobody ever wrote), and returns the
-- new one; asked again by the same taker, it returns what he took. There is no other way to take an account over.
-- Fails with OMS01 (DETAIL: the current epoch) if somebody else has taken it since.
DROP FUNCTION take_over(text);
DROP FUNCTION take_over_after(text, bigint, text);

CREATE FUNCTION take_over(taken_account text, after_epoch bigint, by_taker text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    current_epoch bigint;
    current_taker text;
BEGIN
    PERFORM public.lock_log();
    SELECT epoch, taker INTO current_epoch, current_taker FROM public.epochs
    WHERE account = taken_account ORDER BY epoch DESC LIMIT 1;
    current_epoch := coalesce(current_epoch, 0);
    IF current_epoch = after_epoch THEN
        INSERT INTO public.epochs (account, epoch, taker) VALUES (taken_account, after_epoch + 1, by_taker);
        RETURN after_epoch + 1;
    END IF;
    IF current_epoch = after_epoch + 1 AND current_taker = by_taker THEN
        RETURN current_epoch;
    END IF;
    RAISE EXCEPTION USING ERRCODE = 'OMS01', DETAIL = current_epoch,
        MESSAGE = format('account %s is at epoch %s, not at %s', taken_account, current_epoch, after_epoch);
END $$;
REVOKE ALL ON FUNCTION take_over(text, bigint, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION take_over(text, bigint, text) TO oms_writer;
