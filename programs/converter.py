"""The converter: a finished session in, one draft item per told moment out."""

from __future__ import annotations

import dspy

from corpus.records import (
    ApplicationDraft,
    Draft,
    Moment,
    Person,
    Session,
    UnderstandingDraft,
    render_turns,
)
from corpus.seeds import derive_seed
from corpus.taxonomy import load_taxonomy, split_label
from corpus.text import one_line
from programs.asking import Asker, AskFailed, Check
from signatures.items import WriteApplicationItem, WriteUnderstandingItem

WRONG_EMOTIONS, WRONG_CAUSES, WRONG_OPTIONS = 5, 3, 3


class ItemConverter(dspy.Module):
    """Session → `dspy.Prediction(drafts=list[Draft], failures=dict[moment ID, reason], calls, retries, complaints)`."""

    def __init__(self) -> None:
        super().__init__()
        self.write_understanding = dspy.Predict(WriteUnderstandingItem)
        self.write_application = dspy.Predict(WriteApplicationItem)

    def forward(self, session: Session) -> dspy.Prediction:
        """Write one draft per moment; a moment without an acceptable draft is a named failure, not an error."""
        ask = Asker(derive_seed(session.plan.seed, "items"))
        drafts: list[Draft] = []
        failures: dict[str, str] = {}
        for moment in session.plan.moments:
            if not excerpt_of(session, moment):
                failures[moment.id] = "moment not told"
                continue
            try:
                drafts.append(self.write(ask, session, moment))
            except AskFailed as failure:
                failures[moment.id] = failure.reason
        return dspy.Prediction(drafts=drafts, failures=failures, **ask.costs)

    def write(self, ask: Asker, session: Session, moment: Moment) -> Draft:
        """Write the draft of one moment that the session tells; raises AskFailed."""
        write = self._understanding if moment.task == "EU" else self._application
        return write(ask, session, moment, excerpt_of(session, moment))

    def _understanding(self, ask: Asker, session: Session, moment: Moment, excerpt: str) -> UnderstandingDraft:
        answer = ask(
            "converter", self.write_understanding, check=_check_understanding(moment),
            background=session.background, excerpt=excerpt, moment=moment.brief(),
            emotion_names=", ".join(load_taxonomy().emotions),
        )  # fmt: skip
        return UnderstandingDraft(
            id=moment.id, session=session.id, coarse_category=moment.category, finegrained_category=moment.sub_category,
            scenario=one_line(answer.scenario), subject=answer.subject.strip(),
            people=_people_in(moment),
            emotion=answer.emotion, wrong_emotions=tuple(answer.wrong_emotions),
            cause=answer.cause, wrong_causes=tuple(answer.wrong_causes),
            misreadings=tuple(answer.misreadings), explanation=answer.explanation.strip(),
        )  # fmt: skip

    def _application(self, ask: Asker, session: Session, moment: Moment, excerpt: str) -> ApplicationDraft:
        answer = ask(
            "converter", self.write_application, check=_check_application,
            background=session.background, excerpt=excerpt, moment=moment.brief(),
        )  # fmt: skip
        assert moment.question_type
        return ApplicationDraft(
            id=moment.id, session=session.id, category=moment.category, question_type=moment.question_type,
            scenario=one_line(answer.scenario), subject=answer.subject.strip(),
            people=_people_in(moment),
            best=answer.best, wrong=tuple(answer.wrong),
            misreadings=tuple(answer.misreadings), explanation=answer.explanation.strip(),
        )  # fmt: skip


def _people_in(moment: Moment) -> tuple[Person, ...]:
    """The people whom the scenario names: without the subject when it says I or you."""
    return (moment.subject, moment.other) if moment.narration == "third person" else (moment.other,)


def excerpt_of(session: Session, moment: Moment) -> str:
    """Return the turn in which a moment was told, the therapist's answer, and the client's reply; empty if untold."""
    for index, turn in enumerate(session.turns):
        if turn.moment == moment.id:
            return render_turns(session.turns[index : index + 3])
    return ""


def _check_understanding(moment: Moment) -> Check:
    def check(answer: dspy.Prediction) -> str:
        known = load_taxonomy().emotions
        if answer.emotion != moment.aim:
            return f"label changed: the planned emotion is {moment.aim!r}, the answer says {answer.emotion!r}"
        for label in answer.wrong_emotions:
            if unknown := [name for name in split_label(label) if name not in known]:
                return f"unknown emotion: {unknown[0]!r} is not among the emotion names"
        return (
            _check_count("wrong_emotions", answer.wrong_emotions, WRONG_EMOTIONS)
            or _check_count("wrong_causes", answer.wrong_causes, WRONG_CAUSES)
            or _check_count("misreadings", answer.misreadings, WRONG_CAUSES)
        )

    return check


def _check_application(answer: dspy.Prediction) -> str:
    return _check_count("wrong", answer.wrong, WRONG_OPTIONS) or _check_count(
        "misreadings", answer.misreadings, WRONG_OPTIONS
    )


def _check_count(name: str, values: list[str], wanted: int) -> str:
    if len(values) != wanted or not all(value.strip() for value in values):
        return f"wrong count: {name} has {len(values)} entries, wanted are {wanted}, none of them empty"
    return ""
