"""Makes the tokenizer: byte-level BPE in CLIP's form, in which every word of the grammar is one token."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from transformers import CLIPTokenizer

from engines.builtin.models import TOKENS
from engines.builtin.scene import vocabulary

START, END = "<|startoftext|>", "<|endoftext|>"
ENOUGH_MERGES = 1000
"""Vocabulary size at which the trainer has merged every word of the grammar whole; it stops there by itself."""


def build_tokenizer(folder: Path) -> None:
    """Writes a CLIPTokenizer folder. Its tokenizer.json alone gives the same ids, padding and truncation."""
    merges, pieces = _learn(vocabulary())
    names = [START, END, *sorted(piece for piece in pieces if piece not in (START, END))]
    made: Any = CLIPTokenizer(
        vocab={name: index for index, name in enumerate(names)},
        merges=merges,
        model_max_length=TOKENS,
    )
    made.save_pretrained(folder)
    alone = Tokenizer.from_file(str(folder / "tokenizer.json"))
    alone.enable_truncation(max_length=TOKENS)
    alone.enable_padding(length=TOKENS, pad_id=names.index(END), pad_token=END)
    alone.save(str(folder / "tokenizer.json"))


def load_tokenizer(folder: Path) -> Tokenizer:
    """The tokenizer without transformers; `.encode(text).ids` has TOKENS ids."""
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


def special_ids(tokenizer: Tokenizer) -> dict[str, int]:
    """The ids that a CLIPTextConfig needs; padding repeats the end token, and the first end token is the pooled one."""
    vocabulary_ids = tokenizer.get_vocab()
    start, end = vocabulary_ids[START], vocabulary_ids[END]
    return {"bos_token_id": start, "eos_token_id": end, "pad_token_id": end}


def _learn(words: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Merges, in order, and the pieces: all bytes, inside and at the end of a word, and what the merges make."""
    trained = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    trained.normalizer = normalizers.Lowercase()
    trained.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    trained.train_from_iterator(
        words,
        trainers.BpeTrainer(
            vocab_size=ENOUGH_MERGES,
            end_of_word_suffix="</w>",
            show_progress=False,
            special_tokens=[START, END],
        ),
    )
    model = json.loads(trained.to_str())["model"]  # the merges are told nowhere else
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = {*model["vocab"], *alphabet, *(letter + "</w>" for letter in alphabet)}
    return [(left, right) for left, right in model["merges"]], sorted(pieces)
