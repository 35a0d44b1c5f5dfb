"""The fingerprint changes with every word that a model is asked, and with nothing else."""

from __future__ import annotations

import dspy
import pytest

from programs.concise import ConciseSession
from programs.converter import ItemConverter
from programs.fingerprint import LENGTH, fingerprint_prompts, predictors_of
from programs.mads import TherapySession
from programs.verify.sessions import SessionJudge
from programs.verify.verifier import Verifier


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


def showing(*demos: dict[str, object]) -> Program:
    program = Program(Ask)
    program.ask[0].demos = [dspy.Example(**demo) for demo in demos]
    return program


RAIN, SUN = {"scenario": "Rain.", "answer": "Gloom"}, {"scenario": "Sun.", "answer": "Joy"}


def test_order_and_repetition_of_signatures_do_not() -> None:
    other = Ask.with_instructions("Say why.")
    both = fingerprint_prompts([Program(Ask, other)])
    assert both == fingerprint_prompts([Program(other), Program(Ask, Ask)]) != BASE
    assert len(BASE) == LENGTH


def test_demonstrations_change_it_and_so_does_their_order() -> None:
    prints = {fingerprint_prompts([showing(*demos)]) for demos in ((), (RAIN,), (SUN,), (RAIN, SUN), (SUN, RAIN))}
    assert len(prints) == 5
    assert BASE in prints


def test_what_no_prompt_shows_does_not_change_it() -> None:
    whole_case = {"case": "an object of some kind"}
    half = {"answer": "Gloom"}
    assert fingerprint_prompts([showing(whole_case, half)]) == BASE
    assert fingerprint_prompts([showing({**RAIN, "augmented": True})]) == fingerprint_prompts([showing(RAIN)])


def test_the_name_of_a_class_is_no_word_of_the_prompt() -> None:
    renamed = Ask.with_instructions(Ask.instructions)  # as every optimizer leaves it
    assert renamed.__name__ != Ask.__name__
    assert fingerprint_prompts([Program(renamed)]) == BASE


def test_a_module_that_an_optimizer_has_marked_as_compiled_counts() -> None:
    outer = dspy.Module()
    outer.inner = Program(Ask)
    outer.inner._compiled = True
    assert not outer.named_predictors(), "DSPy passes over it"
    assert list(predictors_of(outer)) == ["inner.ask[0]"]
    assert fingerprint_prompts([outer]) == BASE


def test_every_program_of_the_project_has_one_of_its_own() -> None:
    programs = [ItemConverter(), TherapySession(), ConciseSession(), Verifier(), SessionJudge()]
    prints = {fingerprint_prompts([program]) for program in programs}
    assert len(prints) == len(programs)
