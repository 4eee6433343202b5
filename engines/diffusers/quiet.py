"""diffusers logs the part of a prompt that it cuts off. Prompts are in no log of ours."""

from __future__ import annotations

import logging

import diffusers
import transformers

PREFIXES = ("diffusers.pipelines", "transformers.tokenization")


def no_bars() -> None:
    """No progress bars on standard error while weights load."""
    diffusers.utils.logging.disable_progress_bar()
    transformers.utils.logging.disable_progress_bar()


def keep_prompts_out_of_logs() -> None:
    """Let nothing below an error through from where prompts are handled."""
    for prefix in PREFIXES:
        logging.getLogger(prefix).setLevel(logging.ERROR)
