"""Darkroom against task queues and a bare Kafka pass-through, side by side in one run."""
