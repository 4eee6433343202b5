"""Partitions worked through in Kafka transactions: what a chunk led to and its offsets, together or not at all."""
