"""Items of our own for the examiner's tests, and a report in which every text of a model is hostile."""

from __future__ import annotations

from pathlib import Path

import pytest

from corpus.funnel import FunnelStep
from corpus.records import ApplicationItem, Look, Plan, Session, Turn, UnderstandingItem
from eval.baselines import measure_baselines
from eval.emobench import load_emobench
from eval.exam import pose
from eval.examined import Examined
from eval.replies import mistakes_of_students
from eval.report import Report, Training
from eval.scores import Mark, compare, score_row
from eval.student_orders import StudentOrders, score_student_orders

OWN = Path(__file__).resolve().parent.parent / "data" / "emobench"
SCRIPT, IMAGE = "<script>alert(1)</script>", '<img src=x onerror="alert(2)">'
BREAKOUT = """</script></style></pre><!-- "' onclick=alert(3) x="$\\frac{ \u2028\u2029{{ 7 * 7 }} &lt;b&gt;"""


@pytest.fixture(scope="session")
def items() -> list[UnderstandingItem | ApplicationItem]:
    """Our own eight items, EA first."""
    return load_emobench(str(OWN))


@pytest.fixture(scope="session")
def ea(items: list[UnderstandingItem | ApplicationItem]) -> ApplicationItem:
    """EA-1; its right option is B."""
    item = items[0]
    assert isinstance(item, ApplicationItem)
    return item


@pytest.fixture(scope="session")
def eu(items: list[UnderstandingItem | ApplicationItem]) -> UnderstandingItem:
    """EU-1; its right options are C and B."""
    item = items[4]
    assert isinstance(item, UnderstandingItem)
    return item


@pytest.fixture(scope="session")
def report(ea: ApplicationItem, eu: UnderstandingItem, plans: list[Plan]) -> Report:
    """A small report in which every text of a model tries to break out."""
    plan = plans[0].model_copy(
        update={
            "persona": plans[0].persona.model_copy(update={"persona": f"A cook {SCRIPT}"}),
            "client": plans[0].client.model_copy(update={"name": f"Jo {IMAGE}"}),
            "theme": plans[0].theme.model_copy(update={"theme": f"Work {SCRIPT}"}),
        }
    )
    session = Session(
        id="s1-00001",
        plan=plan,
        background=f"A cook. {IMAGE}",
        turns=(Turn(speaker="CLIENT", text=f"Hello {SCRIPT}"), Turn(speaker="THERAPIST", text=f"Hm {IMAGE}")),
        looks=(
            Look(turn=2, scenario_clear=True, emotions_present=True, causes_present=True, dilemma_present=True,
                 rich_enough=True),
        ),
    )  # fmt: skip
    hostile = [
        ea.model_copy(update={"scenario": f"{ea.scenario} {SCRIPT}", "explanation": IMAGE, "category": IMAGE}),
        eu.model_copy(
            update={"subject": IMAGE, "cause_choices": (SCRIPT, *eu.cause_choices[1:]), "scenario": "x </main>"}
        ),
    ]
    before = [Mark(id=ea.qid, raw=SCRIPT, answered=True, strict=False, lenient=False, rules=("letter",), picks=(0,))]
    after = [Mark(id=ea.qid, raw=BREAKOUT, answered=True, strict=True, lenient=True, rules=(IMAGE,), picks=(1,))]
    rows = [
        score_row([ea], before, "held-out", "generate", "before", measure_baselines([ea])),
        score_row([ea], after, "held-out", "generate", "after", measure_baselines([ea])),
    ]
    return Report(
        title=f"tiny {SCRIPT}",
        teacher="scripted/counsel",
        scripted=True,
        manifest={"versions": {"emoreason": "0.1.0"}, "student": "scratch", "seed": 1, "created": "2026-01-01"},
        funnel=[FunnelStep(name="items kept", count=1234, lost={IMAGE: 2})],
        checks=[f"Judge: scripted/judge {SCRIPT}"],
        cells={"persona": 3, "faux_pas": 1},
        splits={"train": 3, "heldout": 1},
        training=Training(
            rows=10, tokens=1000, steps=5, parameters=12345, train_loss=[(1, 2.0), (5, 1.0)], validation_loss=[]
        ),
        scores=rows,
        comparisons=[compare([ea], before, after, "held-out", "generate")],
        notice=f"EmoBench is not here {SCRIPT}",
        sessions=[session],
        items=hostile,
        seconds={"generate": 1.25},
        examined=[
            Examined(
                "held-out",
                ea.model_copy(update={"scenario": BREAKOUT, "category": BREAKOUT, "qid": f"{ea.qid} {IMAGE}"}),
                {("before", "generate"): before[0], ("after", "generate"): after[0]},
            )
        ],
        mistakes=mistakes_of_students([_misread(eu)]),
        unseen=[f"The items of x are not shown: {SCRIPT}"],
        written=12,
    )


@pytest.fixture(scope="session")
def orders(ea: ApplicationItem, eu: UnderstandingItem) -> list[StudentOrders]:
    """Two items in four orders; the student before always says A, the one after misses one order of EU."""
    items = [ea, eu]

    def marks(order: int, right: bool) -> list[Mark]:
        keys = {item.qid: tuple(part.key for part in pose(item, order).parts) for item in items}
        picks = {qid: key if right else (0,) * len(key) for qid, key in keys.items()}
        return [
            Mark(id=qid, raw="", answered=True, strict=False, lenient=picks[qid] == key, rules=(), picks=picks[qid])
            for qid, key in keys.items()
        ]

    after = [marks(order, True) for order in range(3)] + [[marks(3, True)[0], marks(3, False)[1]]]
    return score_student_orders(
        items, {"before": [marks(order, False) for order in range(4)], "after": after}, f"EmoBench {SCRIPT}"
    )


def _misread(eu: UnderstandingItem) -> Examined:
    """An item whose emotions are hostile, the right one and the one that is taken for it."""
    choices = (BREAKOUT, IMAGE, *eu.emotion_choices[2:])
    item = eu.model_copy(update={"emotion_choices": choices, "emotion_label": BREAKOUT, "qid": f"x {SCRIPT}"})
    wrong = Mark(id=item.qid, raw=SCRIPT, answered=True, strict=False, lenient=False, rules=(IMAGE,), picks=(1, 1))
    unread = wrong.model_copy(update={"answered": False, "picks": (None, None)})
    return Examined(f"b {SCRIPT}", item, {("before", "generate"): unread, ("after", "generate"): wrong})
