"""Text embeddings, kept because prompts repeat: for each picture of a job, and across jobs of a template."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence

from engines.stepwise.backend import Conditioning

Encode = Callable[[Sequence[str]], list[Conditioning]]


class Texts:
    """Least recently used embeddings. The empty prompt, which most guidance steers away from, always stays."""

    def __init__(self, encode: Encode, size: int) -> None:
        self._encode = encode
        self._size = size
        self._kept: OrderedDict[str, Conditioning] = OrderedDict()
        self._empty: Conditioning | None = None

    def get(self, prompts: Iterable[str]) -> dict[str, Conditioning]:
        """Embeddings of these prompts; those not known are encoded together."""
        wanted = dict.fromkeys(prompts)
        found = {prompt: kept for prompt in wanted if (kept := self._find(prompt)) is not None}
        missing = [prompt for prompt in wanted if prompt not in found]
        if missing:
            made = dict(zip(missing, self._encode(missing), strict=True))
            self._keep(made)
            found |= made
        return found

    def _find(self, prompt: str) -> Conditioning | None:
        if not prompt:
            return self._empty
        if prompt in self._kept:
            self._kept.move_to_end(prompt)
        return self._kept.get(prompt)

    def _keep(self, made: dict[str, Conditioning]) -> None:
        self._empty = made.get("", self._empty)
        self._kept.update((prompt, kept) for prompt, kept in made.items() if prompt)
        while len(self._kept) > self._size:
            self._kept.popitem(last=False)
