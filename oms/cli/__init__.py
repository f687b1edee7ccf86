"""The `oms` command, one module per group."""
