"""What rules and judge catch of mistakes at known places, and what they cost in clean items.

Of 4,000 items in one set half are clean and 250 each hold one of eight mistakes of the scripted writer.  The truth is
its setting: a mistake was made where an item differs from the one that the same moment yields with the mistake off.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import cycle

import dspy

from benchmarks.judge import Item, scripted, write_items
from benchmarks.leakage import find_emobench
from benchmarks.table import Row, least, most
from corpus.config import CurateConfig, PlanConfig, VerifyConfig
from corpus.contamination import ContaminationIndex
from corpus.exam_texts import texts_of_items
from corpus.judgements import why_aside
from corpus.plans import make_plans
from corpus.screening import screen
from eval.emobench import load_emobench
from lms.scripted.names import Mistake
from programs.verify.verifier import Verifier
from signatures.chat_adapter import ChatAdapter

CLEAN, EACH, SEED = 2_000, 250, 11
SESSIONS = 3_000  # more than are needed; a near-synonym can be planted in few items
BY_RULE: tuple[Mistake, ...] = ("names_emotion", "near_synonym", "long_key", "generic_explanation", "contradicts_key")
BY_JUDGE: tuple[Mistake, ...] = ("twin_distractor", "absurd_distractor", "foreign_fact")
RULES_CATCH, JUDGE_CATCHES, LOST = 95.0, 85.0, 3.0  # percent
CURATE, VERIFY = CurateConfig(), VerifyConfig()


def measure() -> list[Row]:
    """Return the share of each mistake that is caught, and the share of clean items that is dropped."""
    with dspy.context(adapter=ChatAdapter(), disable_history=True, trace=[]):
        planted = dict(_write_set())
        items = {item.id: item for item, _ in planted.values()}
        kinds = {key: kind for key, (_, kind) in planted.items()}
        exams = ContaminationIndex(
            texts_of_items(load_emobench(str(find_emobench()), ("en", "zh"))), CURATE.decontaminate
        )
        screened = screen(items.values(), CURATE, exams)
        by_rule = {drop.id: drop.reason for drop in screened.drops}
        verify, by_judge, calls = Verifier(), dict[str, str](), 0
        with dspy.context(lm=scripted()):
            for draft in screened.passed:
                found = verify(draft=draft, config=VERIFY, seed=SEED)
                calls += found.calls
                if reason := why_aside(found.judgement, VERIFY):
                    by_judge[draft.id] = reason
    rows = []
    for mistake in BY_RULE:
        rows.append(_caught(f"rules: {mistake}", mistake, kinds, by_rule, RULES_CATCH))
    for mistake in BY_JUDGE:
        rows.append(_caught(f"rules and judge: {mistake}", mistake, kinds, by_rule | by_judge, JUDGE_CATCHES))
    lost = Counter(reason for key, reason in (by_rule | by_judge).items() if kinds[key] is None)
    print(f"clean items that were dropped, by reason: {dict(lost.most_common())}")
    return [
        *rows,
        most(f"clean items dropped, of {CLEAN:,}", 100 * lost.total() / CLEAN, "percent", LOST),
        Row(
            "judge: calls per item that the rules let pass",
            round(calls / len(screened.passed), 2),
            "calls",
            "none",
            True,
        ),
    ]


def _write_set() -> Iterator[tuple[str, tuple[Item, Mistake | None]]]:
    """Yield ID → (item, its mistake); every other session is clean until there are enough of those."""
    wanted: Counter[Mistake | None] = Counter(dict.fromkeys((*BY_RULE, *BY_JUDGE), EACH))
    wanted[None] = CLEAN
    turns = cycle([kind for mistake in (*BY_RULE, *BY_JUDGE) for kind in (None, mistake)])
    for plan in make_plans(PlanConfig(sessions=SESSIONS, persona_uses=20), SEED):
        if not wanted.total():
            return
        kind = next(turn for turn in turns if wanted[turn])
        sound = {item.id: item for item in write_items([plan], None)}
        made = write_items([plan], kind) if kind else sound.values()
        for item in made:
            if (kind is None or item != sound[item.id]) and wanted[kind]:
                wanted[kind] -= 1
                yield item.id, (item, kind)


def _caught(name: str, mistake: Mistake, kinds: dict[str, Mistake | None], drops: dict[str, str], target: float) -> Row:
    made = [key for key, kind in kinds.items() if kind == mistake]
    return least(
        f"{name}, caught of {len(made)}", 100 * sum(key in drops for key in made) / len(made), "percent", target
    )
