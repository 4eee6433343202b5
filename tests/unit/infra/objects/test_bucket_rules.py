"""Lifecycle rules, judged by what AWS says its requests look like."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("boto3", reason="needs the extra: s3")

from botocore.session import Session
from botocore.validate import validate_parameters

from infra.objects.s3_bucket import merged, rules

THEIRS: dict[str, Any] = {"ID": "theirs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 7}}


def check(given: list[dict[str, Any]]) -> None:
    operation = Session().get_service_model("s3").operation_model("PutBucketLifecycleConfiguration")
    validate_parameters({"Bucket": "b", "LifecycleConfiguration": {"Rules": given}}, operation.input_shape)


def test_old_outputs_are_archived_and_unfinished_uploads_removed_below_the_prefix_only() -> None:
    ours = rules("out", 90, "GLACIER_IR")
    check([THEIRS, *ours])
    assert all(rule["Filter"] == {"Prefix": "out/"} and rule["Status"] == "Enabled" for rule in ours)
    uploads, archive = ours
    assert uploads["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert archive["Transitions"] == [{"Days": 90, "StorageClass": "GLACIER_IR"}]


def test_without_archiving_only_uploads_have_a_rule() -> None:
    assert [rule["ID"] for rule in rules("", 0, "GLACIER_IR")] == ["darkroom-uploads "]
    assert rules("", 0, "x")[0]["Filter"] == {"Prefix": ""}


def test_rules_of_others_stay_and_our_own_are_replaced() -> None:
    other = rules("other", 30, "GLACIER")
    once = merged([THEIRS, *other], rules("out", 90, "GLACIER_IR"), "out")
    twice = merged(once, rules("out", 0, "GLACIER_IR"), "out")
    assert twice == [THEIRS, *other, *rules("out", 0, "GLACIER_IR")]


def test_the_check_knows_a_rule_that_is_none() -> None:
    with pytest.raises(Exception, match="Invalid type"):
        check([{**THEIRS, "Expiration": {"Days": "7"}}])
