"""BitMart's REST and streams as the simulated exchange answers them: bytes in, bytes out, no socket."""
