"""A record that is no event is refused by field, and never by its value."""

from __future__ import annotations

import pytest

from contracts.codec import Decoder, Invalid, encode, read_loosely
from contracts.events import Inputs, Job

decode = Decoder(Job)
GOOD = Job(id="a-1", tenant="acme", task="text-to-image", inputs=Inputs(prompt="a red circle"))


def _event(**changes: str) -> bytes:
    fields = {"id": '"a-1"', "tenant": '"acme"', "task": '"text-to-image"', "inputs": '{"prompt": "a red circle"}'}
    return ("{" + ", ".join(f'"{name}": {value}' for name, value in (fields | changes).items() if value) + "}").encode()


def test_what_is_encoded_decodes_to_the_same() -> None:
    assert decode(encode(GOOD)) == GOOD == decode(_event())


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (None, "event"),
        (b"", "event"),
        (b"\x00\x01", "event"),
        (b"[]", "event"),
        (b"null", "event"),
        (b"{" * 100_000, "event"),
        (b'{"id":' * 100_000, "id"),
        (_event(id=""), "id"),
        (_event(id="7"), "id"),
        (_event(id='"../x"'), "id"),
        (_event(id='"a\\n"'), "id"),
        (_event(id='""'), "id"),
        (_event(id='"' + "x" * 10_000 + '"'), "id"),
        (_event(tenant='"a b"'), "tenant"),
        (_event(task='"text-to-smell"'), "task"),
        (_event(surprise="1"), "surprise"),
        (_event(inputs="{}"), "inputs.prompt"),
        (_event(inputs='{"prompt": 7}'), "inputs.prompt"),
        (_event(inputs='{"prompt": "x", "width": NaN}'), "inputs.width"),
        (_event(inputs='{"prompt": "x", "guidance": Infinity}'), "inputs.guidance"),
        (_event(inputs='{"prompt": "x", "width": 1.5}'), "inputs.width"),
        (_event(inputs='{"prompt": "x", "colour": "red"}'), "inputs.colour"),
        (_event(inputs='{"prompt": "x", "format": "exe"}'), "inputs.format"),
        (_event(metadata='{"a": 1}'), "metadata"),
        (b'{"id": "a", "inputs": {"prompt": "\xff"}}', "inputs.prompt"),
    ],
)
def test_bad_record_names_the_field(body: bytes | None, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        decode(body)
    assert caught.value.field.startswith(field)


def test_error_never_quotes_the_value() -> None:
    for bad in (_event(task='"secret"'), _event(id='"secret!"'), _event(inputs='{"prompt": ["secret"]}')):
        with pytest.raises(Invalid) as caught:
            decode(bad)
        assert "secret" not in str(caught.value)


def test_sender_of_a_broken_record_can_still_be_read() -> None:
    assert read_loosely(b'{"id": "a", "x": NaN, "y": "\xff"}')["id"] == "a"
    assert read_loosely(b"{" * 100_000) is None
    assert read_loosely(None) is None
