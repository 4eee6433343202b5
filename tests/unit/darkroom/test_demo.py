from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from contracts.catalog import load_catalog
from darkroom.build import checked
from darkroom.demo.plan import Part, plan
from darkroom.demo.progress import table as live_table
from darkroom.demo.report import table
from darkroom.demo.sheet import CELL, COLUMNS, Print, draw_sheet
from darkroom.demo.story import Course
from infra.settings import Models
from streams.policy import validate
from streams.policy.rejected import Rejected


@pytest.mark.parametrize("model", [None, "noop"])
def test_the_plan_fits_the_models_but_for_the_one_job_meant_to_be_invalid(model: str | None) -> None:
    models = validate.Models(load_catalog(Path(Models().catalog)))
    refused = [part for part in plan(model) if _refused(models, part)]
    assert [part.ends for part in refused] == ["rejected"]


def _refused(models: validate.Models, part: Part) -> bool:
    try:
        validate.check(checked(part.job), models.choose(part.job.model, part.job.task), 0)
    except Rejected:
        return True
    return False


def test_the_plan_shows_three_tenants_three_tiers_and_every_odd_end() -> None:
    parts = plan(None)
    assert len({part.job.tenant for part in parts}) == 3
    assert len({part.job.priority for part in parts}) == 3
    ends = Counter(part.ends for part in parts)
    assert {end: count for end, count in ends.items() if end != "succeeded"} == dict.fromkeys(
        ("rejected", "conflict", "cancelled", "expired"), 1
    )
    assert len(parts) == 24


def test_an_end_that_was_not_planned_is_noticed() -> None:
    course = Course(number=1, part=plan(None)[0], state="failed", over=True)
    assert not course.as_expected
    course.state = "succeeded"
    assert course.as_expected
    course.over = False
    assert not course.as_expected


def test_both_tables_have_a_row_for_each_job() -> None:
    courses = [Course(number=number, part=part) for number, part in enumerate(plan(None), start=1)]
    assert live_table(courses).row_count == len(courses)
    assert table(courses).row_count >= len(courses)


def test_the_contact_sheet_holds_every_picture_whole(tmp_path: Path) -> None:
    prints = []
    for number in range(COLUMNS + 1):
        file = tmp_path / f"{number}.png"
        Image.new("RGB", (40, 20 + number), (200, 30 * number, 0)).save(file)
        prints.append(Print(file=file, caption=f"picture {number}", credit="acme"))
    draw_sheet(prints, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > COLUMNS * CELL
        colours = {colour for _, colour in sheet.getcolors(1 << 24) or ()}
    assert {(200, 30 * number, 0) for number in range(COLUMNS + 1)} <= colours
