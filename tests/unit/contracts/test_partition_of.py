from __future__ import annotations

from aiokafka.partitioner import murmur2 as reference
from hypothesis import given
from hypothesis import strategies as st

from contracts.records import murmur2, partition_of


@given(st.binary(max_size=80))
def test_the_hash_is_the_one_that_other_clients_compute(key: bytes) -> None:
    assert murmur2(key) == reference(key)


def test_a_key_known_from_the_java_client_goes_where_it_sends_it() -> None:
    # From the tests of Kafka's own Utils.murmur2; negative there, as Java's integers are signed.
    assert murmur2(b"21") == -973932308 & 0xFFFFFFFF
    assert murmur2(b"foobar") == -790332482 & 0xFFFFFFFF
    assert murmur2(b"a-little-bit-long-string") == -985981536 & 0xFFFFFFFF
    assert 0 <= partition_of(b"foobar", 4) < 4
