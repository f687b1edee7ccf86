-- Orders may end at a time, and events may say it; a change may be of what an order waits for. No order had either before.
ALTER TABLE orders ADD COLUMN expires_ns bigint;
