"""Load, benchmarks and the simulator: what shows how fast and how sound Darkroom is."""
