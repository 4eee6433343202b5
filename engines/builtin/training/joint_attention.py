"""Joint attention for training: fast on a CPU, and with the pipeline's empty T5 tokens folded into one."""

from __future__ import annotations

from typing import Any

import torch


class JointAttention:
    """Computes what SD3's attention computes, with a bias added to every key's score.

    Without a third text encoder the pipeline appends n all-zero text tokens (256 unless told otherwise). They stay equal
    to each other in every layer, so one of them whose score is raised by log n has exactly the effect of n.
    Written out, as the fused CPU kernel's backward pass takes five times longer in bfloat16 at these sizes.
    """

    def __init__(self) -> None:
        self.bias: Any = None
        """[keys], added to the scores; keys are image tokens, then text tokens."""

    def __call__(self, attn: Any, hidden_states: Any, encoder_hidden_states: Any = None, **_: Any) -> Any:
        """From image [B, N, D] and text [B, T, D] to the same shapes."""
        count = hidden_states.shape[1]
        query, key, value = _heads(attn, hidden_states, attn.to_q, attn.to_k, attn.to_v, attn.norm_q, attn.norm_k)
        said = _heads(
            attn,
            encoder_hidden_states,
            attn.add_q_proj,
            attn.add_k_proj,
            attn.add_v_proj,
            attn.norm_added_q,
            attn.norm_added_k,
        )
        query, key, value = (torch.cat(pair, dim=2) for pair in zip((query, key, value), said, strict=True))
        scores = (query @ key.transpose(-1, -2)) * query.shape[-1] ** -0.5 + self.bias.to(query.dtype)
        mixed = (torch.softmax(scores, dim=-1).to(value.dtype) @ value).transpose(1, 2).flatten(2)
        image, text = mixed[:, :count], mixed[:, count:]
        return attn.to_out[0](image), text if attn.context_pre_only else attn.to_add_out(text)


def _heads(attn: Any, states: Any, to_q: Any, to_k: Any, to_v: Any, norm_q: Any, norm_k: Any) -> tuple[Any, Any, Any]:
    query, key, value = (project(states).unflatten(-1, (attn.heads, -1)).transpose(1, 2) for project in (to_q, to_k, to_v))
    return norm_q(query), norm_k(key), value
