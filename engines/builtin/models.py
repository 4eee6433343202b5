"""The networks' sizes: standard diffusers and transformers classes, small."""

from __future__ import annotations

from typing import Any

from diffusers import AutoencoderTiny, FlowMatchEulerDiscreteScheduler, SD3Transformer2DModel
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

LATENT_CHANNELS = 8
LATENT_SCALE = 8
"""Image pixels per latent pixel, on each axis."""

SHIFT = 4.0
"""Moves the noise levels of training and sampling towards pure noise, where the text decides. A lower shift leaves
colours and places undecided: flat latents give a scene away early."""

TOKENS = 20
"""Length of a tokenized caption; the grammar's longest has 18 tokens."""

TEXT_WIDTHS = (128, 32)
TEXT_LAYERS = (3, 2)


def build_vae() -> Any:
    """The autoencoder, 8 channels at an eighth of the size. No block works at full size: those cost the most."""
    return AutoencoderTiny(
        encoder_block_out_channels=(48,) * 4,
        decoder_block_out_channels=(48,) * 4,
        num_encoder_blocks=(0, 1, 1, 2),
        num_decoder_blocks=(2, 2, 1, 0),
        latent_channels=LATENT_CHANNELS,
    )


def build_text_encoder(index: int, vocabulary: int, specials: dict[str, int]) -> Any:
    """Text encoder 0 or 1 of the pipeline; both read the same token ids."""
    width = TEXT_WIDTHS[index]
    config = CLIPTextConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        intermediate_size=3 * width,
        projection_dim=width,
        num_hidden_layers=TEXT_LAYERS[index],
        num_attention_heads=max(width // 32, 1),
        max_position_embeddings=TOKENS,
        **specials,
    )
    return CLIPTextModelWithProjection(config)


def build_transformer(width: int = 160, layers: int = 6, heads: int = 5) -> Any:
    """The denoiser: an MMDiT over 2×2 patches of the latents, modulated by time and the pooled text."""
    text = sum(TEXT_WIDTHS)
    return SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        num_layers=layers,
        num_attention_heads=heads,
        attention_head_dim=width // heads,
        caption_projection_dim=width,
        joint_attention_dim=text,
        pooled_projection_dim=text,
        pos_embed_max_size=16,
        qk_norm="rms_norm",
    )


def build_scheduler() -> Any:
    """The sampler: Euler steps along the flow."""
    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, shift=SHIFT)
