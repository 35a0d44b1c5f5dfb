"""The card of a run's student, and handing both to the Hugging Face Hub."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi

from corpus.errors import RunError
from corpus.jsonl import write_text_atomically
from eval.report import Training
from eval.scores import Comparison, ScoreRow
from finetune.card import Change, ExamFacts, Score, StudentFacts, TrainingData, Tuning, write_model_card
from lms.spec import SCRIPTED
from runs.card import without_places
from runs.export.push import check_push, push_folder
from runs.folder import Run
from runs.items import read_kept
from runs.public_recipe import public_recipe

CARD = "README.md"
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_AGAINST = {"before": "untuned, plain prompt", "prompted": "untuned, compiled prompt"}
_STUDENT = {**_AGAINST, "after": "tuned"}


def write_student_card(run: Run, folder: Path) -> None:
    """Write README.md of the student into ``folder``; before the exam it says that nothing was examined.

    Raises:
        RunError: `train` is not done.
        DataError: a line of the items is wrong.
    """
    write_text_atomically(folder / CARD, write_model_card(gather_student_facts(run)))


def push_student(run: Run, repo: str, private: bool, api: HfApi | None = None) -> str:
    """Upload the tuned student with its card as model ``repo``, made if need be; return its address.

    Raises:
        UsageError: ``repo`` is not ORG/NAME, or there is no token.
        RunError: the student is not trained, or the Hub cannot be reached or refuses.
    """
    check_push(repo)
    run.require("train")
    folder = run.student_path / "tuned"
    if not (folder / "config.json").is_file():
        raise RunError(
            f"{folder} holds no student; remove {run.path / 'stages' / 'train.json'} and run `emoreason train` again"
        )
    write_student_card(run, folder)
    return push_folder(folder, repo, private, api, kind="model")


def gather_student_facts(run: Run) -> StudentFacts:
    """Gather what the card says, without paths of this machine; raises RunError and DataError, see above."""
    trained, examined = run.require("train"), run.finished("exam")
    recipe, manifest = run.recipe, run.manifest
    base = recipe.train.base
    return StudentFacts(
        name=recipe.name,
        seed=recipe.seed,
        base=without_places(base),
        base_on_hub=bool(_HUB_ID.fullmatch(base)) and not Path(base).exists(),
        config=recipe.train,
        tuning=_tuning(trained),
        data=_data(run, trained["with_items"]),
        exam=_exam(examined) if examined else None,
        recipe=public_recipe(recipe),
        versions=manifest["versions"],
    )


def _tuning(trained: dict[str, Any]) -> Tuning:
    found = Training.model_validate(trained)
    return Tuning(
        rows=found.rows,
        tokens=found.tokens,
        steps=found.steps,
        parameters=found.parameters,
        trained_parameters=found.trained_parameters,
        seconds=found.seconds,
        tokens_per_second=found.tokens_per_second,
        memory=found.peak_memory,
        best_step=found.best_step,
        train_loss=found.train_loss[-1][1] if found.train_loss else None,
        validation_loss=found.validation_loss[-1][1] if found.validation_loss else None,
        dropped=found.dropped,
        plan=[without_places(line) for line in found.plan],
    )


def _data(run: Run, others: int) -> TrainingData:
    items: dict[str, Counter[str]] = {part: Counter() for part in ("train", "validation", "heldout")}
    writers: Counter[str] = Counter()
    for placed in read_kept(run):
        items[placed.split][placed.item.task] += 1
        writers[without_places(placed.item.teacher)] += 1
    with run.items_path.open("rb") as file:
        fingerprint = hashlib.file_digest(file, "sha256").hexdigest()
    scripted = bool(writers) and all(writer.startswith(f"{SCRIPTED}/") for writer in writers)
    return TrainingData(items, others, fingerprint, writers, scripted)


def _exam(examined: dict[str, Any]) -> ExamFacts:
    rows = [ScoreRow.model_validate(row) for row in examined["exam"]]
    compared = [Comparison.model_validate(row) for row in examined["comparisons"]]
    scores = [(row.stage, _score(row)) for row in rows]
    return ExamFacts(
        scores=[score for _, score in scores],
        tuned=[score for stage, score in scores if stage == "after"],
        changes=[
            Change(_name(c), _AGAINST[c.against], c.lenient.delta, (c.lenient.low, c.lenient.high), c.verdict)
            for c in compared
        ],
        notice=_notice(examined["notice"]),
    )


def _score(row: ScoreRow) -> Score:
    return Score(
        exam=_name(row),
        student=_STUDENT[row.stage],
        n=row.n,
        answered=row.answered,
        strict=row.strict,
        lenient=row.lenient,
        interval=row.interval,
        chance=row.chance,
        best_constant=row.best_constant,
        longest_option=row.longest_option,
        choices_only=row.choices_only,
    )


def _name(row: ScoreRow | Comparison) -> str:
    return f"{row.benchmark}, {row.task} {row.mode}"


def _notice(notice: str) -> str:
    """The exam's notice with every path in it cut to its last part."""
    return " ".join(without_places(word) for word in notice.split())
