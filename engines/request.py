"""One job's generation request, as engines see it."""

from __future__ import annotations

from dataclasses import dataclass

TEXT_TO_IMAGE = "text-to-image"
IMAGE_TO_IMAGE = "image-to-image"
TEXT_TO_VIDEO = "text-to-video"
IMAGE_TO_VIDEO = "image-to-video"


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """Validated in form by whoever made it; an engine only adds what its model can and cannot do.

    The prompts and the image are left out of ``repr``, so that no log line can hold them by accident.
    """

    id: str
    task: str
    """text-to-image, image-to-image, text-to-video or image-to-video."""
    prompt: str
    negative_prompt: str = ""
    """What to steer away from; has no effect when guidance <= 1."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    steps: int
    """Denoising steps of a full run; image-to-image takes about steps × strength of them."""
    guidance: float
    """Classifier-free guidance scale; <= 1 runs no unconditional branch."""
    seed: int
    """0 … 2**63 - 1. The same seed, model and inputs give the same picture, whatever shares the batch."""
    count: int = 1
    """Pictures (or clips), with seeds seed, seed + 1, …"""
    frames: int = 1
    """Frames a clip; 1 is a picture."""
    fps: int = 8
    """Frames a second, for video."""
    image: bytes | None = None
    """Encoded PNG, JPEG or WebP to start from."""
    strength: float = 0.6
    """0 < strength <= 1: how far to go from the image; 1 keeps nothing of it."""
    sampler: str | None = None
    """flow-euler, euler, ddim or dpmpp-2m; None takes the model's own."""

    def __repr__(self) -> str:
        return f"Request(id={self.id!r}, task={self.task!r}, {self.width}x{self.height}, steps={self.steps})"
