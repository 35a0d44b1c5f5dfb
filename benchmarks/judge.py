"""How well the scripted judge sees mistakes that the scripted writer was told to make, and answers its items blindly.

The truth is the writer's setting (one mistake always made, or none), not what a rule finds in the text.
"""

from __future__ import annotations

from collections.abc import Iterator

import dspy

from benchmarks.table import Row, least
from corpus.assemble import assemble_items
from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import ApplicationDraft, Plan, Session, Turn, UnderstandingDraft
from lms.scripted.engine import ScriptedEngine
from lms.scripted.names import MISTAKES, Mistake
from programs.converter import ItemConverter
from programs.verify.review import Reviewer
from signatures.chat_adapter import ChatAdapter
from signatures.exam import exam_answer, exam_inputs, exam_signature
from signatures.exam_adapter import ExamAdapter
from signatures.judging import EXPLANATION_FAULTS, ITEM_FAULTS

SESSIONS = 12  # about 80 items per mistake
SEES, PASSES, ANSWERS = 90.0, 95.0, 90.0  # percent; the judge states 95, 98, and 95
FAULTS = (*ITEM_FAULTS, *EXPLANATION_FAULTS)
MADE = [name for name in MISTAKES if name in FAULTS]
Item = UnderstandingDraft | ApplicationDraft


def measure_judge() -> list[Row]:
    """Return the judge's accuracy on faults that are there, on points that are sound, and on blind answers."""
    plans = list(make_plans(PlanConfig(sessions=SESSIONS), 3))
    review = Reviewer()
    seen, faults, passed, points = 0, 0, 0, 0
    with dspy.context(adapter=ChatAdapter()):
        clean = list(write_items(plans, None))
        with dspy.context(lm=scripted()):
            for number, draft in enumerate(clean):
                points += len(FAULTS)
                passed += len(FAULTS) - len(review(draft=draft, seed=number).faults)
        for name in MADE:
            for number, (draft, sound) in enumerate(zip(write_items(plans, name), clean, strict=True)):
                if draft == sound:  # the mistake does not apply, such as a near-synonym where there is none
                    continue
                faults += 1
                with dspy.context(lm=scripted()):
                    seen += name in review(draft=draft, seed=number).faults
    answered = _answer_blindly(clean)
    blind = "judge: clean items that it answers rightly from the exam prompt"
    return [
        least("judge: mistakes that it sees", 100 * seen / faults, "percent", SEES, digits=1),
        least("judge: sound points that it lets pass", 100 * passed / points, "percent", PASSES, digits=1),
        least(blind, 100 * answered, "percent", ANSWERS, digits=1),
    ]


def scripted(mistake: Mistake | None = None) -> dspy.LM:
    """Return the scripted teacher with one mistake always made, or none."""
    rates = {} if mistake is None else {mistake: 1.0}
    return dspy.LM("scripted/counsel", engine=ScriptedEngine(rates), cache=False)


def write_items(plans: list[Plan], mistake: Mistake | None) -> Iterator[Item]:
    """Write the items of plans as if each moment had been told in a session."""
    convert = ItemConverter()
    with dspy.context(lm=scripted(mistake)):
        for plan in plans:
            told = tuple(Turn(speaker="CLIENT", text="…", moment=moment.id) for moment in plan.moments)
            session = Session(id=plan.id, plan=plan, background="…", turns=told, looks=())
            yield from convert(session=session).drafts


def _answer_blindly(drafts: list[Item]) -> float:
    right = total = 0
    with dspy.context(lm=scripted(), adapter=ExamAdapter()):
        for item in assemble_items(drafts, 0):
            signature = exam_signature(item.task, "letter")
            answer = dspy.Predict(signature)(**exam_inputs(item), config={"seed": total})
            wanted = exam_answer(item, "letter")
            letters = [f'"{name}": "{letter}"' for name, letter in wanted.items()]
            right += all(letter in str(answer[name]) for name, letter in zip(wanted, letters, strict=True))
            total += 1
    return right / total
