from __future__ import annotations

import ast
import re
from pathlib import Path

import dspy
import pytest

import programs
from optimizers.quality.refusals import REFUSALS, enter_refusals, judge_failure
from optimizers.quality.tally import Tally
from programs.asking import WITHHELD
from signatures.judging import CLIENT_FAULTS

NAMED = re.compile(r"^([a-z][a-z ]+): ")


def names_of_complaints() -> set[str]:
    """Every ``name: …`` that a check of the programs returns, or that the asker makes itself."""
    texts = list(WITHHELD.values())
    for path in Path(programs.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and re.search("check|why_not", node.name):
                inside: list[ast.AST] = [found for found in ast.walk(node) if isinstance(found, ast.Return)]
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "complaint":
                inside = [node]
            else:
                continue
            texts += [str(part.value) for found in inside for part in ast.walk(found) if isinstance(part, ast.Constant)]
    return {match[1] for text in texts if (match := NAMED.match(text))}


def test_every_complaint_of_the_programs_has_its_sentence() -> None:
    assert names_of_complaints() == set(REFUSALS)


@pytest.mark.parametrize(
    ("complaints", "score"),
    [({}, 1.0), ({"client: too long": 1}, 0.5), ({"client: too long": 2, "therapist: no question": 1}, 0.25)],
)
def test_each_refused_answer_lowers_the_score(complaints: dict[str, int], score: float) -> None:
    tally = Tally({"format": 0.3})
    enter_refusals(
        tally, dspy.Prediction(complaints=complaints, retries=sum(complaints.values())), lambda role: (f"as_{role}",)
    )
    assert tally.quality.scores["format"] == pytest.approx(score)
    told = {verdict.asks: verdict.feedback for verdict in tally.quality.verdicts if verdict.feedback}
    assert set(told) == {(f"as_{key.partition(':')[0]}",) for key in complaints}


def test_a_failure_is_worth_nothing_and_says_why() -> None:
    quality = judge_failure("client: speaks for both: write one person's words only", {"client: speaks for both": 4})
    assert (quality.score, quality.scores) == (0.0, {"format": 0.0})
    assert "write one person's words only" in quality.feedback("any")
    assert CLIENT_FAULTS["speaks_for_both"][1:] in quality.feedback("any")
