"""Alert rules: of the right shape, and about metrics that exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric

from contracts.metrics import SECONDS, Metrics

ALERTS = Path(__file__).resolve().parents[4] / "infra" / "monitoring" / "alerts"
DURATION = re.compile(r"[0-9]+(s|m|h|d)")
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_count", "_sum"), "gauge": ("",)}
GIVEN = {"le", "instance", "job"}
"""Labels that Prometheus and histograms add."""


def samples() -> dict[str, set[str]]:
    """Every name that can be scraped, with its labels."""
    registry = CollectorRegistry()
    kept = Metrics(registry)
    labels = {one._name: set(one._labelnames) for one in vars(kept).values()}
    families: Iterator[Metric] = registry.collect()  # type: ignore[assignment]
    return {family.name + suffix: labels[family.name] for family in families for suffix in SUFFIXES[family.type]}


def faults(document: Any) -> list[str]:
    """What is wrong with a file of rules."""
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    names = [rule["alert"] for rule in rules]
    twice = {name for name in names if names.count(name) > 1}
    return [f"{name} is there twice" for name in twice] + [fault for rule in rules for fault in of_rule(rule)]


def of_rule(rule: dict[str, Any]) -> Iterator[str]:
    if set(rule) != {"alert", "expr", "for", "labels", "annotations"}:
        yield f"{rule['alert']}: fields {sorted(rule)}"
    if not DURATION.fullmatch(str(rule.get("for"))):
        yield f"{rule['alert']}: for"
    if rule.get("labels", {}).get("severity") not in {"warning", "critical"}:
        yield f"{rule['alert']}: severity"
    if set(rule.get("annotations", {})) != {"summary", "description"}:
        yield f"{rule['alert']}: annotations"
    yield from (f"{rule['alert']}: {fault}" for fault in of_expression(rule["expr"]))


def of_expression(text: str) -> Iterator[str]:
    known = samples()
    for name in re.findall(r"\bdarkroom_\w+", text):
        if name not in known:
            yield f"there is no metric {name}"
    for name, matchers in re.findall(r"(darkroom_\w+)\{([^}]*)\}", text):
        for label in re.findall(r"(\w+)\s*[=!]", matchers):
            if label not in known.get(name, set()) | GIVEN:
                yield f"{name} has no label {label}"
    for opening, closing in ("()", "{}", "[]"):
        if text.count(opening) != text.count(closing):
            yield f"unbalanced {opening}{closing}"


FILES = sorted(ALERTS.glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_rules_are_of_prometheus_shape_and_about_metrics_that_exist(file: Path) -> None:
    assert faults(yaml.safe_load(file.read_text())) == []


def test_a_slow_upload_is_told_at_half_a_second_exactly() -> None:
    (rule,) = [
        rule
        for group in yaml.safe_load((ALERTS / "objects.yaml").read_text())["groups"]
        for rule in group["rules"]
        if rule["alert"] == "DarkroomUploadsSlow"
    ]
    assert rule["expr"].endswith("> 0.5")
    assert 0.5 in SECONDS, "else the quantile is a guess between two edges"


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"expr": "darkroom_object_second_bucket > 1"}, "no metric"),
        ({"expr": "darkroom_object_seconds > 1"}, "no metric"),
        ({"expr": 'darkroom_object_seconds_bucket{word="put"} > 1'}, "no label word"),
        ({"expr": "sum(darkroom_object_calls > 1"}, "unbalanced"),
        ({"for": "soon"}, "for"),
        ({"labels": {}}, "severity"),
        ({"annotations": {"summary": "x"}}, "annotations"),
        ({"annotation": {}}, "fields"),
    ],
)
def test_the_check_sees_what_is_wrong(change: dict[str, Any], fault: str) -> None:
    good = {
        "alert": "A", "expr": "darkroom_object_calls > 1", "for": "5m", "labels": {"severity": "warning"},
        "annotations": {"summary": "s", "description": "d"},
    }  # fmt: skip
    assert faults({"groups": [{"name": "g", "rules": [good]}]}) == []
    (found,) = faults({"groups": [{"name": "g", "rules": [{**good, **change}]}]})
    assert fault in found
