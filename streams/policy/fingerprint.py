"""A digest that is equal for equal jobs, so that the same job sent twice runs once."""

from __future__ import annotations

from hashlib import blake2b

import msgspec

from contracts.events import Job

# Deterministic order sorts the metadata; the struct itself leaves defaults out, so that an explicit default changes nothing.
_canonical = msgspec.json.Encoder(order="deterministic").encode


def fingerprint(job: Job) -> bytes:
    """16 bytes over the whole decoded event, whatever the order of fields and the white space it came in.

    The model's name is taken as it was sent: a catalogue that changes later makes no other job of it.
    """
    return blake2b(_canonical(job), digest_size=16, person=b"darkroom.job.v1").digest()


def seed_of(fingerprint: bytes) -> int:
    """The seed of a job that names none: the same whenever the same record is read again, and not to be foreseen."""
    return int.from_bytes(fingerprint[:6], "big")  # 48 bits leave room for seed + count below 2^53
