"""Prompts to token ids, with the tokenizers package alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from engines.errors import EngineBroken


class Tokens:
    """One tokenizer folder. Longer prompts are cut, shorter ones padded, as the text encoder was trained."""

    def __init__(self, folder: Path) -> None:
        path = folder / "tokenizer.json"
        if not path.is_file():
            raise EngineBroken(f"the model folder has no {folder.name}/tokenizer.json")
        self._tokenizer = Tokenizer.from_file(str(path))
        config = json.loads((folder / "tokenizer_config.json").read_text())
        length = int(config["model_max_length"])
        pad = config.get("pad_token") or config["eos_token"]
        token = pad["content"] if isinstance(pad, dict) else pad
        self._tokenizer.enable_truncation(max_length=length)
        self._tokenizer.enable_padding(length=length, pad_id=self._tokenizer.token_to_id(token), pad_token=token)

    def __call__(self, prompts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Ids, prompts × length."""
        return np.array([found.ids for found in self._tokenizer.encode_batch(list(prompts))], dtype=np.int64)
