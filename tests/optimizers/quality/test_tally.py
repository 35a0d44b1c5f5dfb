from __future__ import annotations

import pytest

from optimizers.quality.tally import MAX_SEEN, Tally, quote, say
from optimizers.quality.verdict import Verdict

WEIGHTS = {"format": 0.3, "leak": 1.0, "craft": 0.5}


def test_a_criterion_that_nobody_looked_at_has_no_score() -> None:
    tally = Tally(WEIGHTS)
    tally.look("craft", "format")
    assert tally.quality.scores == {"format": 1.0, "craft": 1.0}
    assert tally.quality.score == 1.0


def test_faults_of_a_criterion_multiply_and_are_told_to_those_who_made_them() -> None:
    tally = Tally(WEIGHTS)
    tally.look("leak", "craft")
    tally.find("craft", 0.5, "Closed.", ("therapist",))
    tally.find("craft", 0.5, "Long.", ("client",))
    tally.find("craft", 0.5, "Closed again.", ("therapist",))
    quality = tally.quality
    assert quality.verdicts == (
        Verdict("leak", 1.0),
        Verdict("craft", 0.125, "Closed. Closed again.", ("therapist",)),
        Verdict("craft", 0.125, "Long.", ("client",)),
    )
    assert quality.score == pytest.approx(1 - 0.5 * 0.875)  # the criterion is weighed once
    assert quality.feedback("program.mads.respond_as_therapist") == "Closed. Closed again."
    assert quality.feedback("program.mads.open_as_client") == "Long."
    assert quality.feedback("program.mads.supervise") == "Nothing to object to; keep what makes it so."


def test_looking_after_a_fault_does_not_mend_it() -> None:
    tally = Tally(WEIGHTS)
    tally.find("leak", 0, "Leaks.")
    tally.look("leak")
    assert tally.quality.scores == {"leak": 0.0}
    assert tally.score == 0.0


def test_a_sentence_says_the_fault_and_what_was_seen() -> None:
    assert say("the scenario says what is felt", "it says “sad”") == "The scenario says what is felt: it says “sad”."
    assert say("a fault") == "A fault."
    assert say("a fault", "An end.") == "A fault: An end."


def test_quoted_texts_are_cut() -> None:
    assert quote("one\n two") == "“one two”"
    assert len(quote("word " * 200)) <= MAX_SEEN + 2
