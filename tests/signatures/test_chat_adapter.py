from __future__ import annotations

import inspect
from typing import Any, Literal, get_args, get_origin

import dspy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signatures import exam, items, judging, session, solving
from signatures.chat_adapter import ChatAdapter

SIGNATURES = [
    value for module in (session, items, judging, solving, exam) for value in vars(module).values()
    if inspect.isclass(value) and issubclass(value, dspy.Signature) and value.output_fields
]  # fmt: skip
COMPLAINT = dspy.InputField(desc="why your last answer was not accepted")


def example(signature: type[dspy.Signature], word: str) -> dict[str, Any]:
    """A value for each field that has its type."""
    values: dict[type, Any] = {bool: True, str: f"{word}\nand “more”", list[str]: [word, "b"]}
    return {
        name: get_args(field.annotation)[-1] if get_origin(field.annotation) is Literal
        else values.get(field.annotation, (word, "b"))
        for name, field in signature.fields.items()
    }  # fmt: skip


def messages(adapter: dspy.Adapter, signature: type[dspy.Signature], demos: int = 0) -> list[dict[str, Any]]:
    inputs = {name: example(signature, "now")[name] for name in signature.input_fields}
    shown = [example(signature, f"demo {number}") for number in range(demos)]
    formatted: list[dict[str, Any]] = adapter.format(signature, shown, inputs)
    return formatted


def assert_renders_as_dspy(signature: type[dspy.Signature], demos: int = 0) -> None:
    wanted = messages(dspy.ChatAdapter(), signature, demos)
    assert wanted[0]["role"] == "system"
    assert messages(ChatAdapter(), signature, demos) == wanted  # to be remembered
    assert messages(ChatAdapter(), signature, demos) == wanted  # from memory


@pytest.mark.parametrize("demos", [0, 2])
@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.__name__)
def test_every_signature_is_rendered_byte_for_byte_as_dspy_renders_it(
    signature: type[dspy.Signature], demos: int
) -> None:
    assert_renders_as_dspy(signature, demos)


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.__name__)
def test_a_signature_that_is_changed_is_rendered_as_it_is_now(signature: type[dspy.Signature]) -> None:
    messages(ChatAdapter(), signature)
    last = list(signature.output_fields)[-1]
    changed = [
        signature.with_instructions("Never name the emotion."),
        signature.append("complaint", COMPLAINT, str),
        signature.prepend("thoughts", dspy.OutputField(desc="<your thoughts>"), str),
        signature.with_updated_fields(last, desc="in one word"),
        signature.delete(next(iter(signature.input_fields))),
    ]
    systems = {messages(ChatAdapter(), each)[0]["content"] for each in [signature, *changed]}
    assert len(systems) == 1 + len(changed)
    for each in [*changed, signature]:
        assert_renders_as_dspy(each)


@settings(deadline=None, max_examples=30)
@given(st.text(min_size=1).filter(str.strip), st.text())
def test_any_instructions_are_rendered_as_dspy_renders_them(one: str, two: str) -> None:
    for text in (one, two or one, one):
        assert_renders_as_dspy(session.RespondAsTherapist.with_instructions(text), demos=1)


def test_instructions_that_are_set_in_place_are_rendered_as_they_are_now() -> None:
    """As `dspy.InferRules` does with the rules that it has found."""
    signature = session.RespondAsTherapist.with_instructions("You are the therapist.")
    assert_renders_as_dspy(signature)
    signature.instructions = "You are the therapist. Never give advice."
    assert_renders_as_dspy(signature)


def test_a_program_that_is_loaded_asks_with_the_instructions_it_was_saved_with(tmp_path: Any) -> None:
    plain, tuned = dspy.Predict(session.WriteCase), dspy.Predict(session.WriteCase)
    messages(ChatAdapter(), plain.signature)
    tuned.signature = tuned.signature.with_instructions("Write a case without any feeling word.")
    tuned.save(str(tmp_path / "tuned.json"))
    plain.load(str(tmp_path / "tuned.json"))
    assert_renders_as_dspy(plain.signature)
    assert "without any feeling word" in messages(ChatAdapter(), plain.signature)[0]["content"]


def test_the_system_message_of_a_signature_is_rendered_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[str] = []
    original = dspy.ChatAdapter.format_field_structure

    def noted(self: dspy.ChatAdapter, signature: type[dspy.Signature]) -> str:
        rendered.append(signature.instructions)
        return str(original(self, signature))

    monkeypatch.setattr(dspy.ChatAdapter, "format_field_structure", noted)
    signature = session.WriteCase.with_instructions("Render me once.")
    for _ in range(5):
        messages(ChatAdapter(), signature, demos=1)
    assert rendered == ["Render me once."]


@pytest.mark.parametrize("signature", SIGNATURES, ids=lambda signature: signature.__name__)
def test_answers_are_read_as_dspy_reads_them(signature: type[dspy.Signature]) -> None:
    outputs = {name: example(signature, "now")[name] for name in signature.output_fields}
    adapter = dspy.ChatAdapter()
    answer = adapter.format_assistant_message_content(signature, outputs)
    assert ChatAdapter().parse(signature, answer) == adapter.parse(signature, answer) == outputs
    with pytest.raises(dspy.utils.exceptions.AdapterParseError):
        ChatAdapter().parse(signature, "I would rather not.")
