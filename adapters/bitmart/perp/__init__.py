"""BitMart USDT perpetuals (futures V2)."""
