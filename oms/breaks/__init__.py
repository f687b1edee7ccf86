"""Disagreements with the venue that remain: opened with both figures, aged, explained, resolved; pure."""
