"""Evaluates a model folder on prompts whose combinations it never saw, and on ones it did.

python -m engines.builtin.evaluate --model engines/builtin/model --engine onnx -n 200 --out evaluation
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.builtin.evaluation.onnx_sampler import OnnxSampler
from engines.builtin.evaluation.score import Answer, Sampler, answer, contact_sheet, questions, shares

SHEET = 40


def torch_sampler(model: Path) -> Sampler:
    """The folder as a diffusers pipeline."""
    import torch  # the default engine does without
    from diffusers import StableDiffusion3Pipeline

    facts = json.loads((model / "darkroom.json").read_text())
    pipeline: Any = StableDiffusion3Pipeline.from_pretrained(model, text_encoder_3=None, tokenizer_3=None)
    pipeline.set_progress_bar_config(disable=True)

    def run(prompts: list[str], seeds: list[int], canvas: tuple[int, int]) -> NDArray[np.uint8]:
        made = pipeline(
            prompts,
            width=canvas[0],
            height=canvas[1],
            num_inference_steps=facts["steps"]["default"],
            guidance_scale=facts["guidance"]["default"],
            max_sequence_length=facts["empty_t5_tokens"],
            generator=[torch.Generator().manual_seed(seed) for seed in seeds],
            output_type="np",
        )
        return np.rint(made.images * 255).astype(np.uint8)

    return run


GROUPS = (
    ("held-out, mix", {"held_out": True, "objects": None}),
    ("held-out, one object", {"held_out": True, "objects": 1}),
    ("held-out, two objects", {"held_out": True, "objects": 2}),
    ("training, mix", {"held_out": False, "objects": None}),
)


def evaluate(sampler: Sampler, count: int, seed: int) -> tuple[dict[str, Any], list[Answer]]:
    """Shares right for each group of prompts, and the answers of the first."""
    groups: dict[str, Any] = {}
    first: list[Answer] = []
    for name, kind in GROUPS:
        answers = answer(questions(count, **kind, seed=seed), sampler)
        groups[name] = {aspect: round(share, 4) for aspect, share in shares(answers).items()}
        groups[name]["all of the floor"] = round(float(np.mean([_meets_floor(one) for one in answers])), 4)
        print(name, groups[name], flush=True)  # noqa: T201 (progress)
        first = first or answers
    return groups, first


def _meets_floor(one: Answer) -> bool:
    """One thing: colour, shape and background. Two: both colours and the relation."""
    wanted = ("colours", "relation") if one.question.scene.second else ("colours", "shapes", "background")
    return all(one.right[aspect] for aspect in wanted)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path(__file__).parent / "model")
    parser.add_argument("--engine", choices=["onnx", "torch"], default="onnx")
    parser.add_argument("-n", type=int, default=200, help="prompts of each group")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("evaluation"))
    options = parser.parse_args()
    sampler = OnnxSampler(options.model) if options.engine == "onnx" else torch_sampler(options.model)
    groups, mix = evaluate(sampler, options.n, options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"engine": options.engine, "prompts of each group": options.n, "seed": options.seed, "shares right": groups}
    report["seconds a picture, alone, 128×128"] = _speed(sampler)
    (options.out / "evaluation.json").write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    contact_sheet(mix[:SHEET]).quantize(64).save(options.out / "held-out.png", optimize=True)


def _speed(sampler: Sampler) -> float:
    """Median of five, after one to warm up."""
    spent = []
    for seed in range(6):
        start = time.perf_counter()
        sampler(["a red circle above a blue square on a yellow background"], [seed], (128, 128))
        spent.append(time.perf_counter() - start)
    return round(float(np.median(spent[1:])), 3)


if __name__ == "__main__":
    main()
