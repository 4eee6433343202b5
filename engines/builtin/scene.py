"""The grammar of scenes: what can be said, how it is said, and which combinations are never trained on."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from random import Random

COLOURS = ("red", "orange", "yellow", "green", "blue", "purple", "black", "white")
SHAPES = ("circle", "square", "triangle", "star", "ring")
SIZES = ("small", "large")
RELATIONS = ("above", "below", "left of", "right of")

SIZE_WORDS = {"small": ("small", "tiny"), "large": ("large", "big")}
RELATION_WORDS = {
    "above": ("above", "over"),
    "below": ("below", "under"),
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
}

CANVASES = ((128, 128), (160, 96), (96, 160), (160, 128), (128, 160), (128, 96), (96, 128))
"""Trained canvases, (width, height) in pixels; the first is the default."""

HELD_OUT_ONE_IN = 10
"""One combination in ten is never trained on."""

ONE_OBJECT_SHARE = 0.3
SQUARE_CANVAS_SHARE = 0.5
SAID_SIZE_SHARE = 0.6
SAID_BACKGROUND_SHARE = 0.95
SYNONYM_SHARE = 0.2


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One object of a scene: names from COLOURS, SHAPES and SIZES."""

    colour: str
    shape: str
    size: str


@dataclass(frozen=True, kw_only=True)
class Scene:
    """What a picture shows. `relation` tells where `first` is, seen from `second`; both are None for one object."""

    first: Thing
    background: str
    relation: str | None = None
    second: Thing | None = None

    @property
    def key(self) -> str:
        """The combination that the held-out split hashes: everything but the sizes."""
        parts = [self.first.colour, self.first.shape]
        if self.second is not None:
            parts += [str(self.relation), self.second.colour, self.second.shape]
        return "|".join([*parts, self.background])


@dataclass(frozen=True, kw_only=True)
class Words:
    """Which parts of a scene a caption says, and whether it uses second choices of words."""

    first_size: bool = True
    second_size: bool = True
    background: bool = True
    synonym: int = 0


def is_held_out(scene: Scene) -> bool:
    """Whether the scene's combination is kept for evaluation: a hash, so the same on every machine."""
    digest = hashlib.sha256(scene.key.encode()).digest()
    return int.from_bytes(digest[:4], "big") % HELD_OUT_ONE_IN == 0


def sample_scene(rng: Random, *, objects: int | None = None, held_out: bool | None = None) -> Scene:
    """A random scene. `objects`: 1, 2 or None for the training mix; `held_out`: which side of the split, None for any."""
    while True:
        count = objects or (1 if rng.random() < ONE_OBJECT_SHARE else 2)
        scene = _one(rng) if count == 1 else _two(rng)
        if held_out is None or is_held_out(scene) == held_out:
            return scene


def sample_words(rng: Random) -> Words:
    """How a training caption is put."""
    return Words(
        first_size=rng.random() < SAID_SIZE_SHARE,
        second_size=rng.random() < SAID_SIZE_SHARE,
        background=rng.random() < SAID_BACKGROUND_SHARE,
        synonym=int(rng.random() < SYNONYM_SHARE),
    )


def sample_canvas(rng: Random) -> tuple[int, int]:
    """A trained canvas, (width, height) in pixels."""
    return CANVASES[0] if rng.random() < SQUARE_CANVAS_SHARE else rng.choice(CANVASES[1:])


def caption(scene: Scene, words: Words = Words()) -> str:
    """The scene in words, such as "a red circle above a blue square on a yellow background"."""
    parts = [_name(scene.first, words.synonym, say_size=words.first_size)]
    if scene.second is not None and scene.relation is not None:
        parts.append(RELATION_WORDS[scene.relation][words.synonym])
        parts.append(_name(scene.second, words.synonym, say_size=words.second_size))
    if words.background:
        parts.append(f"on {_with_article(scene.background)} background")
    return " ".join(parts)


def vocabulary() -> list[str]:
    """Every word a caption can hold, sorted."""
    said = [*COLOURS, *SHAPES, "a", "an", "on", "background"]
    for choices in (*SIZE_WORDS.values(), *RELATION_WORDS.values()):
        said += [word for choice in choices for word in choice.split()]
    return sorted(set(said))


def _one(rng: Random) -> Scene:
    first = _thing(rng)
    return Scene(first=first, background=_other(rng, {first.colour}))


def _two(rng: Random) -> Scene:
    first, second = _thing(rng), _thing(rng)
    while (first.colour, first.shape) == (second.colour, second.shape):
        second = _thing(rng)
    background = _other(rng, {first.colour, second.colour})
    return Scene(first=first, relation=rng.choice(RELATIONS), second=second, background=background)


def _thing(rng: Random) -> Thing:
    return Thing(colour=rng.choice(COLOURS), shape=rng.choice(SHAPES), size=rng.choice(SIZES))


def _other(rng: Random, taken: set[str]) -> str:
    return rng.choice([colour for colour in COLOURS if colour not in taken])


def _name(thing: Thing, synonym: int, *, say_size: bool) -> str:
    size = f"{SIZE_WORDS[thing.size][synonym]} " if say_size else ""
    return _with_article(f"{size}{thing.colour} {thing.shape}")


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
