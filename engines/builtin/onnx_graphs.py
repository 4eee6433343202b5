"""Writes the pipeline's networks as ONNX graphs: weights stored in float16, computed in float32."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from engines.builtin.models import LATENT_CHANNELS, LATENT_SCALE, TOKENS

OPSET = 17
SMALL = 256
"""Weights with fewer values stay in float32: they hardly count, and shapes and scales are among them."""

AXES = {0: "batch", 2: "height", 3: "width"}


class _Text(torch.nn.Module):
    """Token ids [B, T] to the last layer but one [B, T, D] and the pooled vector [B, D]."""

    def __init__(self, encoder: Any) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, ids: Any) -> tuple[Any, Any]:
        said = self.encoder(ids, output_hidden_states=True)
        return said.hidden_states[-2], said.text_embeds


class _Transformer(torch.nn.Module):
    """Latents [B, C, H, W], timesteps [B], text [B, T, D] and pooled [B, D] to the velocity [B, C, H, W]."""

    def __init__(self, transformer: Any) -> None:
        super().__init__()
        self.transformer = transformer

    def forward(self, latents: Any, timestep: Any, text: Any, pooled: Any) -> Any:
        return self.transformer(
            latents, encoder_hidden_states=text, pooled_projections=pooled, timestep=timestep, return_dict=False
        )[0]


class _Decoder(torch.nn.Module):
    """Unscaled latents [B, C, H, W] to pictures in [-1, 1], [B, 3, 8H, 8W]."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.decoder = vae.decoder

    def forward(self, latents: Any) -> Any:
        return self.decoder(latents)


class _Encoder(torch.nn.Module):
    """Pictures in [-1, 1], [B, 3, 8H, 8W], to unscaled latents [B, C, H, W]."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.encoder = vae.encoder

    def forward(self, pictures: Any) -> Any:
        return self.encoder(pictures)


def export_graphs(model: Path, encoders: Any, transformer: Any, vae: Any) -> None:
    """Writes text_encoder{,_2}/model.onnx, transformer/model.onnx, vae/decoder.onnx and vae/encoder.onnx."""
    ids = torch.ones((2, TOKENS), dtype=torch.long)
    for name, encoder in zip(("text_encoder", "text_encoder_2"), encoders, strict=True):
        outputs = {"hidden_states": {0: "batch"}, "pooled": {0: "batch"}}
        _export(_Text(encoder), (ids,), {"input_ids": {0: "batch"}}, outputs, model / name / "model.onnx")
    config = transformer.config
    latents = torch.randn(2, LATENT_CHANNELS, 16, 12)
    asked = (
        latents,
        torch.rand(2) * 1000,
        torch.randn(2, TOKENS, config.joint_attention_dim),
        torch.randn(2, config.pooled_projection_dim),
    )
    inputs = {
        "latents": AXES,
        "timestep": {0: "batch"},
        "encoder_hidden_states": {0: "batch", 1: "tokens"},
        "pooled": {0: "batch"},
    }
    _export(_Transformer(transformer), asked, inputs, {"velocity": AXES}, model / "transformer" / "model.onnx")
    _export(_Decoder(vae), (latents,), {"latents": AXES}, {"image": AXES}, model / "vae" / "decoder.onnx")
    pictures = torch.rand(2, 3, 16 * LATENT_SCALE, 12 * LATENT_SCALE)
    _export(_Encoder(vae), (pictures,), {"image": AXES}, {"latents": AXES}, model / "vae" / "encoder.onnx")


def _export(
    module: torch.nn.Module, example: tuple[Any, ...], inputs: dict[str, Any], outputs: dict[str, Any], path: Path
) -> None:
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            example,
            str(path),
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_axes=inputs | outputs,
            opset_version=OPSET,
            dynamo=False,
        )
    graph = onnx.load(path)
    _store_in_half(graph.graph)
    onnx.checker.check_model(graph)
    onnx.save(graph, path)


def _store_in_half(graph: Any) -> None:
    """Replaces large float32 weights by float16 ones and a cast, which the runtime folds when it loads."""
    casts = []
    for weight in graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < SMALL:
            continue
        name = weight.name
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}.half"))
        casts.append(helper.make_node("Cast", [f"{name}.half"], [name], to=TensorProto.FLOAT, name=f"{name}.cast"))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
