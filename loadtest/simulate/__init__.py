"""A discrete-event simulator that drives the scheduler's own code, baselines beside it, and a bound above them."""
