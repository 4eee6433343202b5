"""The scheduler's decisions by themselves: how many a second."""
