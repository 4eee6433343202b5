"""Planted bugs: each is a mistake somebody could make, and the oracle must find it. Only `loadtest.storm.launch` uses them."""

from __future__ import annotations

from loadtest.storm.bugs import admission, scheduling, settling, working
from loadtest.storm.bugs.plant import BUGS, swap, with_bug

__all__ = ["BUGS", "admission", "scheduling", "settling", "swap", "with_bug", "working"]
