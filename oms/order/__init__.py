"""One order's life, pure: commands and reports in, events out."""
