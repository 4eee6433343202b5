"""The tokenizer: one token a word, the same ids with and without transformers, nothing crashes it."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest
from tokenizers import Tokenizer

from engines.builtin.scene import caption, sample_scene, sample_words, vocabulary

MODEL = Path(__file__).parents[4] / "engines" / "builtin" / "model"
TOKENS = 20
START, END = 0, 1


@pytest.fixture(scope="module")
def alone() -> Tokenizer:
    return Tokenizer.from_file(str(MODEL / "tokenizer" / "tokenizer.json"))


def words(tokens: list[str]) -> list[str]:
    """The words a caption's tokens stand for, each one token."""
    return [token.removesuffix("</w>") for token in tokens if not token.startswith("<|")]


@pytest.mark.parametrize("word", vocabulary())
def test_every_word_of_the_grammar_is_one_token(alone: Tokenizer, word: str) -> None:
    encoded = alone.encode(word)
    assert encoded.ids[0] == START
    assert encoded.ids[2:] == [END] * (TOKENS - 2)
    assert words(encoded.tokens) == [word]


def test_captions_survive_a_round_trip(alone: Tokenizer) -> None:
    rng = Random(0)
    for _ in range(200):
        said = caption(sample_scene(rng), sample_words(rng))
        assert words(alone.encode(said).tokens) == said.split()


@pytest.mark.parametrize("strange", ["", "a fluffy cat", "猫 é ü", "red " * 100, "\x00", "🙂"])
def test_strange_prompts_have_the_usual_length(alone: Tokenizer, strange: str) -> None:
    ids = alone.encode(strange).ids
    assert len(ids) == TOKENS
    assert ids[-1] == END


def test_transformers_gives_the_same_ids(alone: Tokenizer) -> None:
    transformers = pytest.importorskip("transformers", reason="only the torch engine has transformers")
    other = transformers.CLIPTokenizer.from_pretrained(MODEL / "tokenizer")
    rng = Random(1)
    prompts = [caption(sample_scene(rng), sample_words(rng)) for _ in range(50)]
    for prompt in [*prompts, "", "A Fluffy, Red circle!", "red " * 100]:
        ids = other(prompt, padding="max_length", max_length=TOKENS, truncation=True).input_ids
        assert alone.encode(prompt).ids == ids
