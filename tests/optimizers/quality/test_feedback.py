"""What is said of each mistake that the scripted teacher makes leads its reflection to a rule against it."""

from __future__ import annotations

import pytest

from corpus.config import CurateConfig
from corpus.records import Method
from lms.scripted.mistakes import KINDS, Mistakes
from lms.scripted.names import MISTAKES, Mistake
from lms.scripted.prompt import Prompt
from lms.scripted.reflection import _spoken_of, propose
from optimizers.cases import ItemCase, SessionCase
from optimizers.quality.items import ItemQuality
from optimizers.quality.session import SessionQuality
from tests.optimizers.quality.conftest import Tried

# Who is told of a mistake in a session.  A dialogue in one call is asked from the start not to repeat a message.
OF_SESSIONS: dict[tuple[Mistake, Method], str] = {
    ("names_feeling", "mads"): "continue_as_client",
    ("speaks_for_both", "mads"): "continue_as_client",
    ("repeats_turn", "mads"): "respond_as_therapist",
    ("closed_question", "mads"): "respond_as_therapist",
    ("early_advice", "mads"): "respond_as_therapist",
    ("breaks_format", "mads"): "open_as_client",
    ("names_feeling", "concise"): "write_dialogue",
    ("speaks_for_both", "concise"): "write_dialogue",
    ("closed_question", "concise"): "write_dialogue",
    ("early_advice", "concise"): "write_dialogue",
    ("breaks_format", "concise"): "write_case",
}
SPOKEN = {mistake for mistake, _ in OF_SESSIONS} - {"breaks_format"}
OF_ITEMS = [mistake for mistake in MISTAKES if mistake not in SPOKEN]


def learned_from(feedback: str) -> list[Mistake]:
    """The mistakes against which a prompt has a rule once it is rewritten with this feedback."""
    inputs = {"current_instruction": "Do your part.", "dataset_with_feedback": feedback}
    new = propose(Prompt(inputs, ("new_instruction",), "chat", 1), Mistakes({}))["new_instruction"]
    return [name for name in MISTAKES if KINDS[name].rule in new]


@pytest.mark.parametrize("mistake", OF_ITEMS)
def test_mistakes_of_items_are_learned_from(mistake: Mistake, item_cases: list[ItemCase], try_item: Tried) -> None:
    assess = ItemQuality({}, CurateConfig(), judge=True, votes=2, seed=1)
    for case in item_cases:
        attempt, clean = try_item(case, **{mistake: 1.0}), try_item(case)
        if attempt.outcome == clean.outcome and not attempt.retries:
            continue  # it cannot be made here, such as a near-synonym where there is none
        quality = assess(case, attempt)
        predictor = "write_understanding" if case.moment.task == "EU" else "write_application"
        assert quality.score <= (0.85 if mistake == "breaks_format" else 0)
        said = quality.feedback(f"program.{predictor}")
        assert _spoken_of(mistake, said)
        assert learned_from(said) == [mistake]
        return
    pytest.fail("the mistake was never made")


@pytest.mark.parametrize(("mistake", "method", "predictor"), [(*key, name) for key, name in OF_SESSIONS.items()])
def test_mistakes_of_sessions_are_learned_from(
    mistake: Mistake,
    method: Method,
    predictor: str,
    session_cases: dict[Method, list[SessionCase]],
    try_session: Tried,
) -> None:
    case = session_cases[method][0]
    quality = SessionQuality({}, judge=True, seed=1)(case, try_session(case, **{mistake: 1.0}))
    said = quality.feedback(f"program.{method}.{predictor}")
    assert quality.score < 0.9
    assert _spoken_of(mistake, said)
    assert learned_from(said) == [mistake]
