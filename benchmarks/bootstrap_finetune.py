"""What DSPy's BootstrapFinetune makes of a tiny student, through the project's own provider, with a scripted teacher.

The teacher answers the exam's own prompts; answers that are right are what the student is tuned on.  The student has
random weights and is examined on items of other sessions.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dspy
from dspy.teleprompt import BootstrapFinetune

from benchmarks.judge import scripted, write_items
from benchmarks.table import Row, most
from corpus.assemble import assemble_items
from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import ApplicationItem, UnderstandingItem
from eval.exam import Exam, keys_of
from eval.statistics import paired_change
from finetune.config import ScratchConfig
from finetune.provider import TRLProvider
from finetune.rows import make_row
from finetune.scratch import make_student
from lms.in_process.engine import InProcessEngine
from signatures.exam_adapter import ExamAdapter

SESSIONS, HELD_OUT, SEED = 120, 25, 5  # sessions; of them the last so many are for the exam
MOST_HELD_OUT = 120  # items
# One kind of understanding and one of application, as in recipes/quickstart.yaml: few situations, which so small a
# student can learn.
WEIGHTS = {"unexpected_outcome": 1.0} | dict.fromkeys(
    (
        "complex_emotions", "emotional_cues", "personal_beliefs_and_experiences", "perspective_taking",
        "Personal-Self", "Personal-Others", "Social-Others", "Social-Self / Response",
    ),
    0.0,
)  # fmt: skip
SETTINGS: dict[str, Any] = {
    "epochs": 8, "batch_size": 8, "learning_rate": 2e-3, "warmup_steps": 20, "max_length": 512,
}  # fmt: skip
SECONDS = 180
Item = UnderstandingItem | ApplicationItem


def measure() -> list[Row]:
    """Return accuracy on held-out items before and after, the paired difference's interval, and the time."""
    started = time.monotonic()
    taught, held_out = _write_items()
    with TemporaryDirectory() as name:
        base = Path(name) / "base"
        texts = [m["content"] for item in taught for m in _messages(item)]
        make_student(texts, ScratchConfig(vocabulary=4000, hidden=128, layers=3, heads=4), 512, SEED, base)
        with InProcessEngine(str(base)) as engine:
            lm = dspy.LM(
                f"transformers/{base}", engine=engine, provider=TRLProvider(Path(name) / "tuned"), cache=False,
                temperature=0.0, max_tokens=64,
            )  # fmt: skip
            student, teacher = Exam("generate", "option"), Exam("generate", "option")
            student.set_lm(lm)
            teacher.set_lm(scripted())
            before = _examine(student, held_out)
            optimizer = BootstrapFinetune(
                metric=is_right, train_kwargs=SETTINGS, adapter=ExamAdapter(), num_threads=2
            )
            trainset = [dspy.Example(item=item).with_inputs("item") for item in taught]
            with dspy.context(disable_history=True):
                tuned = optimizer.compile(student, trainset=trainset, teacher=teacher)
            after = _examine(tuned, held_out)
    change = paired_change(before, after, [item.scenario for item in held_out])
    return [
        Row("held-out items", len(held_out), "items", "told", True),
        Row("right before", round(100 * sum(before) / len(before), 1), "percent", "told", True),
        Row("right after BootstrapFinetune", round(100 * sum(after) / len(after), 1), "percent", "told", True),
        Row("lower end of the paired 95% interval", round(100 * change.low, 1), "points", "> 0", change.is_gain),
        most("time in all", time.monotonic() - started, "s", SECONDS, 0),
    ]


def is_right(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> bool:
    """Whether all questions of an item were answered rightly."""
    return [reading.lenient for reading in prediction.readings] == keys_of(example.item)


def _write_items() -> tuple[list[Item], list[Item]]:
    plans = list(make_plans(PlanConfig(sessions=SESSIONS, weights=WEIGHTS), SEED))
    taught = assemble_items(list(write_items(plans[:-HELD_OUT], None)), SEED)
    held_out = assemble_items(list(write_items(plans[-HELD_OUT:], None)), SEED + 1)
    known = {item.scenario for item in taught}
    return taught, [item for item in held_out if item.scenario not in known][:MOST_HELD_OUT]


def _messages(item: Item) -> list[dict[str, str]]:
    row = make_row(item, "option")
    return [*row["prompt"], *row["completion"]]


def _examine(exam: dspy.Module, items: Sequence[Item]) -> list[float]:
    """Return the share of its questions that was answered rightly, per item."""

    def score(item: Item) -> float:
        keys = keys_of(item)
        readings = exam(item=item).readings
        return sum(reading.lenient == key for reading, key in zip(readings, keys, strict=True)) / len(keys)

    with dspy.context(disable_history=True, trace=[]), ThreadPoolExecutor(32) as pool:
        return list(pool.map(score, items))
