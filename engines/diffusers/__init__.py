"""Standard diffusers pipeline folders on torch: Stable Diffusion 3 (MMDiT) and Stable Diffusion (UNet)."""

from engines.diffusers.load import load

__all__ = ["load"]
