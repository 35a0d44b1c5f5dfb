"""Answers by likelihood: what is scored, and that both exams that score it ask for the same."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.asking import Ask
from eval.benchmarks import Answer, find_benchmark
from eval.benchmarks.emobench import question_of
from eval.exam import Exam
from eval.likelihood import answer_by, score_parts

Call = tuple[list[dict[str, str]], list[str], bool]


class Fond:
    """A scorer that likes some candidates, and remembers what it was given."""

    def __init__(self, likes: Callable[[str], bool]):
        self.likes, self.calls = likes, list[Call]()

    def score(self, messages: list[dict[str, str]], candidates: list[str], per_token: bool = True) -> list[float]:
        self.calls.append((messages, candidates, per_token))
        return [-1.0 if self.likes(text) else -2.0 for text in candidates]


def test_letters_are_scored_in_total_each_after_the_answer_before(eu: UnderstandingItem) -> None:
    scorer = Fond(lambda text: text.endswith('"C"'))
    scores = score_parts([{"role": "user", "content": "?"}], question_of(eu).parts, "letter", scorer)
    assert answer_by(scores) == Answer((2, 2), (2, 2), ("likelihood", "likelihood"))
    assert [(candidates[:2], per_token) for _, candidates, per_token in scorer.calls] == [
        (['{"answer_q1": "A"', '{"answer_q1": "B"'], False),
        (['{"answer_q1": "C", "answer_q2": "A"', '{"answer_q1": "C", "answer_q2": "B"'], False),
    ]
    assert [len(own) for own in scores] == [6, 4]


def test_sentences_are_scored_per_token_and_labels_in_total(ea: ApplicationItem, eu: UnderstandingItem) -> None:
    scorer = Fond(lambda text: False)
    for item in (ea, eu):
        score_parts([], question_of(item).parts, "text", scorer)
    assert [(next(reversed(json.loads(texts[0] + "}"))), per_token) for _, texts, per_token in scorer.calls] == [
        ("option", True), ("emotion", False), ("cause", True),
    ]  # fmt: skip


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
    any_model = Ask(find_benchmark(f"emobench-{task.lower()}"), "text", scorer=theirs)(question=question_of(item))
    assert ours.calls == theirs.calls
    assert (recipe.answer, recipe.raw) == (any_model.answer, any_model.raw)
    assert recipe.answer.lenient == tuple(len(choices) - 1 for choices, _ in item.questions)
