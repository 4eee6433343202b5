from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.codec import encode
from contracts.work import QueuedJob
from streams.policy.cost_model import CostModel
from streams.policy.decode import read_job
from streams.policy.fingerprint import fingerprint, seed_of
from streams.policy.place import Placed, place, queued
from streams.policy.validate import MAX_SEED, Models
from tests.support.bad_jobs import USED, good

MODELS, COSTS = Models(USED), CostModel(USED)


def body(**changes: Any) -> bytes:
    return json.dumps(good("a", **changes)).encode()


def placed(**changes: Any) -> Placed:
    return place(read_job(body(**changes)), MODELS, COSTS)


def inputs(**changes: Any) -> dict[str, Any]:
    return {"prompt": "x"} | changes


class TestDefaults:
    def test_what_is_left_out_takes_the_models_default(self) -> None:
        resolved = placed(model="scenes").resolved
        assert (resolved.width, resolved.height, resolved.steps, resolved.guidance) == (128, 128, 12, 3.0)
        assert (resolved.count, resolved.frames, resolved.fps) == (1, 1, 8)

    def test_a_job_that_names_no_model_takes_the_tasks_default(self) -> None:
        assert placed(model=None).model.ref == "noop@1"

    def test_a_model_may_be_named_with_its_version(self) -> None:
        assert placed(model="scenes@1").model.ref == "scenes@1"

    def test_a_video_has_two_seconds_of_frames(self) -> None:
        assert placed(task="text-to-video").resolved.frames == 16

    def test_a_picture_may_say_that_it_has_one_frame(self) -> None:
        assert placed(inputs=inputs(frames=1)).resolved.frames == 1

    @pytest.mark.parametrize("image", ["acme/in/1.png", "https://host/a.png"])
    def test_a_picture_to_start_from_is_a_key_or_a_url(self, image: str) -> None:
        assert placed(task="image-to-image", inputs=inputs(image=image)).resolved.count == 1

    @pytest.mark.parametrize(("field", "value"), [("steps", 1000), ("steps", 1), ("guidance", 0), ("guidance", 20), ("count", 8)])
    def test_the_limits_themselves_are_allowed(self, field: str, value: int) -> None:
        assert getattr(placed(inputs=inputs(**{field: value})).resolved, field) == value


class TestFingerprint:
    def test_order_and_white_space_do_not_matter(self) -> None:
        job = good("a", metadata={"a": "1", "b": "2"})
        turned = dict(reversed(job.items())) | {"metadata": {"b": "2", "a": "1"}}
        assert _digest(json.dumps(job, indent=4)) == _digest(json.dumps(turned))

    def test_an_explicit_default_changes_nothing(self) -> None:
        explicit = {"priority": "ordinary", "degrade": "never", "ttl_s": None, "callback": None, "metadata": None}
        more = {"negative_prompt": "", "count": 1, "format": "png", "width": None, "seed": None}
        bare = good("a", inputs=inputs())
        assert _digest(json.dumps(bare)) == _digest(json.dumps(bare | explicit | {"inputs": inputs(**more)}))

    @pytest.mark.parametrize(
        "change",
        [
            {"id": "b"},
            {"tenant": "other"},
            {"priority": "paid"},
            {"model": "noop@1"},
            {"ttl_s": 5},
            {"callback": "https://host/"},
            {"metadata": {"a": "1"}},
            {"inputs": {"prompt": "a red circle."}},
            {"inputs": {"prompt": "a red circle", "seed": 0}},
        ],
    )
    def test_whatever_else_differs_makes_another_job(self, change: dict[str, Any]) -> None:
        assert _digest(json.dumps(good("a"))) != _digest(json.dumps(good("a") | change))

    def test_it_stays_what_it_was_when_jobs_were_first_stored(self) -> None:
        # A change here makes every job sent before and after an upgrade a conflict instead of the same job.
        assert _digest(json.dumps(good("a"))).hex() == "ae7d7cc3db24d3c846193a883ef3c5de"

    @given(st.binary(min_size=16, max_size=16))
    def test_a_drawn_seed_leaves_room_for_the_largest_count(self, digest: bytes) -> None:
        assert 0 <= seed_of(digest) <= MAX_SEED - 10**6


def _digest(text: str) -> bytes:
    return fingerprint(read_job(text.encode()))


class TestPrice:
    def test_it_grows_with_steps_pictures_pixels_and_guidance(self) -> None:
        base = placed(inputs=inputs(steps=4)).price_s - 0.003
        for change in ({"steps": 8}, {"steps": 4, "count": 2}, {"steps": 4, "width": 128}, {"steps": 4, "guidance": 2.0}):
            assert placed(inputs=inputs(**change)).price_s - 0.003 == pytest.approx(2 * base)


class TestPlace:
    def test_steps_guidance_seed_and_prompt_share_a_batch(self) -> None:
        one = placed(inputs=inputs())
        other = placed(inputs={"prompt": "y", "steps": 9, "guidance": 7, "seed": 1, "count": 2, "negative_prompt": "z"})
        assert one.batch_key == other.batch_key

    @pytest.mark.parametrize("change", [{"inputs": inputs(width=72)}, {"task": "text-to-video"}, {"model": "narrow"}])
    def test_sizes_tasks_and_models_do_not(self, change: dict[str, Any]) -> None:
        assert placed(inputs=inputs()).batch_key != placed(**change).batch_key

    def test_a_width_is_not_taken_for_a_height(self) -> None:
        assert placed(inputs=inputs(width=72)).batch_key != placed(inputs=inputs(height=72)).batch_key

    def test_a_queued_job_holds_the_event_byte_for_byte(self) -> None:
        event = b'{ "id":"a",\n "tenant":"acme", "task":"text-to-image", "inputs":{"prompt":"\xc3\xa9 \\u00e9"} }'
        told = encode(queued(place(read_job(event), MODELS, COSTS), event, source="0@1", submitted_at=1.0, admitted_at=2.0))
        assert bytes(msgspec.json.decode(told, type=QueuedJob).job) == event

    def test_the_same_record_read_again_makes_the_same_queued_job(self) -> None:
        event = body()
        one, other = (
            encode(queued(place(read_job(event), MODELS, COSTS), event, source="0@1", submitted_at=1.0, admitted_at=2.0))
            for _ in "12"
        )
        assert one == other

    def test_the_deadline_counts_from_submission(self) -> None:
        event = body(ttl_s=60)
        job = queued(place(read_job(event), MODELS, COSTS), event, source="0@1", submitted_at=1.0, admitted_at=50.0)
        assert job.deadline == 61.0
