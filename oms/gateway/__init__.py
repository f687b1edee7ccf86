"""The strategies' door: HTTP and WebSocket."""
