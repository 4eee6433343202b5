"""One Faust agent a file: what a stage reads and writes. What it decides is in `streams.policy`."""
