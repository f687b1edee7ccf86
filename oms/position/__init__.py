"""One position leg, pure: fills in, quantity, cost and exact profit out."""
