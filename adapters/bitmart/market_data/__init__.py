"""Books, trades, tickers and candles of either market, over its own wire."""
