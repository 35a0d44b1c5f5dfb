"""What DSPy's BootstrapFinetune makes of a tiny student, through the project's own provider, with a scripted teacher.

The program names the feeling in a scenario, among the six choices of an item, in the compact exam format.  The teacher
answers its prompts; answers that are right are what the student is tuned on.  The student has random weights and is
examined on scenarios that it was not taught.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dspy
from dspy.teleprompt import BootstrapFinetune
from dspy.utils.exceptions import AdapterParseError

from benchmarks.judge import scripted, write_items
from benchmarks.table import Row, most
from corpus.assemble import assemble_items
from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Plan, UnderstandingItem
from eval.statistics import paired_change
from finetune.config import ScratchConfig
from finetune.provider import TRLProvider
from finetune.scratch import make_student
from lms.in_process.engine import InProcessEngine
from signatures.exam import exam_inputs, exam_signature
from signatures.exam_adapter import ExamAdapter

SESSIONS, HELD_OUT, SEED = 160, 40, 5  # sessions; of them the last so many are for the examination
TAUGHT, EXAMINED = 400, 100  # most items
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
    "epochs": 5, "batch_size": 8, "learning_rate": 3e-3, "warmup_steps": 20, "max_length": 512,
}  # fmt: skip
SECONDS = 180


def measure() -> list[Row]:
    """Return accuracy on held-out items before and after, the paired difference's interval, and the time."""
    started = time.monotonic()
    taught, held_out = _write_examples()
    with TemporaryDirectory() as name, dspy.context(adapter=ExamAdapter(), disable_history=True):
        base = Path(name) / "base"
        make_student(_texts(taught), ScratchConfig(vocabulary=2000, hidden=96, layers=2, heads=4), 512, SEED, base)
        with InProcessEngine(str(base)) as engine:
            lm = dspy.LM(
                f"transformers/{base}", engine=engine, provider=TRLProvider(Path(name) / "tuned"), cache=False,
                temperature=0.0, max_tokens=24,
            )  # fmt: skip
            student, teacher = (dspy.Predict(exam_signature("EA", "option")) for _ in range(2))
            student.set_lm(lm)
            teacher.set_lm(scripted())
            before = _examine(student, held_out)
            optimizer = BootstrapFinetune(metric=is_right, train_kwargs=SETTINGS, adapter=ExamAdapter(), num_threads=2)
            tuned = optimizer.compile(student, trainset=taught, teacher=teacher)
            after = _examine(tuned, held_out)
    scenarios = [example.scenario for example in held_out]
    change = paired_change(before, after, scenarios)
    # Random weights never write an answer in the form asked for; who guesses among the choices is the harder bar.
    over_guessing = paired_change([1 / len(example.choices) for example in held_out], after, scenarios)
    return [
        Row("held-out items", len(held_out), "items", "told", True),
        Row("right before", round(100 * sum(before) / len(before), 1), "percent", "told", True),
        Row("right after BootstrapFinetune", round(100 * sum(after) / len(after), 1), "percent", "told", True),
        Row("lower end of the paired 95% interval", round(100 * change.low, 1), "points", "> 0", change.is_gain),
        Row(
            "the same against guessing among the choices",
            round(100 * over_guessing.low, 1),
            "points",
            "> 0",
            over_guessing.is_gain,
        ),
        most("time in all", time.monotonic() - started, "s", SECONDS, 0),
    ]


def is_right(example: dspy.Example, prediction: dspy.Prediction, trace: object = None) -> bool:
    """Whether the answer, as written, names the right feeling."""
    return f'"option": {json.dumps(example.label, ensure_ascii=False)}' in str(prediction.option)


def _write_examples() -> tuple[list[dspy.Example], list[dspy.Example]]:
    plans = list(make_plans(PlanConfig(sessions=SESSIONS, weights=WEIGHTS), SEED))
    taught = _examples(plans[:-HELD_OUT])
    known = {example.scenario for example in taught}
    held_out = [example for example in _examples(plans[-HELD_OUT:]) if example.scenario not in known]
    return taught[:TAUGHT], held_out[:EXAMINED]


def _examples(plans: list[Plan]) -> list[dspy.Example]:
    items = assemble_items(list(write_items(plans, None)), SEED)
    return [_example(item) for item in items if isinstance(item, UnderstandingItem)]


def _example(item: UnderstandingItem) -> dspy.Example:
    given = exam_inputs(item)
    return dspy.Example(
        scenario=item.scenario, question=given["question_1"], choices=item.emotion_choices, label=item.emotion_label
    ).with_inputs("scenario", "question", "choices")


def _texts(examples: Sequence[dspy.Example]) -> list[str]:
    signature = exam_signature("EA", "option")
    return [message["content"] for example in examples for message in ExamAdapter().format(signature, [], example)]


def _examine(program: dspy.Module, examples: Sequence[dspy.Example]) -> list[float]:
    adapter = dspy.settings.adapter

    def score(example: dspy.Example) -> float:
        with dspy.context(adapter=adapter, disable_history=True, trace=[]):
            try:
                return float(is_right(example, program(**example.inputs())))
            except AdapterParseError:  # an empty answer
                return 0.0

    with ThreadPoolExecutor(32) as pool:
        return list(pool.map(score, examples))
