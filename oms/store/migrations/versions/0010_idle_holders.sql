-- A session that took the log's lock, and with it the next positions, and then says nothing more keeps every writer
-- waiting. Three seconds of silence inside that transaction end the session: what it wrote is rolled back, and its
-- positions are the next writer's. A writer of ours says all it has to say in one statement, and is never silent there.
CREATE OR REPLACE FUNCTION lock_log() RETURNS void LANGUAGE sql AS $$
    SELECT set_config('idle_in_transaction_session_timeout', '3s', true);
    SELECT pg_advisory_xact_lock(x'6f6d732e6c6f67'::bigint);
$$;
