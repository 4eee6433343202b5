from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import pytest

from contracts.tenants import Tenant, load_tenants
from infra.settings import HERE
from infra.tenants import TenantsFile
from tests.support.eventually import eventually


def written(folder: Path, text: str) -> Path:
    file = folder / "tenants.toml"
    file.write_text(text)
    return file


def test_without_a_file_nobody_is_limited_and_all_weigh_the_same() -> None:
    assert TenantsFile("").of("anybody") == Tenant(weight=1.0)


def test_the_example_that_is_shipped_can_be_read() -> None:
    acme = load_tenants(HERE / "tenants.toml").of("acme")
    assert (acme.weight, acme.jobs_per_s, acme.burst_jobs) == (3, 50, 50)


def test_a_named_tenant_takes_what_it_does_not_say_from_the_default(tmp_path: Path) -> None:
    said = load_tenants(written(tmp_path, "[default]\njobs_per_s = 2\nweight = 4\n[tenants.acme]\nweight = 7"))
    assert (said.of("acme").weight, said.of("acme").jobs_per_s, said.of("other").weight) == (7, 2, 4)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("[tenants.acme]\njobs_per_s = 'many'", "tenants.acme.jobs_per_s:"),
        ("[tenants.acme]\njobs_per_s = 0", "tenants.acme.jobs_per_s:"),
        ("[tenants.acme]\nbacklog_jobs = -1", "tenants.acme.backlog_jobs:"),
        ("[tenants.acme]\nwait = 1", "tenants.acme.wait:"),
        ("[default]\nweight = -1", "default.weight:"),
        ("[everybody]\nweight = 1", "everybody.weight:"),
        ("[tenants]\nacme = 5", "tenants.acme:"),
        ("[everyone]\njobs_per_s = 1", "everyone:"),
        ("weight = 1", "weight:"),
        ("[default", "Expected"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_by_the_name_of_the_field(tmp_path: Path, text: str, field: str) -> None:
    with pytest.raises(ValueError, match=r"tenants\.toml") as refused:
        TenantsFile(str(written(tmp_path, text)))
    assert field in str(refused.value)


async def test_a_changed_file_is_read_while_everything_runs_and_a_broken_one_changes_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    file = written(tmp_path, "[default]\nweight = 1")
    tenants = TenantsFile(str(file))
    following = asyncio.create_task(tenants.follow())
    written(tmp_path, "[default]\nweight = 25")
    await eventually(lambda: tenants.of("a").weight == 25)
    written(tmp_path, "[default]\nweight = 'heavy'")
    await eventually(lambda: "default.weight" in caplog.text)
    assert tenants.of("a").weight == 25
    file.unlink()
    await eventually(lambda: "No such file" in caplog.text)
    assert tenants.of("a").weight == 25
    written(tmp_path, "[default]\nweight = 9")
    await eventually(lambda: tenants.of("a").weight == 9)
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
