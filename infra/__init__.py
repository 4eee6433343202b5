"""Adapters to the outside, and what runs them. Only composition roots import from here."""
