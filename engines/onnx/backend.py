"""Arrays are numpy's, networks are graphs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from engines.base import Memory
from engines.folder import ModelFolder
from engines.onnx.sessions import DECODER, ENCODER, TEXT, TRANSFORMER, Graphs
from engines.onnx.tokens import Tokens
from engines.stepwise import Array, Conditioning, Latents

Floats = npt.NDArray[np.float32]


class OnnxBackend:
    """Implements engines.stepwise.Backend for Stable Diffusion 3 without its third text encoder."""

    def __init__(self, folder: ModelFolder, graphs: Graphs) -> None:
        transformer, vae = folder.config("transformer"), folder.config("vae")
        scale = 2 ** (len(vae.get("block_out_channels") or vae["decoder_block_out_channels"]) - 1)
        self.latents = Latents(int(transformer["in_channels"]), scale, int(transformer["patch_size"]))
        self._graphs = graphs
        self._width = int(transformer["joint_attention_dim"])
        self._empty = folder.empty_t5_tokens
        self._tokens = [Tokens(folder.path / part.replace("text_encoder", "tokenizer")) for part in TEXT]
        self._factor = np.float32(vae.get("scaling_factor") or 1.0)
        self._shift = np.float32(vae.get("shift_factor") or 0.0)

    def encode_text(self, prompts: Sequence[str]) -> list[Conditioning]:
        """What diffusers' encode_prompt makes: both CLIPs side by side, then zeros where T5 would be."""
        pairs = [self._graphs.run(part, input_ids=tokens(prompts)) for part, tokens in zip(TEXT, self._tokens, strict=True)]
        words = np.concatenate([hidden for hidden, _ in pairs], axis=-1)
        text = np.zeros((len(prompts), words.shape[1] + self._empty, self._width), dtype=np.float32)
        text[:, : words.shape[1], : words.shape[2]] = words
        pooled = np.concatenate([vector for _, vector in pairs], axis=-1)
        return [{"encoder_hidden_states": text[i : i + 1], "pooled": pooled[i : i + 1]} for i in range(len(prompts))]

    def encode_image(self, pixels: Floats) -> Array:
        (latents,) = self._graphs.run(ENCODER, image=pixels)
        return (latents - self._shift) * self._factor

    def denoise(self, x: Array, timesteps: Floats, conditioning: Conditioning) -> Array:
        (velocity,) = self._graphs.run(TRANSFORMER, latents=x, timestep=timesteps, **conditioning)
        return velocity

    def decode(self, x: Array) -> npt.NDArray[np.uint8]:
        (images,) = self._graphs.run(DECODER, latents=x / self._factor + self._shift)
        levels = np.rint(np.clip(images / 2 + 0.5, 0, 1) * 255).astype(np.uint8)
        return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))

    def array(self, values: Floats) -> Array:
        return values

    def stack(self, arrays: Sequence[Array]) -> Array:
        return np.concatenate(list(arrays))

    def take(self, array: Array, rows: Sequence[int]) -> Array:
        return array[list(rows)]

    def finite(self, x: Array) -> Sequence[bool]:
        found: list[bool] = np.isfinite(x).reshape(len(x), -1).all(axis=1).tolist()
        return found

    def memory(self) -> Memory | None:
        return None  # onnxruntime tells nobody

    def close(self) -> None:
        self._graphs.close()
