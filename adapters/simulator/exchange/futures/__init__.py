"""The perpetual exchange: contracts on margin, matched like spot; no clock, no randomness, no input or output."""
