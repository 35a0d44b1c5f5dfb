"""The fingerprint changes with every word that a model is asked, and with nothing else."""

from __future__ import annotations

import dspy
import pytest

from programs.concise import ConciseSession
from programs.converter import ItemConverter
from programs.mads import TherapySession
from programs.verify.sessions import SessionJudge
from programs.verify.verifier import Verifier
from runs.fingerprint import LENGTH, fingerprint_prompts


class Ask(dspy.Signature):
    """Say what is felt."""

    scenario: str = dspy.InputField(desc="the scenario")
    answer: str = dspy.OutputField(desc="one word")


class Program(dspy.Module):
    def __init__(self, *signatures: type[dspy.Signature]) -> None:
        super().__init__()
        self.ask = [dspy.Predict(signature) for signature in signatures]


BASE = fingerprint_prompts([Program(Ask)])


@pytest.mark.parametrize(
    "changed",
    [
        Ask.with_instructions("Say what was felt."),
        Ask.with_updated_fields("scenario", desc="the story"),
        Ask.with_updated_fields("answer", type_=bool),
        Ask.append("why", dspy.OutputField(desc="why"), str),
        Ask.delete("scenario"),
    ],
    ids=["instructions", "description", "type", "field more", "field less"],
)
def test_a_changed_word_changes_it(changed: type[dspy.Signature]) -> None:
    assert fingerprint_prompts([Program(changed)]) != BASE


def test_order_repetition_and_demonstrations_do_not() -> None:
    other = Ask.with_instructions("Say why.")
    both = fingerprint_prompts([Program(Ask, other)])
    assert both == fingerprint_prompts([Program(other), Program(Ask, Ask)]) != BASE
    shown = Program(Ask)
    shown.ask[0].demos = [dspy.Example(scenario="Rain.", answer="Gloom")]
    assert fingerprint_prompts([shown]) == BASE
    assert len(BASE) == LENGTH


def test_every_program_of_the_project_has_one_of_its_own() -> None:
    programs = [ItemConverter(), TherapySession(), ConciseSession(), Verifier(), SessionJudge()]
    prints = {fingerprint_prompts([program]) for program in programs}
    assert len(prints) == len(programs)
