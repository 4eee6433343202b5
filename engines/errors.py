"""What can go wrong in an engine, classed by what the caller does next.

Texts name fields and limits, never what a field held: prompts and pictures stay out of messages.
Every error survives pickling, because engines usually live in a process of their own.
"""

from __future__ import annotations

from typing import ClassVar, Literal

Code = Literal["engine_error", "unsupported", "out_of_memory", "poison", "engine_broken"]


class EngineError(Exception):
    """Base of every error an engine raises on purpose.

    ``code`` is stable and fit for metrics and results; ``retryable`` says whether the same request may succeed
    when it runs again elsewhere.
    """

    code: ClassVar[Code] = "engine_error"
    retryable = False


class Unsupported(EngineError):
    """This model cannot do what the request asks. Reject it: it will not succeed anywhere this model runs."""

    code: ClassVar[Code] = "unsupported"

    def __init__(self, field: str, message: str, request_id: str = "") -> None:
        super().__init__(field, message, request_id)
        self.field = field
        self.message = message
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class Incompatible(Unsupported):
    """The request is fine but shares no forward pass with what runs now: admit it when the engine is empty."""

    code = "engine_error"
    retryable = True


class OutOfMemory(EngineError):
    """The device could not hold ``rows`` rows at once. Nothing moved: cancel some and step again."""

    code = "out_of_memory"
    retryable = True

    def __init__(self, rows: int) -> None:
        super().__init__(rows)
        self.rows = rows

    def __str__(self) -> str:
        return f"out of device memory with {self.rows} rows"


class Poison(EngineError):
    """This one request breaks the computation (not-a-number latents, say). Its neighbours are well."""

    code: ClassVar[Code] = "poison"

    def __init__(self, request_id: str, message: str) -> None:
        super().__init__(request_id, message)
        self.request_id = request_id
        self.message = message

    def __str__(self) -> str:
        return self.message


class EngineFault(EngineError):
    """Something unforeseen, of kind and place in the text. The engine lives and nothing moved: cancel some, step again.

    Whoever halves the batch finds the request that does it, if it is one.
    """

    retryable = True


class EngineBroken(EngineError):
    """The engine can do no more work: replace the process, run its requests elsewhere."""

    code = "engine_broken"
    retryable = True
