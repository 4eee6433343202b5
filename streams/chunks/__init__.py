"""Faust at chunk speed, with an acknowledgement ledger that commits only what is finished. See docs/chunks.md."""

from streams.chunks.chunk import Chunk, RawSchema
from streams.chunks.hold import Hold
from streams.chunks.install import install_chunks
from streams.chunks.settings import quick_settings
from streams.chunks.versions import UntestedVersion
from streams.chunks.watch import STUCK_EXIT_STATUS

__all__ = ["STUCK_EXIT_STATUS", "Chunk", "Hold", "RawSchema", "UntestedVersion", "install_chunks", "quick_settings"]
