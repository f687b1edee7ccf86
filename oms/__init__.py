"""The core of the order management system: values, aggregates, the engine, the log and the strategies' door."""
