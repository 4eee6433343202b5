"""Bytes on the batches topic, good and bad."""

from __future__ import annotations

import json
import time

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.codec import encode
from gpu_consumers.flight import Flight, Source, open_batch
from tests.support.batches import batch, queued

SOURCE = Source(topic="batches.default", partition=3, offset=41)


def opened(value: bytes | None) -> Flight:
    return open_batch(1, SOURCE, value, time.time())


def test_a_good_batch_is_all_pending_jobs() -> None:
    flight = opened(encode(batch("b", [queued("a"), queued("b")])))
    assert [entry.job.id for entry in flight.entries] == ["a", "b"]
    assert flight.pending == {0, 1}
    assert not flight.unreadable


@settings(deadline=None)
@given(st.one_of(st.none(), st.binary(), st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["id", "jobs", "tenant", "model", "x"]), inner),
).map(lambda value: json.dumps(value).encode())))  # fmt: skip
def test_no_bytes_whatever_raise_and_every_bad_record_is_answered(value: bytes | None) -> None:
    flight = opened(value)
    assert not flight.entries
    assert flight.unreadable
    sources = [one.source for one in flight.unreadable]
    assert len(set(sources)) == len(sources)
    for one in flight.unreadable:
        assert one.dead is not None
        assert one.silent == (not (one.id and one.tenant))
        assert one.state == ("rejected" if one.silent else "failed")
        msgspec.json.decode(encode(one))


def test_one_bad_job_does_not_keep_its_neighbours_from_running() -> None:
    good = msgspec.json.decode(encode(batch("b", [queued("a"), queued("bad"), queued("c")])))
    del good["jobs"][1]["job"]["inputs"]["prompt"]
    flight = opened(json.dumps(good).encode())
    assert [entry.queued.id for entry in flight.entries] == ["a", "c"]
    (verdict,) = flight.unreadable
    assert (verdict.id, verdict.tenant, verdict.state) == ("bad", "t", "failed")
    assert verdict.error is not None
    assert "inputs.prompt" in verdict.error.message


def test_an_unreadable_batch_whose_jobs_can_be_named_tells_each_of_them() -> None:
    loose = msgspec.json.decode(encode(batch("b", [queued("a"), queued("b")])))
    loose["formed_at"] = "yesterday"
    flight = opened(json.dumps(loose).encode())
    assert [one.id for one in flight.unreadable] == ["a", "b"]
    assert all(one.state == "failed" and one.attempt is None for one in flight.unreadable)


@pytest.mark.parametrize("value", [b"secret prompt \xff", b'{"jobs":[{"id":"x","tenant":"t","prompt":"secret prompt"}]}'])
def test_what_a_bad_record_held_is_in_its_dead_letter_and_in_no_message(value: bytes) -> None:
    (verdict,) = opened(value).unreadable
    assert verdict.error is not None
    assert "secret" not in verdict.error.message
    assert verdict.dead is not None
    assert "secret" not in repr(verdict.dead.cause)
