"""The two families of pipelines, reduced to what differs: how text becomes conditioning and how a row is denoised."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from engines.errors import EngineBroken
from engines.folder import ModelFolder
from engines.stepwise import Array, Conditioning, Latents


class Network(Protocol):
    """A loaded pipeline. Arrays are torch tensors on its device."""

    latents: Latents
    max_side: int
    """Pixels."""
    vae: Any
    dtype: Any

    def encode_text(self, prompts: Sequence[str]) -> list[Conditioning]: ...

    def denoise(self, x: Array, timesteps: Array, conditioning: Conditioning) -> Array: ...


class StableDiffusion3:
    """StableDiffusion3Pipeline: an MMDiT, two CLIPs and perhaps a T5."""

    def __init__(self, pipeline: Any, folder: ModelFolder) -> None:
        self._pipeline = pipeline
        config = pipeline.transformer.config
        self.vae = pipeline.vae
        self.dtype = pipeline.transformer.dtype
        self.latents = Latents(config.in_channels, pipeline.vae_scale_factor, config.patch_size)
        self.max_side = config.pos_embed_max_size * config.patch_size * pipeline.vae_scale_factor
        self._tokens = 256 if pipeline.text_encoder_3 is not None else folder.empty_t5_tokens

    def encode_text(self, prompts: Sequence[str]) -> list[Conditioning]:
        embeddings, _, pooled, _ = self._pipeline.encode_prompt(
            prompt=list(prompts),
            prompt_2=None,
            prompt_3=None,
            do_classifier_free_guidance=False,
            max_sequence_length=self._tokens,
        )
        pairs = zip(embeddings.split(1), pooled.split(1), strict=True)
        return [{"encoder_hidden_states": text, "pooled_projections": vector} for text, vector in pairs]

    def denoise(self, x: Array, timesteps: Array, conditioning: Conditioning) -> Array:
        return self._pipeline.transformer(x, timestep=timesteps, **conditioning, return_dict=False)[0]


class StableDiffusion:
    """StableDiffusionPipeline: a UNet and a CLIP."""

    def __init__(self, pipeline: Any, folder: ModelFolder) -> None:
        config = pipeline.unet.config
        if config.time_cond_proj_dim is not None:
            raise EngineBroken("distilled guidance is not supported: this UNet takes the guidance scale as an input")
        if config.in_channels != config.out_channels:
            raise EngineBroken("this UNet takes more than latents: inpainting and depth are not supported")
        del folder
        self._pipeline = pipeline
        self.vae = pipeline.vae
        self.dtype = pipeline.unet.dtype
        self.latents = Latents(config.in_channels, pipeline.vae_scale_factor)
        self.max_side = 2048

    def encode_text(self, prompts: Sequence[str]) -> list[Conditioning]:
        embeddings, _ = self._pipeline.encode_prompt(
            prompt=list(prompts),
            device=self._pipeline.unet.device,
            num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )
        return [{"encoder_hidden_states": text} for text in embeddings.split(1)]

    def denoise(self, x: Array, timesteps: Array, conditioning: Conditioning) -> Array:
        return self._pipeline.unet(x, timesteps, **conditioning, return_dict=False)[0]
