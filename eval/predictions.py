"""Prediction files in EmoBench's official format: read and marked without running a model, and written of our exams.

One JSON object per line, as the official script of EmoBench writes them: ``qid, lang`` and, for EA, ``category, label,
answer``; for EU ``coarse_category, finegrained_category, emo_label, emo_answer, cause_label, cause_answer``.  Labels
are letters; answers are whatever a model put in their place.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ConfigDict

from corpus.errors import DataError, UsageError
from corpus.jsonl import iter_objects, write_jsonl
from corpus.records import ApplicationItem, Task, UnderstandingItem
from eval.answers import AnswerRow
from eval.benchmarks import Question
from eval.benchmarks.official import parse_official
from eval.emobench import Language
from eval.exam import keys_of
from eval.likelihood import LIKELIHOOD
from eval.reading import find_object, read_field
from eval.scores import Mark
from eval.statistics import share_interval
from signatures.formats import LETTERS

Items = Sequence[UnderstandingItem | ApplicationItem]
# Per task: the field that holds the category, and the (label, answer) fields of each question.
CATEGORY: dict[Task, str] = {"EA": "category", "EU": "coarse_category"}
_FINE = "finegrained_category"  # EU only; nothing is scored by it
_QUESTIONS: dict[Task, tuple[tuple[str, str], ...]] = {
    "EA": (("label", "answer"),),
    "EU": (("emo_label", "emo_answer"), ("cause_label", "cause_answer")),
}
OVERALL = "Overall"


@dataclass(frozen=True)
class Prediction:
    """The answers to one item as they stand in a file, one per question."""

    line: int
    category: str
    labels: tuple[str, ...]
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Predictions:
    """Those of one task and language in a file, by item ID (``EA-17``)."""

    file: Path
    task: Task
    lang: Language
    rows: Mapping[str, Prediction]


class CategoryScore(BaseModel):
    """Shares in 0..1 of the ``n`` predictions in one category."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    n: int
    answered: float
    strict: float
    lenient: float


class FileScore(BaseModel):
    """The score of one task and language in a file; shares in 0..1.

    ``strict`` is the official score: the answer equals the letter.  ``lenient`` reads answers by the frozen rule of
    `eval.reading`; ``accuracy_answered`` is the lenient share among the answered, None when nothing was; ``interval``
    is the 95% one of `eval.statistics.share_interval` on ``lenient``, ``strict_interval`` on ``strict``.  ``rules``
    counts which rule read how many answers.  ``missing`` are items of the benchmark without a prediction; they are not
    part of ``n``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    file: str
    task: Task
    lang: Language
    n: int
    answered: float
    strict: float
    lenient: float
    accuracy_answered: float | None
    categories: dict[str, CategoryScore]
    interval: tuple[float, float]
    strict_interval: tuple[float, float]
    rules: dict[str, int]
    missing: int


def read_predictions(path: Path) -> list[Predictions]:
    """Read a file; one entry per task and language in it, in the order in which they come.

    Raises:
        DataError: it cannot be read, holds nothing, a row is of neither kind, or an item comes twice.
    """
    found: dict[tuple[Task, Language], dict[str, Prediction]] = defaultdict(dict)
    for number, row in iter_objects(path):
        where = f"{path}, line {number}"
        task, lang = _task_of(row, where), row.get("lang", "en")
        if lang not in get_args(Language):
            raise DataError(f"{where}: lang is {lang!r}, not {' or '.join(get_args(Language))}")
        if not isinstance(row.get("qid"), int | str):
            raise DataError(f"{where}: qid is missing or no whole number; write the item's number")
        key, rows = f"{task}-{row['qid']}", found[task, lang]
        if key in rows:
            raise DataError(f"{where}: qid {row['qid']} stands in line {rows[key].line} already; keep one of them")
        rows[key] = Prediction(
            number, str(row[CATEGORY[task]]),
            tuple(str(row[label]) for label, _ in _QUESTIONS[task]),
            tuple(_text_of(row[answer]) for _, answer in _QUESTIONS[task]),
        )  # fmt: skip
    if not found:
        raise DataError(f"{path}: holds no predictions")
    return [Predictions(path, task, lang, rows) for (task, lang), rows in found.items()]


def mark_predictions(predictions: Predictions, items: Items) -> list[Mark]:
    """Mark the predictions of a file against the items of its task and language.

    Raises:
        DataError: a prediction is of no item, or its label is not the item's: the options stood in another order.
    """
    by_id = {item.qid: item for item in items}
    marks = []
    for key, row in predictions.rows.items():
        where = f"{predictions.file}, line {row.line}"
        item = by_id.get(key)
        if item is None:
            raise DataError(f"{where}: the data has no item {key} in {predictions.lang}; is --data another benchmark?")
        keys = keys_of(item)
        if (labels := tuple(LETTERS[index] for index in keys)) != row.labels:
            raise DataError(
                f"{where}: the label is {', '.join(row.labels)}, in the data it is {', '.join(labels)}: "
                "the options stood in another order, or the data is another version"
            )
        marks.append(_mark(key, row, item, keys))
    return marks


def _mark(key: str, row: Prediction, item: UnderstandingItem | ApplicationItem, keys: list[int]) -> Mark:
    read = [
        read_field(answer, choices) for answer, (choices, _) in zip(row.answers, item.questions, strict=True)
    ]  # fmt: skip
    picks = tuple(pick for pick, _ in read)
    return Mark(
        id=key,
        raw=" | ".join(row.answers),
        answered=None not in picks,
        strict=row.answers == row.labels,
        lenient=list(picks) == keys,
        rules=tuple(
            rule or ("unread" if answer.strip() else "empty")
            for answer, (_, rule) in zip(row.answers, read, strict=True)
        ),
        picks=picks,
    )


def score_predictions(predictions: Predictions, items: Items) -> FileScore:
    """Score the predictions of one task and language; raises DataError, see `mark_predictions`."""
    marks = mark_predictions(predictions, items)
    groups: dict[str, list[Mark]] = defaultdict(list)
    for mark in marks:
        groups[predictions.rows[mark.id].category].append(mark)
    answered, lenient = sum(mark.answered for mark in marks), sum(mark.lenient for mark in marks)
    strict = sum(mark.strict for mark in marks)
    scenario = {item.qid: item.scenario for item in items}
    scenarios = [scenario[mark.id] for mark in marks]
    return FileScore(
        file=str(predictions.file),
        task=predictions.task,
        lang=predictions.lang,
        n=len(marks),
        answered=answered / len(marks),
        strict=strict / len(marks),
        lenient=lenient / len(marks),
        accuracy_answered=lenient / answered if answered else None,
        categories={name: _category(group) for name, group in sorted(groups.items())},
        interval=share_interval([mark.lenient for mark in marks], scenarios),
        strict_interval=share_interval([mark.strict for mark in marks], scenarios),
        rules=dict(Counter(rule for mark in marks for rule in mark.rules).most_common()),
        missing=len(items) - len(marks),
    )


def leaderboard(scores: Sequence[FileScore]) -> dict[Task, dict[str, dict[str, dict[str, float]]]]:
    """Return what the official script keeps in ``results/TASK/leaderboard.json``: per task, model, and language the
    strict share right of every category and ``Overall``.  A model's name is that of its file, without the ending.

    Raises:
        UsageError: two files of one task and language have one name.
    """
    tables: dict[Task, dict[str, dict[str, dict[str, float]]]] = defaultdict(lambda: defaultdict(dict))
    for score in scores:
        shares = {name: category.strict for name, category in score.categories.items()}
        languages = tables[score.task][Path(score.file).stem]
        if score.lang in languages:
            raise UsageError(f"{score.file}: another file has the same name, which is its model's; rename one of them")
        languages[score.lang] = shares | {OVERALL: score.strict}
    return {task: dict(models) for task, models in tables.items()}


def write_predictions(
    folder: Path, model: str, questions: Sequence[Question], rows: Sequence[AnswerRow], official: bool = False
) -> Path:
    """Write one answer to each question, that of order 0 and sample 0, as ``TASK/MODEL.jsonl``, and return the path.

    An answer is what the model put into the JSON field, as it stands, and empty when it put no text there or gave no
    answer; of likelihoods it is the letter picked.  So the strict score of the file is that of these rows.

    Args:
        folder: where the folders of the tasks stand.
        model: as it is declared; see `name_model`.
        questions: of one task of EmoBench and one language, as published.
        rows: those of the exam; each question has one of order 0 and sample 0.
        official: whether the answers were read as the official script reads: see `eval.benchmarks.official`.
    """
    first = {row.question: row for row in rows if row.order == row.sample == 0}
    path = folder / questions[0].about["task"] / f"{name_model(model)}.jsonl"
    write_jsonl(path, [_predict(question, first[question.id], official) for question in questions])
    return path


def name_model(model: str) -> str:
    """Return the name of a model's file: by the official script the last part of its path, with dots as underscores.

    Whatever else a file name should not hold, such as the colon of ``qwen3:8b``, becomes a hyphen.
    """
    return re.sub(r"[^\w-]", "-", model.rstrip("/").rpartition("/")[2].replace(".", "_"))


def _predict(question: Question, row: AnswerRow, official: bool) -> dict[str, Any]:
    task: Task = "EU" if question.about["task"] == "EU" else "EA"
    number = question.id.removeprefix(f"{task}-")
    known = {
        "qid": int(number) if re.fullmatch(r"0|[1-9][0-9]*", number) else number,
        "lang": question.lang,
        CATEGORY[task]: question.category,
    }
    if task == "EU":
        known[_FINE] = question.about["fine category"]
    for part, (label, answer), said in zip(
        question.parts, _QUESTIONS[task], _said(question, row, official), strict=True
    ):
        known |= {label: LETTERS[part.key], answer: said}
    return known


def _said(question: Question, row: AnswerRow, official: bool) -> list[str]:
    if row.rules and set(row.rules) == {LIKELIHOOD}:
        return [LETTERS[int(pick)] for pick in row.strict if pick is not None]
    found = parse_official(row.raw) if official else find_object(row.raw) or {}
    return [_text_of(found.get(part.field)) for part in question.parts]


def _category(marks: Sequence[Mark]) -> CategoryScore:
    n = len(marks)
    return CategoryScore(
        n=n,
        answered=sum(mark.answered for mark in marks) / n,
        strict=sum(mark.strict for mark in marks) / n,
        lenient=sum(mark.lenient for mark in marks) / n,
    )


def _task_of(row: Mapping[str, Any], where: str) -> Task:
    for task, questions in _QUESTIONS.items():
        wanted = {CATEGORY[task], *(field for pair in questions for field in pair)}
        if wanted <= row.keys():
            return task
    raise DataError(
        f"{where}: no prediction in EmoBench's format; a row has qid, lang, and category, label, answer (EA) or "
        "coarse_category, emo_label, emo_answer, cause_label, cause_answer (EU)"
    )


def _text_of(answer: Any) -> str:
    """A model may have put a number, a list, or null where a letter belongs; none of them is a letter.

    Half of a surrogate pair, which no file can hold, becomes a question mark.
    """
    return answer.encode("utf-8", "replace").decode("utf-8") if isinstance(answer, str) else ""
