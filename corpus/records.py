"""The records that travel between rooms: personas, themes, plans, sessions, drafts, and items.

Items keep EmoBench's field names to the letter; what we add sits beside them.  IDs come from (recipe seed,
index): ``s7-00042`` is session 42 of seed 7, ``s7-00042-m3`` its third moment and the item written from it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Task = Literal["EU", "EA"]
Method = Literal["mads", "concise"]
Pronouns = Literal["she", "he", "they"]
Speaker = Literal["CLIENT", "THERAPIST"]
Narration = Literal["first person", "second person", "third person"]
Care = Literal["", "self-harm", "abuse"]


class Record(BaseModel):
    """Base of all records: frozen, and strict about keys."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Persona(Record):
    """A person in one sentence; only ``persona`` is required, so PersonaHub files work as they are."""

    model_config = ConfigDict(extra="ignore", frozen=True, str_strip_whitespace=True)
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
    care: Care = Field(default="", description="set when the theme touches self-harm or abuse: planned with care")


class Attributes(Record):
    """What the paper samples per case (arXiv 2601.01407, section B), one realistic combination."""

    eu_areas: tuple[str, ...]
    eu_target: str
    ea_areas: tuple[str, ...]
    ea_target: str
    conflict_domain: str
    relationship: str
    problem_focus: str
    stakes: str
    insight: str
    viewpoint: str
    emotion_mix: str
    coping: str
    communication: str

    @property
    def manner(self) -> str:
        """How the client comes across, in one line."""
        return (
            f"stakes {self.stakes}, insight {self.insight}, copes by {self.coping}, "
            f"speaks in a {self.communication} way, torn between {self.emotion_mix.replace('+', ' and ')}"
        )

    def brief(self) -> str:
        """All attributes as ``key: value`` lines, as a writer receives them."""
        values = {name: value if isinstance(value, str) else ", ".join(value) for name, value in self}
        return "\n".join(f"{name.replace('_', ' ')}: {value}" for name, value in values.items())


class Person(Record):
    """A named person in a plan."""

    name: str
    pronouns: Pronouns


class Moment(Record):
    """One event that a session must bring out, planned before anyone writes: the label comes first.

    ``aim`` is the emotion label (EU) or what the situation calls for (EA); ``appraisal`` says why, ``build`` what a
    scenario of this kind must hold, and ``misreadings`` which mistakes the wrong answers are to tempt into
    (docs/appraisal.md).  ``variant`` numbers the moments of one category and aim, so that a writer who has many
    situations to offer can take another one each time.
    """

    id: str
    task: Task
    category: str
    sub_category: str = ""
    question_type: Literal["", "Action", "Response"] = ""
    aim: str
    appraisal: str
    build: str
    before: str = ""
    misreadings: tuple[str, ...] = ()
    narration: Narration = "third person"
    variant: int = 0
    subject: Person
    other: Person

    @property
    def cell(self) -> str:
        """The quota cell: the EU sub-category, or the EA category and question type."""
        return self.sub_category or f"{self.category} / {self.question_type}"

    def brief(self) -> str:
        """The moment as ``key: value`` lines, as a writer receives it."""
        lines = {
            "moment": self.id,
            "task": self.task,
            "category": self.category,
            "sub-category": self.sub_category,
            "question type": self.question_type,
            "emotion" if self.task == "EU" else "calls for": self.aim,
            "why": self.appraisal,
            "feeling before the turn": self.before,
            "must hold": self.build,
            "wrong answers tempt a reader who": "; ".join(self.misreadings),
            "about": f"{self.subject.name} ({self.subject.pronouns})",
            "with": f"{self.other.name} ({self.other.pronouns})",
            "told in": self.narration,
            "variant": str(self.variant),
        }
        return "\n".join(f"{name}: {value}" for name, value in lines.items() if value)


class Plan(Record):
    """All that is decided about a session before it is written.

    ``fit`` gives the reasons why persona and theme belong together; ``arc`` the stages that the client's feeling goes
    through; ``risk_turn`` the turn (from 1) in which the client voices that life is at risk, or 0.
    """

    id: str
    seed: int
    method: Method
    persona: Persona
    theme: Theme
    fit: tuple[str, ...]
    client: Person
    attributes: Attributes
    arc: tuple[str, ...]
    risk_turn: int = 0
    moments: tuple[Moment, ...]

    def stage(self, turn: int, turns: int) -> str:
        """The stage of the arc in a turn (from 1) of a session that is expected to take ``turns``."""
        return self.arc[min(len(self.arc) - 1, (turn - 1) * len(self.arc) // max(1, turns))]


class Turn(Record):
    """One message of a session.

    Of a client: ``moment`` is the ID of the moment brought up in it, ``stage`` the stage of the arc.  Of a therapist:
    ``phase`` is what this part of the session is for.
    """

    speaker: Speaker
    text: str
    moment: str = ""
    stage: str = ""
    phase: str = ""


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


class Solved(Record):
    """Blind answers to a draft: how many were asked for and right, and per question the votes of each choice."""

    asked: int
    right: int
    votes: tuple[dict[str, int], ...]

    @property
    def agreement(self) -> float:
        """Share of the answers that were the key: the item's confidence."""
        return self.right / self.asked if self.asked else 0.0


class Judgement(Record):
    """What the judge found about a draft; a part that was not asked for is None or empty.

    ``faults`` are names of signatures.judging.ITEM_FAULTS and EXPLANATION_FAULTS, each confirmed by most of three
    further looks; ``guessed`` tells whether the item was answered rightly without its scenario.
    """

    id: str
    solved: Solved | None = None
    guessed: bool | None = None
    faults: tuple[str, ...] = ()
    remarks: str = ""


class SessionJudgement(Record):
    """What the judge found about a session: names of signatures.judging.SESSION_FAULTS, each confirmed."""

    id: str
    faults: tuple[str, ...] = ()
    remarks: str = ""


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
    agreement: float | None = Field(default=None, description="share of blind answers that were the key")
    guessed: bool | None = Field(default=None, description="whether the judge answered it without the scenario")


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
