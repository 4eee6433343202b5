"""Pipelines of random weights, small enough to build in a test: the real classes, written as real folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

TOKENS = 20
WORDS = ("a", "red", "blue", "circle", "square", "left", "of", "on", "the")


def tokenizer(length: int = TOKENS) -> Any:
    """A CLIP tokenizer that knows a few words as a whole and all else by its bytes."""
    from tokenizers import pre_tokenizers
    from transformers import CLIPTokenizer

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = ["<|startoftext|>", "<|endoftext|>", *letters, *(letter + "</w>" for letter in letters)]
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    merges = []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            pair = (parts.pop(0), parts.pop(0))
            parts.insert(0, "".join(pair))
            if "".join(pair) not in vocabulary:
                vocabulary["".join(pair)] = len(vocabulary)
                merges.append(pair)
    return CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=length)


def clip(words: Any, *, projection: bool, width: int = 32) -> Any:
    """A text encoder of two layers."""
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=len(words),
        hidden_size=width,
        intermediate_size=2 * width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=words.model_max_length,
        bos_token_id=0,
        eos_token_id=1,
        pad_token_id=1,
    )
    return (CLIPTextModelWithProjection if projection else CLIPTextModel)(config).eval()


def stable_diffusion_3() -> Any:
    """SD3 as the built-in model has it: no third text encoder, a tiny autoencoder of 8 channels, patches of 2."""
    import diffusers
    import torch

    torch.manual_seed(0)
    words = tokenizer()
    return diffusers.StableDiffusion3Pipeline(
        transformer=_transformer(),
        scheduler=diffusers.FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_tiny_autoencoder(),
        text_encoder=clip(words, projection=True),
        tokenizer=words,
        text_encoder_2=clip(words, projection=True),
        tokenizer_2=words,
        text_encoder_3=None,
        tokenizer_3=None,
    )


def _transformer() -> Any:
    import diffusers

    transformer = diffusers.SD3Transformer2DModel(
        sample_size=16,
        patch_size=2,
        in_channels=8,
        out_channels=8,
        num_layers=2,
        num_attention_heads=2,
        attention_head_dim=16,
        caption_projection_dim=32,
        joint_attention_dim=64,
        pooled_projection_dim=64,
        pos_embed_max_size=16,
        qk_norm="rms_norm",
    )
    return _shaken(transformer)


def _tiny_autoencoder() -> Any:
    import diffusers

    vae = diffusers.AutoencoderTiny(
        encoder_block_out_channels=(8,) * 4,
        decoder_block_out_channels=(8,) * 4,
        num_encoder_blocks=(0, 1, 1, 1),
        num_decoder_blocks=(1, 1, 1, 0),
        latent_channels=8,
    )
    vae.register_to_config(scaling_factor=0.9, shift_factor=0.1)
    return vae.eval()


def stable_diffusion(prediction: str = "epsilon") -> Any:
    """SD 1.5's classes, with an autoencoder of two levels."""
    import diffusers
    import torch

    torch.manual_seed(0)
    words = tokenizer(77)
    return diffusers.StableDiffusionPipeline(
        unet=_unet(),
        vae=_autoencoder(),
        text_encoder=clip(words, projection=False),
        tokenizer=words,
        scheduler=_ddim(prediction),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def _unet() -> Any:
    import diffusers

    unet = diffusers.UNet2DConditionModel(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        block_out_channels=(16, 32),
        layers_per_block=1,
        cross_attention_dim=32,
        attention_head_dim=4,
        norm_num_groups=4,
    )
    return _shaken(unet)


def _autoencoder() -> Any:
    import diffusers

    return diffusers.AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 16),
        latent_channels=4,
        norm_num_groups=4,
    ).eval()


def _ddim(prediction: str) -> Any:
    import diffusers

    return diffusers.DDIMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        prediction_type=prediction,
        steps_offset=1,
    )


def save(pipeline: Any, folder: Path) -> Path:
    """Write a pipeline as people publish them."""
    pipeline.save_pretrained(folder, safe_serialization=True)
    return folder


def _shaken(network: Any) -> Any:
    """Fresh networks start with zeros in places, which would hide what depends on text and time."""
    import torch

    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(torch.randn_like(weight) * 0.05)
    return network.eval()
