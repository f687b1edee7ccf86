"""BitMart, as its wire was recorded before trading ended in August 2026."""
