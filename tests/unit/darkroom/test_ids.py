import uuid

from darkroom.ids import Uuid7, made_at, new_id


def test_an_id_is_a_uuid_of_version_7_and_variant_1() -> None:
    parsed = uuid.UUID(new_id())
    assert parsed.version == 7
    assert parsed.variant == uuid.RFC_4122


def test_an_id_tells_when_it_was_made_to_the_millisecond() -> None:
    make = Uuid7(clock_ms=lambda: 1_700_000_000_123)
    assert made_at(make()) == 1_700_000_000.123


def test_ids_of_one_millisecond_grow_even_when_their_counter_is_full() -> None:
    make = Uuid7(clock_ms=lambda: 1_700_000_000_000)
    ids = [make() for _ in range(10_000)]
    assert ids == sorted(set(ids))


def test_ids_grow_when_the_clock_steps_back() -> None:
    times = iter((5_000, 4_000, 4_001))
    make = Uuid7(clock_ms=lambda: next(times))
    first, second, third = make(), make(), make()
    assert first < second < third


def test_of_a_foreign_id_nobody_can_say_when_it_was_made() -> None:
    assert made_at("order-17") is None
    assert made_at(str(uuid.UUID(int=0, version=4))) is None
