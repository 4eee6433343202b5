"""Every kind of bad event on `jobs`, with the answer it must get. Used on the pure policy and on the real path alike."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

from contracts.catalog import Cost
from contracts.topics import MAX_EVENT_BYTES
from loadtest.crew.noop import NOOP, catalog_of
from loadtest.fuzz.system import ANYTHING

HUGE = int("9" * 300)


@dataclass(frozen=True, kw_only=True)
class Bad:
    """One bad event."""

    body: bytes | None
    field: str
    """The dotted field that the answer must name."""
    code: str = "invalid"
    id: str = ""
    """Whom the answer must go to; empty: nobody, only a dead letter."""


def good(id: str, **changes: Any) -> dict[str, Any]:
    """A job that every test may spoil."""
    return {"id": id, "tenant": "acme", "task": "text-to-image", "model": "noop", "inputs": {"prompt": "a red circle"}} | changes


def _job(name: str, field: str, code: str = "invalid", **changes: Any) -> Bad:
    return Bad(body=json.dumps(good(name, **changes)).encode(), field=field, code=code, id=name)


def _inputs(name: str, field: str, code: str = "invalid", **inputs: Any) -> Bad:
    return _job(name, f"inputs.{field}", code, inputs={"prompt": "a red circle"} | inputs)


def _text(name: str, field: str, text: str, *, id: str | None = None) -> Bad:
    return Bad(body=text.encode(), field=field, id=name if id is None else id)


def _raw(name: str, field: str, inputs: str) -> Bad:
    """For JSON that Python's encoder would not write."""
    start = f'{{"id": "{name}", "tenant": "acme", "task": "text-to-image", "model": "noop", "inputs": '
    return _text(name, field, f'{start}{{"prompt": "x", {inputs}}}}}')


def _without(name: str, field: str) -> Bad:
    job = good(name)
    del job[field]
    return Bad(body=json.dumps(job).encode(), field=field, id="" if field == "id" else name)


_LONG = "x" * 1_000_000

BAD: dict[str, Bad] = {
    # nothing that could be read
    "null-value": Bad(body=None, field="event"),
    "empty-value": Bad(body=b"", field="event"),
    "not-json": Bad(body=b"{nope", field="event"),
    "not-an-object": Bad(body=b"[1, 2]", field="event"),
    "bare-null": Bad(body=b"null", field="event"),
    "byte-order-mark": Bad(body=b"\xef\xbb\xbf{}", field="event"),
    "binary": Bad(body=bytes(range(256)), field="event"),
    "array-bomb": Bad(body=b"[" * 200_000, field="event"),
    "object-bomb": Bad(body=b'{"a":' * 100_000, field="a"),
    "bomb-in-a-field": Bad(
        body=b'{"id":"bomb-in-a-field","tenant":"acme","task":"text-to-image","inputs":' + b"[" * 200_000, field="inputs"
    ),
    "bomb-in-metadata": Bad(
        body=b'{"id":"bomb-in-metadata","tenant":"acme","metadata":{"a":' + b'{"a":' * 100_000, field="metadata"
    ),
    "too-large": Bad(body=json.dumps(good("too-large", metadata={"a": "x" * MAX_EVENT_BYTES})).encode(), field="event",
                     code="too_large", id="too-large"),
    "too-large-and-not-json": Bad(body=b"\x01" * (MAX_EVENT_BYTES + 1), field="event", code="too_large"),
    # text that is none
    "bad-utf-8": Bad(body=json.dumps(good("bad-utf-8")).encode().replace(b"red", b"r\xffd"), field="inputs.prompt",
                     id="bad-utf-8"),
    "half-a-surrogate": Bad(body=json.dumps(good("half-a-surrogate")).encode().replace(b"red", b"\\ud800"), field="event",
                            id="half-a-surrogate"),
    # fields
    "no-id": _without("no-id", "id"),
    "no-tenant": _without("no-tenant", "tenant"),
    "no-task": _without("no-task", "task"),
    "no-inputs": _without("no-inputs", "inputs"),
    "no-prompt": _job("no-prompt", "inputs.prompt", inputs={}),
    "unknown-field": _job("unknown-field", "size", size=3),
    "unknown-input": _inputs("unknown-input", "sampler", sampler="euler"),
    "unknown-field-of-free-text": Bad(
        body=json.dumps(good("unknown-field-of-free-text") | {"a secret prompt": 1}).encode(),
        field="event",
        id="unknown-field-of-free-text",
    ),
    "unknown-input-of-free-text": _job("unknown-input-of-free-text", "inputs", inputs={"prompt": "x", "a secret prompt": 1}),
    "id-is-a-number": Bad(body=json.dumps(good("x") | {"id": 7}).encode(), field="id"),
    "id-is-null": Bad(body=json.dumps(good("x") | {"id": None}).encode(), field="id"),
    "id-is-empty": Bad(body=json.dumps(good("")).encode(), field="id"),
    "id-is-a-path": _job("../../etc/passwd", "id"),
    "id-has-a-line-break": _job("line\nbreak", "id"),
    "id-of-ten-kilobytes": _job("x" * 10_240, "id"),
    "id-of-half-a-surrogate": Bad(body=json.dumps(good("\ud800")).encode(), field="event", id="?"),
    "tenant-is-a-path": _job("tenant-is-a-path", "tenant", tenant="a/b"),
    "tenant-is-a-list": _job("tenant-is-a-list", "tenant", tenant=["acme"]),
    "prompt-is-a-number": _inputs("prompt-is-a-number", "prompt", prompt=7),
    "inputs-is-a-list": _job("inputs-is-a-list", "inputs", inputs=[]),
    "unknown-task": _job("unknown-task", "task", task="text-to-speech"),
    "unknown-priority": _job("unknown-priority", "priority", priority="vip"),
    "unknown-format": _inputs("unknown-format", "format", format="gif"),
    "unknown-degrade": _job("unknown-degrade", "degrade", degrade="maybe"),
    "unknown-model": _job("unknown-model", "model", "unknown_model", model="a secret model"),
    "empty-model": _job("empty-model", "model", "unknown_model", model=""),
    "task-the-model-cannot-do": _job("task-the-model-cannot-do", "task", "unsupported", task="text-to-video", model="scenes"),
    # numbers
    "empty-prompt": _inputs("empty-prompt", "prompt", prompt=""),
    "blank-prompt": _inputs("blank-prompt", "prompt", prompt=" \n "),
    "prompt-of-a-megabyte": _inputs("prompt-of-a-megabyte", "prompt", "too_large", prompt=_LONG),
    "negative-prompt-of-a-megabyte": _inputs(
        "negative-prompt-of-a-megabyte", "negative_prompt", "too_large", negative_prompt=_LONG
    ),
    "width-is-nan": _raw("width-is-nan", "inputs.width", '"width": NaN'),
    "width-is-text": _inputs("width-is-text", "width", width="64"),
    "width-is-a-fraction": _inputs("width-is-a-fraction", "width", width=64.5),
    "width-is-negative": _inputs("width-is-negative", "width", width=-64),
    "width-is-zero": _inputs("width-is-zero", "width", width=0),
    "width-is-huge": _inputs("width-is-huge", "width", width=HUGE),
    "width-beyond-the-model": _inputs("width-beyond-the-model", "width", width=8192),
    "height-beyond-the-model": _inputs("height-beyond-the-model", "height", height=8192),
    "width-not-a-multiple": _inputs("width-not-a-multiple", "width", width=65),
    "height-not-a-multiple": _inputs("height-not-a-multiple", "height", height=65),
    "too-many-pixels": _job("too-many-pixels", "inputs.width", model="narrow", inputs={"prompt": "x", "width": 64, "height": 64}),
    "no-steps": _inputs("no-steps", "steps", steps=0),
    "negative-steps": _inputs("negative-steps", "steps", steps=-1),
    "a-billion-steps": _inputs("a-billion-steps", "steps", steps=10**9),
    "steps-are-true": _inputs("steps-are-true", "steps", steps=True),
    "guidance-is-nan": _raw("guidance-is-nan", "inputs.guidance", '"guidance": NaN'),
    "guidance-is-infinite": _raw("guidance-is-infinite", "inputs.guidance", '"guidance": -Infinity'),
    "guidance-out-of-range": _raw("guidance-out-of-range", "inputs.guidance", '"guidance": 1e999'),
    "guidance-is-negative": _inputs("guidance-is-negative", "guidance", guidance=-1),
    "guidance-is-huge": _inputs("guidance-is-huge", "guidance", guidance=1e30),
    "seed-is-negative": _inputs("seed-is-negative", "seed", seed=-1),
    "seed-is-huge": _inputs("seed-is-huge", "seed", seed=2**53),
    "seed-of-300-digits": _inputs("seed-of-300-digits", "seed", seed=HUGE),
    "last-seed-too-high": _inputs("last-seed-too-high", "seed", seed=2**53 - 1, count=2),
    "count-of-none": _inputs("count-of-none", "count", count=0),
    "a-million-pictures": _inputs("a-million-pictures", "count", count=10**6),
    "frames-of-a-picture": _inputs("frames-of-a-picture", "frames", frames=16),
    "rate-of-a-picture": _inputs("rate-of-a-picture", "fps", fps=24),
    "no-frames": _job("no-frames", "inputs.frames", task="text-to-video", inputs={"prompt": "x", "frames": 0}),
    "too-many-frames": _job("too-many-frames", "inputs.frames", task="text-to-video", inputs={"prompt": "x", "frames": 10**6}),
    "too-many-frames-a-second": _job(
        "too-many-frames-a-second", "inputs.fps", task="text-to-video", inputs={"prompt": "x", "fps": 10**6}
    ),
    "more-work-than-a-job-may-be": _job(
        "more-work-than-a-job-may-be", "inputs", "too_large", task="text-to-video",
        inputs={"prompt": "x", "width": 4096, "height": 4096, "steps": 1000, "frames": 256, "count": 8},
    ),
    # pictures to start from
    "no-picture": _job("no-picture", "inputs.image", task="image-to-image"),
    "picture-for-text": _inputs("picture-for-text", "image", image="a.png"),
    "picture-from-a-file": _job("picture-from-a-file", "inputs.image", task="image-to-image",
                                inputs={"prompt": "x", "image": "file:///etc/passwd"}),
    "picture-outside-the-store": _job("picture-outside-the-store", "inputs.image", task="image-to-image",
                                      inputs={"prompt": "x", "image": "a/../../etc/passwd"}),
    # the rest
    "no-time-to-live": _job("no-time-to-live", "ttl_s", ttl_s=0),
    "negative-time-to-live": _job("negative-time-to-live", "ttl_s", ttl_s=-5),
    "endless-time-to-live": _job("endless-time-to-live", "ttl_s", ttl_s=1e12),
    "time-to-live-is-nan": _text("time-to-live-is-nan", "ttl_s", json.dumps(good("time-to-live-is-nan", ttl_s=float("nan")))),
    "callback-to-a-file": _job("callback-to-a-file", "callback", callback="file:///etc/passwd"),
    "callback-without-a-host": _job("callback-without-a-host", "callback", callback="https://"),
    "callback-with-a-line-break": _job("callback-with-a-line-break", "callback", callback="https://host/\r\nX: y"),
    "callback-of-a-bad-port": _job("callback-of-a-bad-port", "callback", callback="https://host:99999999/"),
    "callback-too-long": _job("callback-too-long", "callback", "too_large", callback="https://host/" + "x" * 4096),
    "metadata-is-no-text": _job("metadata-is-no-text", "metadata", metadata={"a secret": 7}),
    "metadata-too-large": _job("metadata-too-large", "metadata", "too_large", metadata={"a": "x" * 100_000}),
    "metadata-too-many": _job("metadata-too-many", "metadata", "too_large", metadata={f"{n}": "x" for n in range(1000)}),
}  # fmt: skip

USED = catalog_of(
    replace(ANYTHING, max_frames=256),
    replace(
        NOOP,
        name="scenes",
        engine="onnx",
        width=128,
        height=128,
        min_side=96,
        max_side=160,
        multiple=16,
        max_pixels=25600,
        steps=12,
        max_steps=50,
        guidance=3.0,
        cost=Cost(base_s=0.05, per_row_step_s=0.012),
    ),
    replace(NOOP, name="narrow", width=32, max_side=64, max_pixels=2048),
)
"""The models that these events are judged by."""
