"""Spoilt events on `jobs`, and whether each of them ended as a result or a dead letter."""
