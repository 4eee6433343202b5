"""What a running process shows of itself: JSON logs, metrics, health."""

from infra.observe.serve import Observed, observe

__all__ = ["Observed", "observe"]
