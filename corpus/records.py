"""The records that travel between rooms: personas, themes, plans, sessions, drafts, and items.

Items keep EmoBench's field names to the letter; what we add sits beside them.  IDs come from (recipe seed,
index): ``s7-00042`` is session 42 of seed 7, ``s7-00042-m3`` its third moment and the item written from it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Task = Literal["EU", "EA"]
Pronouns = Literal["she", "he", "they"]
Speaker = Literal["CLIENT", "THERAPIST"]


class Record(BaseModel):
    """Base of all records: frozen, and strict about keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Persona(Record):
    """A person in one sentence; only ``persona`` is required, so PersonaHub files work as they are."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    persona: str = Field(min_length=1)
    age: int | None = Field(default=None, ge=0, le=120)
    occupation: str = ""
    relationship: str = ""
    culture: str = ""
    region: str = ""
    disposition: str = ""


class Theme(Record):
    """What a session is about, and for which ages it is plausible."""

    category: str
    theme: str
    description: str
    keywords: tuple[str, ...] = ()
    age_relevance: tuple[int, int] = (18, 75)


class Person(Record):
    """A named person in a plan."""

    name: str
    pronouns: Pronouns


class Moment(Record):
    """One event that a session must bring out, planned before anyone writes: the label comes first.

    ``aim`` is the emotion label (EU) or what the situation calls for (EA); ``appraisal`` says why.
    """

    id: str
    task: Task
    category: str
    sub_category: str = ""
    question_type: Literal["", "Action", "Response"] = ""
    aim: str
    appraisal: str
    subject: Person
    other: Person

    def brief(self) -> str:
        """The moment as ``key: value`` lines, as a writer receives it."""
        lines = [f"moment: {self.id}", f"task: {self.task}", f"category: {self.category}"]
        if self.sub_category:
            lines.append(f"sub-category: {self.sub_category}")
        if self.question_type:
            lines.append(f"question type: {self.question_type}")
        lines.append(f"{'emotion' if self.task == 'EU' else 'calls for'}: {self.aim}")
        lines.append(f"why: {self.appraisal}")
        lines.append(f"about: {self.subject.name} ({self.subject.pronouns})")
        lines.append(f"with: {self.other.name} ({self.other.pronouns})")
        return "\n".join(lines)


class Plan(Record):
    """All that is decided about a session before it is written."""

    id: str
    seed: int
    persona: Persona
    theme: Theme
    client: Person
    manner: str
    moments: tuple[Moment, ...]


class Turn(Record):
    """One message of a session; ``moment`` is the ID of the moment that the client brings up in it."""

    speaker: Speaker
    text: str
    moment: str = ""


class Look(Record):
    """The supervisor's five judgements after a turn."""

    turn: int
    scenario_clear: bool
    emotions_present: bool
    causes_present: bool
    dilemma_present: bool
    rich_enough: bool

    @property
    def complete(self) -> bool:
        """True when nothing is missing and the session may stop."""
        return all(
            (self.scenario_clear, self.emotions_present, self.causes_present, self.dilemma_present, self.rich_enough)
        )


class Session(Record):
    """A finished session: background, dialogue, and the supervisor's looks."""

    id: str
    plan: Plan
    background: str
    turns: tuple[Turn, ...]
    looks: tuple[Look, ...]


class _Draft(Record):
    id: str
    session: str
    scenario: str
    subject: str
    people: tuple[Person, ...] = ()
    misreadings: tuple[str, ...]
    explanation: str
    teacher: str = ""


class UnderstandingDraft(_Draft):
    """What the converter wrote for an EU moment: no letters, no order."""

    task: Literal["EU"] = "EU"
    coarse_category: str
    finegrained_category: str
    emotion: str
    wrong_emotions: tuple[str, ...]
    cause: str
    wrong_causes: tuple[str, ...]


class ApplicationDraft(_Draft):
    """What the converter wrote for an EA moment."""

    task: Literal["EA"] = "EA"
    category: str
    question_type: Literal["Action", "Response"]
    best: str
    wrong: tuple[str, ...]


Draft = Annotated[UnderstandingDraft | ApplicationDraft, Field(discriminator="task")]


class _Item(Record):
    qid: str
    language: Literal["en", "zh"] = "en"
    scenario: str
    subject: str
    session: str = ""
    people: tuple[Person, ...] = ()
    explanation: str = ""
    misreadings: tuple[str, ...] = ()
    teacher: str = ""


class UnderstandingItem(_Item):
    """An EmoBench EU row (``coarse_category … cause_label``) with our additions."""

    task: Literal["EU"] = "EU"
    coarse_category: str
    finegrained_category: str
    emotion_choices: tuple[str, ...]
    emotion_label: str
    cause_choices: tuple[str, ...]
    cause_label: str

    @property
    def questions(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """(choices, label) of each question: the emotion, then the cause."""
        return (self.emotion_choices, self.emotion_label), (self.cause_choices, self.cause_label)


class ApplicationItem(_Item):
    """An EmoBench EA row (the key ``question type`` has a space there) with our additions."""

    task: Literal["EA"] = "EA"
    category: str
    question_type: Literal["Action", "Response"] = Field(alias="question type")
    choices: tuple[str, ...]
    label: str

    @property
    def questions(self) -> tuple[tuple[tuple[str, ...], str], ...]:
        """(choices, label) of the one question."""
        return ((self.choices, self.label),)


Item = Annotated[UnderstandingItem | ApplicationItem, Field(discriminator="task")]


def render_turns(turns: tuple[Turn, ...] | list[Turn]) -> str:
    """Write turns as a transcript, one ``SPEAKER: text`` line per turn."""
    return "\n".join(f"{turn.speaker}: {turn.text}" for turn in turns)


def cell_of(record: UnderstandingDraft | ApplicationDraft | UnderstandingItem | ApplicationItem) -> str:
    """Name the quota cell of a draft or item: its EU sub-category, or its EA category and question type."""
    if isinstance(record, UnderstandingDraft | UnderstandingItem):
        return record.finegrained_category
    return f"{record.category} / {record.question_type}"
