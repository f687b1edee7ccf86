"""BitMart spot: messages, codec, connection, translation, venue."""
