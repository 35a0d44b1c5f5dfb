from __future__ import annotations

import pytest
import torch

from lms.in_process.ends import RowEnds, cut_at_stop
from lms.in_process.job import Job

END = 0


def decode(ids: list[int]) -> str:
    """One letter per token."""
    return "".join(chr(97 + token) for token in ids)


def feed(rows: RowEnds, prompt: list[list[int]], answers: list[list[int]]) -> list[list[bool]]:
    """What `generate` is told after each token."""
    steps = range(1, len(answers[0]) + 1)
    return [rows(torch.tensor([p + a[:n] for p, a in zip(prompt, answers, strict=True)]), None).tolist() for n in steps]


def test_rows_end_at_their_own_end_token_stop_string_or_limit() -> None:
    jobs = [Job([], 9), Job([], 9, stop=("zz", "cd")), Job([], 2), Job([], 4, stop=("x",))]
    rows = RowEnds(jobs, 2, {END, 25}, decode)
    done = feed(rows, [[9, 9]] * 4, [[1, END, 1, 1], [1, 2, 3, 1], [1, 1, 1, 1], [1, 1, 1, 1]])
    assert done == [[False] * 4, [True, False, True, False], [True] * 3 + [False], [True] * 4]
    assert rows.ends == [(1, True), (3, True), (2, False), (4, False)]


def test_the_prompt_does_not_stop_an_answer() -> None:
    rows = RowEnds([Job([], 5, stop=("cd",))], 2, {END}, decode)
    assert feed(rows, [[2, 3]], [[1, 2]]) == [[False], [False]]


def test_a_stop_string_far_into_an_answer_is_met() -> None:
    answer = [5] * 200 + [10, 1, 1, 10]
    rows = RowEnds([Job([], 300, stop=("kbbk",))], 1, {END}, decode)
    assert [row[0] for row in feed(rows, [[1]], [answer])] == [False] * 203 + [True]


@pytest.mark.parametrize(
    ("stops", "text"),
    [((), "one two three"), (("two",), "one "), (("three", "two"), "one "), (("four",), "one two three"), (("o",), "")],
)
def test_text_is_cut_before_the_stop_string_that_comes_first(stops: tuple[str, ...], text: str) -> None:
    assert cut_at_stop("one two three", stops) == text
