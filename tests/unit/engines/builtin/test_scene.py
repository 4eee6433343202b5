"""The grammar and its held-out split."""

from __future__ import annotations

from random import Random

from engines.builtin.draw import draw
from engines.builtin.scene import (
    HELD_OUT_ONE_IN,
    Scene,
    Thing,
    Words,
    caption,
    is_held_out,
    sample_scene,
    sample_words,
    vocabulary,
)  # fmt: skip


def test_training_and_held_out_combinations_are_disjoint() -> None:
    rng = Random(0)
    trained = {sample_scene(rng, held_out=False).key for _ in range(3000)}
    kept = {sample_scene(rng, held_out=True).key for _ in range(3000)}
    assert not trained & kept


def test_about_one_combination_in_ten_is_held_out() -> None:
    rng = Random(1)
    share = sum(is_held_out(sample_scene(rng)) for _ in range(4000)) / 4000
    assert abs(share - 1 / HELD_OUT_ONE_IN) < 0.03


def test_sizes_do_not_move_a_combination_to_the_other_side() -> None:
    small, large = (Scene(first=Thing(colour="red", shape="star", size=size), background="blue")
                    for size in ("small", "large"))  # fmt: skip
    assert is_held_out(small) == is_held_out(large)


def test_a_caption_reads_as_people_write() -> None:
    scene = Scene(
        first=Thing(colour="orange", shape="circle", size="large"), relation="left of",
        second=Thing(colour="blue", shape="square", size="small"), background="yellow",
    )  # fmt: skip
    plain = Words(first_size=False, second_size=False)
    assert caption(scene, plain) == "an orange circle left of a blue square on a yellow background"
    other = "a big orange circle to the left of a tiny blue square on a yellow background"
    assert caption(scene, Words(synonym=1)) == other


def test_captions_hold_only_words_of_the_vocabulary() -> None:
    rng, known = Random(2), set(vocabulary())
    said = {word for _ in range(500) for word in caption(sample_scene(rng), sample_words(rng)).split()}
    assert said <= known


def test_the_same_seed_draws_the_same_picture_and_another_seed_another() -> None:
    scene = sample_scene(Random(3))
    first, again, other = (draw(scene, 128, 128, Random(seed)) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()
