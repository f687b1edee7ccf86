"""The matching engine: orders and money in, events out; no clock, no randomness, no input or output."""
