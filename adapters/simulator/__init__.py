"""An exchange that speaks BitMart's wire on loopback: the demo, the paper and the test venue."""
