"""Admission, batching and settlement of jobs."""
