"""An exam of any model on any benchmark; every question, order, and sample is a row that a kill does not lose."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dspy
from dspy import lm15
from rich.console import Console

from corpus.errors import RunError, UsageError
from corpus.jsonl import write_text_atomically
from corpus.text import reason_of
from eval.answers import AnswerRow, mark_answer
from eval.asking import Ask, AskMode
from eval.benchmarks import Benchmark, Question
from eval.benchmarks.eqbench import RATING_RULES
from eval.benchmarks.official import OfficialPrompts
from eval.emobench import Language
from eval.predictions import write_predictions
from eval.reading import RULES
from eval.results import MAJORITY
from lms.build import Models
from lms.in_process.engine import InProcessEngine
from lms.ledger import Ledger
from lms.resilient import ResilientEngine
from lms.spec import TRANSFORMERS, ModelSpec
from runs.exam_paper import Paper, Unit
from runs.holding import hold_folder
from runs.journal import Journal
from runs.pool import run_units
from runs.progress import show_progress

EXAMINEE = "examinee"
IN_A_BATCH, AT_A_SERVER = 64, 32  # answers at once, unless the model's spec says otherwise
SETTINGS = "exam.json"
PREDICTIONS = "predictions"


@dataclass(frozen=True)
class Sitting:
    """What a model sits: benchmark name → source is ``sources``; orders and samples are counts, from 1."""

    spec: ModelSpec
    benchmarks: tuple[Benchmark, ...]
    sources: Mapping[str, str]
    lang: Language = "en"
    mode: AskMode = "generate"
    thinking: bool = False
    protocol: str = "own"
    official: OfficialPrompts | None = None
    orders: int = 1
    samples: int = 1
    limit: int | None = None

    @property
    def calls(self) -> int:
        """How many answers are asked for at once."""
        return self.spec.concurrency or (IN_A_BATCH if self.spec.provider == TRANSFORMERS else AT_A_SERVER)

    def settings(self) -> dict[str, Any]:
        """Return what decides an answer: rows of other settings do not belong beside it."""
        spec = self.spec
        return {
            "model": spec.identity, "temperature": spec.temperature, "top_p": spec.top_p, "top_k": spec.top_k,
            "max_tokens": spec.max_tokens, "num_ctx": spec.num_ctx, "think": spec.think, "seed": spec.seed,
            "structured": spec.structured, "extra": spec.extra, "mistakes": spec.mistakes, "mode": self.mode,
            "thinking": self.thinking, "protocol": self.protocol, "lang": self.lang, "reader": RULES,
            "rating_reader": RATING_RULES,
        }  # fmt: skip


def sit(sitting: Sitting, folder: Path, console: Console) -> dict[str, tuple[list[Question], list[AnswerRow]]]:
    """Ask all that is not answered yet, and return benchmark → (questions as published, rows of this sitting).

    The folder then holds, per benchmark, the rows, and of EmoBench's a prediction file in the official format.

    Raises:
        UsageError: likelihoods are asked of a model that is not in this process, or of questions without options; or
            the protocol is not for the benchmark; or several samples would be one answer.
        RunError: the folder holds an exam with other settings or weights, or a row that is none, or no exam at all; or
            another process works in it, or it cannot be written.
        DataError: a benchmark cannot be read.
        TeacherError, ModelError: the model is not there.
    """
    check_model(sitting)
    asked = {one: one.load(sitting.sources[one.name], sitting.lang, sitting.limit) for one in sitting.benchmarks}
    for benchmark, questions in asked.items():
        _check(sitting, benchmark, questions[0])
    # A model that never stops is cut at every answer; that is counted in the table, not warned about 800 times.
    logging.getLogger("dspy.clients.lm").setLevel(logging.ERROR)
    with ExitStack() as stack:
        stack.enter_context(hold_folder(folder, check=lambda: _refuse_foreign(folder)))
        _claim(folder, sitting.settings())
        ledger = stack.enter_context(Ledger("exam", folder / "calls.jsonl"))
        models = stack.enter_context(Models({EXAMINEE: sitting.spec}, ledger, sitting.calls, takes_cut=True))
        # A student that was tuned again has the name of the one before.
        _claim(folder, {"weights": hashlib.sha256(models.weights[EXAMINEE].encode()).hexdigest()[:12]})
        lm = models.lms[EXAMINEE]
        engine = lm.engine
        assert isinstance(engine, ResilientEngine)
        ranker = engine.engine
        papers = []
        for benchmark, questions in asked.items():
            ask = Ask(
                benchmark, sitting.mode, sitting.thinking, sitting.official, sitting.spec.model,
                ranker if isinstance(ranker, InProcessEngine) else None,
            )  # fmt: skip
            journal = stack.enter_context(Journal(folder / f"{benchmark.name}.jsonl"))
            papers.append(Paper(ask, questions, sitting.orders, sitting.samples, journal))
        _answer_all(sitting, papers, lm, engine, console)
    for paper in papers:
        if "task" in paper.questions[0].about and not all(row.error for row in paper.rows):
            official = sitting.official is not None
            write_predictions(folder / PREDICTIONS, sitting.spec.model, paper.questions, paper.rows, official)
    return {paper.ask.benchmark.name: (paper.questions, paper.rows) for paper in papers}


def _check(sitting: Sitting, benchmark: Benchmark, question: Question) -> None:
    """Refuse what would only be found out once the model is there; raises UsageError."""
    if sitting.official and "task" not in question.about:
        raise UsageError(f"--protocol official is that of EmoBench; examine on {benchmark.name} without it")
    if question.parts:
        return
    if sitting.mode != "generate":
        raise UsageError(f"{benchmark.name} has no options whose likelihood could be compared; leave --mode out")
    if sitting.protocol == MAJORITY:
        raise UsageError(
            f"--protocol {MAJORITY} counts which option is picked most, and {benchmark.name} has no options"
        )
    if sitting.orders > 1:
        raise UsageError(f"{benchmark.name} has no options that could stand in another order; leave --orders out")


def check_model(sitting: Sitting) -> None:
    """Refuse what cannot be asked of any model, or not of this one; raises UsageError, see `sit`."""
    if sitting.mode != "generate" and sitting.spec.provider != TRANSFORMERS:
        raise UsageError(
            f"--mode {sitting.mode} compares likelihoods, which {sitting.spec.model} does not give; name a model as "
            "transformers/PATH, or use --mode generate"
        )
    if sitting.samples == 1:
        return
    if sitting.mode != "generate":
        raise UsageError(f"{sitting.samples} samples of a likelihood are the same; use --mode generate, or --samples 1")
    if sitting.spec.temperature == 0:
        raise UsageError(
            f"{sitting.samples} samples at temperature 0 are the same answer; "
            "add --set temperature=0.6, or use --samples 1"
        )


def _answer_all(
    sitting: Sitting, papers: Sequence[Paper], lm: dspy.LM, engine: ResilientEngine, console: Console
) -> None:
    todo = [(paper, unit) for paper in papers for unit in paper.list_open()]
    total = sum(len(paper.units) for paper in papers)
    # A batch is computed in this process while others make the next one.
    threads = sitting.calls * (2 if sitting.spec.provider == TRANSFORMERS else 1)

    def answer(one: tuple[Paper, Unit]) -> tuple[Paper, AnswerRow]:
        paper, unit = one
        return paper, _answer(sitting, paper.ask, lm, engine, unit)

    with show_progress(console, "exam") as update:
        for paper, row in run_units(todo, answer, threads):
            paper.enter(row)
            update(sum(one.answered for one in papers), total, paper.ask.benchmark.name)


def _answer(sitting: Sitting, ask: Ask, lm: dspy.LM, engine: ResilientEngine, unit: Unit) -> AnswerRow:
    known: dict[str, Any] = {
        "id": unit.id, "question": unit.shown.id, "order": unit.order, "sample": unit.sample,
        "model": sitting.spec.identity, "prompt": unit.prompt, "keys": unit.shown.keys,
    }  # fmt: skip
    seed = sitting.spec.seed
    seeded = lm
    if unit.sample:
        seeded = lm.copy(rollout_id=unit.sample, seed=None if seed is None else seed + unit.sample)
    try:
        with dspy.context(lm=seeded, trace=[], disable_history=True):
            prediction = ask(question=unit.shown)
    except (dspy.LMError, lm15.LM15Error) as error:  # of a likelihood, which is not asked through DSPy, the second
        return AnswerRow(**known, error=reason_of(error))
    response = engine.last if sitting.mode == "generate" else None
    if response is not None:
        known |= {
            "finish": response.finish_reason or "",
            "input_tokens": response.usage.input_tokens,
            "output_tokens": response.usage.output_tokens,
        }
    return AnswerRow(**known, raw=prediction.raw, **mark_answer(ask.benchmark, unit.shown, prediction.answer))


def _refuse_foreign(folder: Path) -> None:
    """Raise RunError where an exam would mix its files, such as calls.jsonl, with those of something else."""
    if folder.is_dir() and not (folder / SETTINGS).exists() and any(path.name != ".lock" for path in folder.iterdir()):
        raise RunError(f"{folder} is not empty and holds no exam; name another folder with --out")


def _claim(folder: Path, settings: Mapping[str, Any]) -> None:
    """Write settings that are not yet known of the folder; raises RunError where it has others."""
    path = folder / SETTINGS
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
        changed = [
            f"{key} {before[key]!r} → {value!r}" for key, value in settings.items() if before.get(key, value) != value
        ]
    except FileNotFoundError:
        before, changed = {}, []
    except (ValueError, AttributeError) as error:
        raise RunError(f"{path}: holds no settings of an exam; name another folder with --out") from error
    if changed:
        raise RunError(f"{folder} holds an exam with other settings ({', '.join(changed)}); name another with --out")
    if before != (known := {**before, **settings}):
        write_text_atomically(path, json.dumps(known, indent=1) + "\n")
