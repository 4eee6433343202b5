"""What an agent gets."""

from types import SimpleNamespace

import pytest

from streams.chunks import Chunk, RawSchema
from tests.unit.streams.chunks.records import records


def test_chunk_is_its_records_in_order() -> None:
    chunk = Chunk("jobs", 3, records(5, 7))
    assert len(chunk) == 2
    assert [r.offset for r in chunk] == [5, 7]
    assert (chunk.topic, chunk.partition) == ("jobs", 3)


def test_chunk_shows_where_it_is_from_and_nothing_of_its_records() -> None:
    chunk = Chunk("jobs", 3, [r._replace(value=b"a secret prompt") for r in records(5, 7)])
    assert repr(chunk) == "<Chunk jobs[3] 5..7, 2 records>"


def test_empty_chunk_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Chunk("jobs", 0, [])


@pytest.mark.parametrize("value", [None, b"", b"\xff\x00not utf-8", object()])
def test_raw_schema_hands_on_what_came(value: object) -> None:
    message = SimpleNamespace(key=value, value=value)
    assert RawSchema().loads_key(None, message) is value
    assert RawSchema().loads_value(None, message, loads=None) is value
