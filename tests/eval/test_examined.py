"""Gains and losses item by item: categories, positions, rules, and which items tell most."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.config import Mode
from eval.exam import keys_of
from eval.examined import Examined, Share, by_category, by_position, count_rules, most_telling
from eval.reader import ANSWER_CHARACTERS, make_entry
from eval.scores import Mark, Stage

Item = UnderstandingItem | ApplicationItem


def mark(item: Item, right: bool, answered: bool = True, raw: str = "", shift: int = 1) -> Mark:
    picks = [key if right else (key + shift) % 4 for key in keys_of(item)] if answered else [None] * len(item.questions)
    rules = tuple("letter" if answered else "unread" for _ in item.questions)
    return Mark(id=item.qid, raw=raw, answered=answered, strict=right, lenient=right, rules=rules, picks=tuple(picks))


def examined(item: Item, mode: Mode = "generate", benchmark: str = "b", **marks: Mark) -> Examined:
    known: dict[tuple[Stage, Mode], Mark] = {(stage, mode): one for stage, one in marks.items()}  # type: ignore[misc]
    return Examined(benchmark, item, known)


def turned(items: Iterable[Item], before: bool, after: bool, mode: Mode = "generate") -> list[Examined]:
    return [examined(item, mode, before=mark(item, before), after=mark(item, after)) for item in items]


def test_categories_count_before_and_after(items: list[Item]) -> None:
    eas = [item for item in items if item.task == "EA"]
    (found,) = by_category(turned(eas[:2], False, True) + turned(eas[2:], True, True))
    assert (found.benchmark, found.task, found.mode, found.chance) == ("b", "EA", "generate", 0.25)
    assert sum(before.share * before.n for before, _ in found.cells.values()) == pytest.approx(len(eas) - 2)
    assert all(after.share == 1 for _, after in found.cells.values())
    assert sum(after.n for _, after in found.cells.values()) == len(eas)
    assert list(found.cells) == sorted(found.cells)


def test_a_student_who_was_asked_alone_is_not_compared(ea: ApplicationItem) -> None:
    alone = examined(ea, after=mark(ea, True))
    assert alone.modes == []
    assert by_category([alone]) == []
    assert most_telling([alone], "gained", 5) == []


def test_a_student_who_always_says_one_letter_is_seen(items: list[Item]) -> None:
    eas = [item for item in items if isinstance(item, ApplicationItem)]
    answers = {item.qid: keys_of(item)[0] == 1 for item in eas}
    marks = [mark(item, answers[item.qid], shift=1 - keys_of(item)[0]) for item in eas]
    (found,) = by_position(examined(item, after=one) for item, one in zip(eas, marks, strict=True))
    assert (found.question, found.stage) == ("EA", "after")
    assert found.chosen == [Share(0, 4), Share(4, 4), Share(0, 4), Share(0, 4)]
    assert found.right[1] is not None
    assert found.right[1].share == 1
    assert found.spread == 1
    assert sum(share.n for share in found.right if share) == len(eas)


def test_positions_of_both_questions_and_none_without_picks(eu: UnderstandingItem) -> None:
    both = by_position([examined(eu, before=mark(eu, True, answered=False), after=mark(eu, True))])
    assert [(row.question, row.stage) for row in both] == [
        ("EU cause", "before"), ("EU cause", "after"), ("EU emotion", "before"), ("EU emotion", "after"),
    ]  # fmt: skip
    assert not any(both[0].chosen), "nothing was chosen"
    old = mark(eu, True).model_copy(update={"picks": ()})
    assert by_position([examined(eu, after=old), examined(eu, "likelihood", after=mark(eu, True))]) == []


def test_rules_are_counted_for_written_answers(ea: ApplicationItem, eu: UnderstandingItem) -> None:
    shown = [examined(eu, after=mark(eu, True)), examined(ea, "likelihood", after=mark(ea, True))]
    assert count_rules(shown) == {("b", "EU", "after"): {"letter": 2}}


def test_written_answers_read_twice_tell_most_and_form_least(items: list[Item]) -> None:
    first, second, third, fourth = items[:4]
    known = [
        examined(first, before=mark(first, False, answered=False), after=mark(first, True)),
        examined(second, "likelihood", before=mark(second, False), after=mark(second, True)),
        examined(third, before=mark(third, False), after=mark(third, True)),
        examined(fourth, before=mark(fourth, True), after=mark(fourth, False)),
    ]
    gained = most_telling(known, "gained", 5)
    assert [one.examined.item.qid for one in gained] == [third.qid, second.qid, first.qid]
    assert [one.mode for one in gained] == ["generate", "likelihood", "generate"]
    assert [one.examined.item.qid for one in most_telling(known, "lost", 5)] == [fourth.qid]
    assert len(most_telling(known, "gained", 2)) == 2


def test_telling_items_are_spread_over_benchmarks(ea: ApplicationItem) -> None:
    def make(benchmark: str, number: int) -> Examined:
        item = ea.model_copy(update={"qid": f"{benchmark}{number}"})
        return examined(item, benchmark=benchmark, before=mark(item, False), after=mark(item, True))

    known = [make("a", n) for n in range(5)] + [make("b", n) for n in range(5)]
    assert [one.examined.item.qid for one in most_telling(known, "gained", 4)] == ["a0", "b0", "a1", "b1"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ((False, True), (True, True), "gained, generate"),
        ((False, False), (True, True), "gained by answering, generate"),
        ((True, True), (False, True), "lost, generate"),
        ((True, True), (False, False), "lost by not answering, generate"),
        ((True, True), (True, True), "right twice, generate"),
        ((False, True), (False, False), "wrong twice, generate"),
    ],
)
def test_a_gain_that_is_form_is_not_called_a_gain(
    ea: ApplicationItem, before: tuple[bool, bool], after: tuple[bool, bool], said: str
) -> None:
    entry = make_entry(examined(ea, before=mark(ea, *before), after=mark(ea, *after)))
    assert entry.outcomes == [said]


def test_answers_stand_in_order_and_are_cut(eu: UnderstandingItem) -> None:
    long = "x" * (ANSWER_CHARACTERS + 7)
    one = Examined(
        "b",
        eu,
        {
            ("after", "likelihood"): mark(eu, False, raw="[0, 1]"),
            ("after", "generate"): mark(eu, True, raw=long),
            ("before", "generate"): mark(eu, False, answered=False, raw="?"),
        },
    )
    answers = make_entry(one).answers
    assert [(a.stage, a.mode, a.verdict, a.read, a.text, a.cut) for a in answers] == [
        ("before", "generate", "not answered", "–, –", "?", 0),
        ("after", "generate", "right", "C, B", "x" * ANSWER_CHARACTERS, 7),
        ("after", "likelihood", "wrong", "D, C", "", 0),
    ]
