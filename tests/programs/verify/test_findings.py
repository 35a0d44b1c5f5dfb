from __future__ import annotations

import dspy
import pytest

from programs.verify.findings import Finding, confirm, read_scores

FAULT_OF = {"cites": "generic_explanation", "stays_within": "foreign_fact"}


def looks_of(*looks: str) -> tuple[list[str], Finding]:
    """What was looked at, and what was found; each look is a word whose letters are the faults."""
    waiting, made = list(looks), list[str]()

    def look() -> Finding:
        made.append(waiting.pop(0))
        return Finding(tuple(made[-1]), f"look {len(made)}")

    return made, confirm(look)


@pytest.mark.parametrize(
    ("looks", "faults"),
    [
        ([""], ""),  # nothing found: one look
        (["a", "a", "a"], "a"),
        (["a", "a", "", "a"], "a"),
        (["a", "", "a", "a"], "a"),
        (["a", "a", "", ""], ""),
        (["a", "", ""], ""),  # no third look can bring two
        (["a", "b", "b"], ""),  # a further look confirms, it does not accuse
        (["ab", "b", "b"], "b"),  # what one fault decides needs no further look
        (["ba", "ab", "ab"], "ba"),
        (["ab", "a", "b", "ab"], "ab"),
        (["ab", "a", "b", ""], ""),
    ],
)
def test_a_fault_stands_when_two_of_three_more_looks_find_it_too(looks: list[str], faults: str) -> None:
    made, found = looks_of(*looks)
    assert made == looks
    assert found == Finding(tuple(faults), f"look {len(looks)}")


def test_a_score_of_no_is_a_fault_and_partly_is_none() -> None:
    answer = dspy.Prediction(remarks=" Seen. ", cites="partly", stays_within="no")
    assert read_scores(answer, FAULT_OF) == Finding(("foreign_fact",), "Seen.")
    answer = dspy.Prediction(remarks="Seen.", cites="yes", stays_within="yes")
    assert read_scores(answer, FAULT_OF).faults == ()
