"""The shipped schema says what the code does."""

from __future__ import annotations

import jsonschema
import pytest

from contracts.codec import encode
from contracts.events import Inputs, Job, Result, Status
from contracts.export import asyncapi, files, schema_of


def test_generated_files_are_up_to_date() -> None:
    stale = [path.name for path, text in files().items() if path.read_text() != text]
    assert stale == [], "run `make schema`"


def test_schema_accepts_what_we_send_and_refuses_what_we_refuse() -> None:
    import json

    job = json.loads(encode(Job(id="a", tenant="t", task="text-to-image", inputs=Inputs(prompt="x"))))
    check = jsonschema.Draft202012Validator(schema_of(Job))
    check.validate(job)
    for bad in (job | {"id": "a/b"}, job | {"extra": 1}, job | {"inputs": {}}, job | {"priority": "vip"}):
        with pytest.raises(jsonschema.ValidationError):
            check.validate(bad)


def test_optional_parts_of_results_are_present_and_attempt_is_always_told() -> None:
    assert b'"outputs":[]' in encode(Result(id="a", tenant="t", state="cancelled"))
    assert b'"attempt":0' in encode(Status(id="a", tenant="t", state="queued", at=1.0, attempt=0))


def test_asyncapi_refers_only_to_messages_it_has() -> None:
    document = asyncapi()
    for channel in document["channels"].values():
        for ref in channel["messages"].values():
            assert ref["$ref"].rsplit("/", 1)[-1] in document["components"]["messages"]
