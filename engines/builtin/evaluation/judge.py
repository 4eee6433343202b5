"""Compares what a picture shows with what its caption said."""

from __future__ import annotations

from engines.builtin.evaluation.measure import Seen, SeenThing
from engines.builtin.scene import Scene, Thing, Words

AXES = {"above": ("y", -1), "below": ("y", 1), "left of": ("x", -1), "right of": ("x", 1)}
STRAIGHT = 1.5
"""How many times farther apart along the relation's axis than across it."""


def judge(scene: Scene, words: Words, seen: Seen) -> dict[str, bool]:
    """For each aspect whether it is right; "all" is whether every one of them is."""
    said = [scene.first] + ([scene.second] if scene.second else [])
    right = {"count": len(seen.things) == len(said), "background": scene.background == seen.background}
    pairs = list(zip(said, _in_said_order(scene, seen), strict=False)) if right["count"] else []
    right["colours"] = bool(pairs) and sorted(t.colour for t in said) == sorted(s.colour for _, s in pairs)
    right["shapes"] = bool(pairs) and sorted(t.shape for t in said) == sorted(s.shape for _, s in pairs)
    right["binding"] = bool(pairs) and sorted(map(_look, said)) == sorted(_look(one) for _, one in pairs)
    right["sizes"] = bool(pairs) and all(_size_right(pair, said=say) for pair, say in zip(pairs, _says(words), strict=False))
    right["crisp"] = bool(pairs) and all(one.crisp for _, one in pairs)
    if scene.second is not None:
        right["relation"] = _relation_right(scene, pairs)
    return right | {"all": all(right.values())}


def _look(one: Thing | SeenThing) -> tuple[str, str]:
    return one.colour, one.shape


def _says(words: Words) -> tuple[bool, bool]:
    return words.first_size, words.second_size


def _size_right(pair: tuple[Thing, SeenThing], *, said: bool) -> bool:
    return not said or pair[0].size == pair[1].size


def _in_said_order(scene: Scene, seen: Seen) -> list[SeenThing]:
    """The things seen, the one that stands where the first one should first."""
    if scene.relation is None:
        return list(seen.things)
    axis, sign = AXES[scene.relation]
    return sorted(seen.things, key=lambda one: sign * -float(getattr(one, axis)))


def _relation_right(scene: Scene, pairs: list[tuple[Thing, SeenThing]]) -> bool:
    """Apart along the axis, and each place holds the colour (of equal colours: the shape) that was said for it."""
    if len(pairs) != 2:
        return False
    axis, _ = AXES[str(scene.relation)]
    (first, here), (second, there) = pairs
    along, across = abs(here.x - there.x), abs(here.y - there.y)
    if axis == "y":
        along, across = across, along
    told_by = "colour" if first.colour != second.colour else "shape"
    matched = all(getattr(said, told_by) == getattr(one, told_by) for said, one in pairs)
    return matched and along > STRAIGHT * across
