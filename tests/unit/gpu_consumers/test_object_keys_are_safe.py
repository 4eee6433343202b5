"""Keys made of ids and tenants that the contract allows."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.events import NAME_PATTERN
from gpu_consumers.upload import job_of, key_of, safe
from infra.objects.keys import safe_parts

names = st.from_regex(NAME_PATTERN) | st.sampled_from(
    [".", "..", "...", ":", "::", "-", "a:b", ".:", "..:", "A" * 128, "." * 128]
)


@settings(deadline=None)
@given(names, names)
def test_a_key_made_of_any_allowed_names_is_a_plain_path_of_four_segments(tenant: str, id: str) -> None:
    key = key_of(tenant, id, "2026-01-02/0123abcd-ff", 255, 7, "jpeg")
    parts = safe_parts(key)
    assert len(parts) == 4
    assert re.fullmatch(r"[A-Za-z0-9._~=/-]+", key)
    assert job_of(key) == (tenant, id)


@settings(deadline=None)
@given(names, names)
def test_different_names_never_share_a_segment(one: str, other: str) -> None:
    assert (safe(one) == safe(other)) == (one == other)


@settings(deadline=None)
@given(names, names)
def test_a_tenants_keys_never_begin_like_anothers(one: str, other: str) -> None:
    key = key_of(one, "x", "d/g", 0, 0, "png")
    assert key.startswith(f"{safe(other)}/") == (one == other)
