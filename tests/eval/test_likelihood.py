"""Answers by likelihood: what is compared, and that both exams that compare it ask for the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.asking import Ask
from eval.benchmarks import Answer, find_benchmark
from eval.benchmarks.emobench import question_of
from eval.exam import Exam
from eval.likelihood import answer_by, score_parts
from lms.in_process.job import Step


class Fond:
    """A ranker that likes some texts, and remembers what it was asked."""

    def __init__(self, likes: Callable[[str], bool]):
        self.likes, self.calls = likes, list[tuple[Sequence[dict[str, str]], Sequence[Step]]]()

    def rank(self, messages: Sequence[dict[str, str]], steps: Sequence[Step]) -> list[list[float]]:
        self.calls.append((messages, steps))
        return [[-1.0 if self.likes(text) else -2.0 for text in step.texts] for step in steps]


def test_letters_are_compared_in_total_each_after_the_answer_before(eu: UnderstandingItem) -> None:
    ranker = Fond(lambda text: text.endswith('"C'))
    scores = score_parts([{"role": "user", "content": "?"}], question_of(eu).parts, "letter", ranker)
    assert answer_by(scores) == Answer((2, 2), (2, 2), ("likelihood", "likelihood"))
    ((_, steps),) = ranker.calls
    assert [(step.texts[:2], step.per_token) for step in steps] == [
        (('{"answer_q1": "A', '{"answer_q1": "B'), False),
        (('", "answer_q2": "A', '", "answer_q2": "B'), False),
    ]
    assert [len(own) for own in scores] == [6, 4]


def test_sentences_are_compared_per_token_and_labels_in_total(ea: ApplicationItem, eu: UnderstandingItem) -> None:
    ranker = Fond(lambda text: False)
    for item in (ea, eu):
        score_parts([], question_of(item).parts, "text", ranker)
    written = ["".join(step.texts[0] for step in steps) + "}" for _, steps in ranker.calls]
    assert [list(json.loads(text)) for text in written] == [["option"], ["emotion", "cause"]]
    assert [[step.per_token for step in steps] for _, steps in ranker.calls] == [[True], [False, True]]


def test_of_equals_the_first_is_taken() -> None:
    assert answer_by([[-2.0, -1.0, -1.0]]).lenient == (1,)


@pytest.mark.parametrize("task", ["EA", "EU"])
def test_an_item_is_asked_in_the_same_words_by_both_exams(
    task: str, ea: ApplicationItem, eu: UnderstandingItem
) -> None:
    item = ea if task == "EA" else eu
    last = tuple(f'"{choices[-1]}"' for choices, _ in item.questions)
    ours, theirs = (Fond(lambda text: text.endswith(last)) for _ in range(2))
    recipe = Exam("likelihood", "option", ours)(item=item)
    any_model = Ask(find_benchmark(f"emobench-{task.lower()}"), "text", ranker=theirs)(question=question_of(item))
    assert ours.calls == theirs.calls
    assert (recipe.answer, recipe.raw) == (any_model.answer, any_model.raw)
    assert recipe.answer.lenient == tuple(len(choices) - 1 for choices, _ in item.questions)
