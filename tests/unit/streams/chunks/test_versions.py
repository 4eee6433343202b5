"""Libraries we did not test with are refused before anything is overridden."""

import pytest

from streams.chunks import UntestedVersion, versions


def test_tested_versions_are_installed() -> None:
    versions.check_versions()


@pytest.mark.parametrize("name", ["faust-streaming", "aiokafka"])
def test_untested_version_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(versions.TESTED, name, ("0.0.1",))
    with pytest.raises(UntestedVersion, match=name):
        versions.check_versions()
