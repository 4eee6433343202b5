"""Decisions apart from storage and I/O: no Faust, no clock, nothing that waits. The simulator runs the same code."""
