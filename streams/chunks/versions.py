"""The versions whose private methods this package overrides. Another one may keep the names and change the meaning."""

from importlib.metadata import version

#: The hold, kill, churn and broker-restart tests pass with these; run them all before adding one.
TESTED = {"faust-streaming": ("0.15.3",), "aiokafka": ("0.14.0",)}


class UntestedVersion(RuntimeError):
    """An installed library is not one that the overrides were tested with."""


def check_versions() -> None:
    """Raise UntestedVersion for a library that the overrides were not tested with."""
    for name, tested in TESTED.items():
        found = version(name)
        if found not in tested:
            raise UntestedVersion(
                f"streams.chunks overrides private methods of {name} and was tested with {', '.join(tested)} only; "
                f"{found} is installed. Install a tested version, or run its integration and chaos tests and add yours to TESTED."
            )
