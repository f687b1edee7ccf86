"""Read models: tables folded from the log that can be thrown away and rebuilt."""
