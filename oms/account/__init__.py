"""One account: its funds, its halts and the epochs of its writers, pure."""
