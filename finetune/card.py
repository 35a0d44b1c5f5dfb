"""The model card of a tuned student: how it was made, how it did in the exam, and what it must not be taken for.

The Hub reads the front matter (https://huggingface.co/docs/hub/model-cards); the sections follow Mitchell et al., Model
Cards for Model Reporting (arXiv 1810.03993).  Text of models and users is escaped or stands in code.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from corpus.escape import escape, fence, quote_code
from corpus.markdown import count_of, list_counts, render_table
from corpus.nested import flatten
from finetune.config import SCRATCH, TrainConfig
from finetune.presets import PRESETS
from signatures.formats import AnswerFormat

NOT_EXAMINED = "**Not examined.** Nothing is known about how well this student answers."
SAFETY = (
    "This student is not a therapist. It answers multiple-choice questions on emotional reasoning, gives no advice, "
    "and must not be used to counsel people. Whoever is in danger should turn to the local emergency service or a "
    "crisis line."
)
_NAMED = 5  # rows left out that are named
_FORMATS: dict[AnswerFormat, str] = {
    "letter": "the letter alone",
    "reasoned": "reasoning, then the letter",
    "option": "the option's text, then its letter",
    "open": "no options are shown; the text alone",
}


@dataclass(frozen=True)
class Tuning:
    """What a finished training reported.

    Losses are the last ones and ``memory`` is the peak in bytes; what is None is not known.  ``plan`` says why the
    machine got the settings that it got; ``dropped`` are the IDs of rows that were too long.
    """

    rows: int
    tokens: int
    steps: int
    parameters: int
    trained_parameters: int | None = None
    seconds: float | None = None
    tokens_per_second: float | None = None
    memory: int | None = None
    best_step: int | None = None
    train_loss: float | None = None
    validation_loss: float | None = None
    dropped: Sequence[str] = ()
    plan: Sequence[str] = ()


@dataclass(frozen=True)
class TrainingData:
    """The items: part → task → number, those of other runs that were trained on too, and where all came from.

    ``fingerprint`` is the SHA-256 of the run's items.jsonl in hexadecimal, ``writers`` model → items that it wrote.
    """

    items: Mapping[str, Mapping[str, int]]
    others: int
    fingerprint: str
    writers: Mapping[str, int]
    scripted: bool


@dataclass(frozen=True)
class Score:
    """One examination; shares from 0 to 1, ``interval`` the 95% one of ``lenient``.

    ``best_constant``, ``longest_option``, and ``choices_only`` are, as ``chance``, what no understanding scores; None
    where an exam of an earlier version did not measure it.
    """

    exam: str
    student: str
    n: int
    answered: float
    strict: float
    lenient: float
    interval: tuple[float, float]
    chance: float
    best_constant: float
    longest_option: float | None
    choices_only: float | None

    @property
    def standing(self) -> str:
        """``above chance``, ``at chance`` (the interval contains it), or ``below chance``."""
        low, high = self.interval
        if low <= self.chance <= high:
            return "at chance"
        return "above chance" if low > self.chance else "below chance"


@dataclass(frozen=True)
class Change:
    """The tuned student against an untuned one in points of the lenient share, with the verdict that may be printed."""

    exam: str
    against: str
    delta: float
    interval: tuple[float, float]
    verdict: str


@dataclass(frozen=True)
class ExamFacts:
    """What the exam found: all rows, which of them are the tuned student's, and the comparisons."""

    scores: Sequence[Score]
    tuned: Sequence[Score]
    changes: Sequence[Change]
    notice: str = ""


@dataclass(frozen=True)
class StudentFacts:
    """All that the card says; ``base`` and ``recipe`` name no place of this machine.

    ``base_on_hub``: ``base`` is a model of the Hub, to which the front matter may point.
    """

    name: str
    seed: int
    base: str
    base_on_hub: bool
    config: TrainConfig
    tuning: Tuning
    data: TrainingData
    exam: ExamFacts | None
    recipe: Mapping[str, Any]
    versions: Mapping[str, str]


def write_model_card(facts: StudentFacts) -> str:
    """Render the card in Markdown with the Hub's front matter."""
    recipe = yaml.safe_dump(dict(facts.recipe), sort_keys=False, allow_unicode=True)
    versions = ", ".join(f"{escape(name)} {escape(version)}" for name, version in facts.versions.items())
    sections = [
        f"---\n{yaml.safe_dump(_front_matter(facts), sort_keys=False)}---",
        f"# EmoReason student: {escape(facts.name)}",
        f"> {SAFETY}",
        _summary(facts),
        "## How it did", _exam(facts.exam),
        "## Limits", _limits(facts),
        "## How to use it", _use(),
        "## How it was tuned", _tuning(facts),
        "## Data", _data(facts.data),
        "## Recipe", "As resolved, without places and names of keys.", fence(recipe, "yaml"),
        "## Versions", f"{versions}.",
        "## Licence", _license(facts),
    ]  # fmt: skip
    return "\n\n".join(sections) + "\n"


def changed_keys(config: TrainConfig) -> dict[str, Any]:
    """Return the training keys that differ from the preset, ``a.b`` → JSON value."""
    # The defaults of the schema, then the preset's keys.  Not TrainConfig(preset=…), which a base of another kind might
    # make impossible: QLoRA on a student from scratch.
    preset = flatten(TrainConfig().model_dump(mode="json")) | flatten(PRESETS[config.preset])
    own = flatten(config.model_dump(mode="json"))
    formats = {"formats": PRESETS[config.preset].get("formats", TrainConfig().formats)}
    preset, own = (
        {key: value for key, value in flat.items() if key != "preset" and not key.startswith("formats.")}
        for flat in (preset, own)
    )
    changed = {key: value for key, value in own.items() if value != preset.get(key)}
    return changed if dict(config.formats) == formats["formats"] else changed | {"formats": dict(config.formats)}


def _front_matter(facts: StudentFacts) -> dict[str, Any]:
    matter: dict[str, Any] = {
        "language": ["en"],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["emotional-intelligence", "emotional-reasoning", "synthetic-data", "emoreason", "trl", "sft"],
    }
    if facts.base_on_hub:
        matter |= {"base_model": facts.base, "base_model_relation": "finetune"}
    return matter


def _base(facts: StudentFacts) -> str:
    return "made from scratch (Llama architecture)" if facts.base == SCRATCH else f"on {quote_code(facts.base)}"


def _summary(facts: StudentFacts) -> str:
    tuned = {"full": "all weights tuned", "lora": "tuned with LoRA", "qlora": "tuned with QLoRA"}[facts.config.method]
    lines = [
        f"A student of {facts.tuning.parameters:,} parameters, {_base(facts)}, {tuned} on "
        f"{count_of(facts.tuning.rows, 'row')} of multiple-choice items on emotional understanding (EU) and "
        f"application (EA), seed {facts.seed}."
    ]
    if facts.data.scripted:
        lines.append(
            "**Its teacher is scripted: a grammar, not a language model.** It shows that the pipeline works and says "
            "nothing about people."
        )
    return " ".join(lines)


def _exam(exam: ExamFacts | None) -> str:
    if exam is None:
        return NOT_EXAMINED
    table = render_table(
        ("exam", "student", "n", "answered", "strict", "lenient", "95% interval", "chance", "constant", "longest",
         "choices only", "standing"),
        [
            (escape(s.exam), s.student, f"{s.n:,}", *(f"{100 * x:.1f}" for x in (s.answered, s.strict, s.lenient)),
             f"{100 * s.interval[0]:.1f} to {100 * s.interval[1]:.1f}",
             *("–" if x is None else f"{100 * x:.1f}"
               for x in (s.chance, s.best_constant, s.longest_option, s.choices_only)), s.standing)
            for s in exam.scores
        ],
    )  # fmt: skip
    changes = render_table(
        ("exam", "tuned against", "change", "95% interval", "verdict"),
        [
            (escape(c.exam), c.against, f"{100 * c.delta:+.1f}",
             f"{100 * c.interval[0]:+.1f} to {100 * c.interval[1]:+.1f}", f"**{escape(c.verdict)}**")
            for c in exam.changes
        ],
    )  # fmt: skip
    parts = [
        "Shares in percent. *Strict*: the answer equals the letter, as EmoBench's scorer compares; *lenient*: it is "
        "read by a frozen rule. Intervals are Wilson's, of the lenient share. What no understanding scores: *constant* "
        "is the best answer that is always the same letter, *longest* always the longest option, *choices only* a "
        "classifier of the options' words that never sees a scenario.",
        table,
        "Differences in points of the lenient share, item by item, with the bootstrap's interval by scenario. "
        "“Improved” stands only where the gain holds under both readings and is not one of answering more, and where "
        "the tuned student lies above chance and above the best constant answer.",
        changes,
    ]
    if exam.notice:
        parts.append(f"{escape(exam.notice).rstrip('.')}.")
    return "\n\n".join(parts)


def _limits(facts: StudentFacts) -> str:
    limits: list[str] = []
    if facts.exam is not None:
        limits += [
            f"**{escape(score.exam)}: {score.standing}.** {100 * score.lenient:.1f}% right of {score.n:,} "
            f"(95% {100 * score.interval[0]:.1f} to {100 * score.interval[1]:.1f}); guessing gets "
            f"{100 * score.chance:.1f}%."
            for score in facts.exam.tuned
            if score.standing != "above chance"
        ]
        limits += [
            f"{escape(score.exam)}: {100 * (1 - score.answered):.1f}% of the answers could not be read."
            for score in facts.exam.tuned
            if score.answered < 0.95
        ]
    limits += [
        "Held-out items come from the same teacher as the training items: a gain on them does not show that the "
        "student understands people better.",
        "Labels follow appraisal theory as a program planned them. They were not normed on people, and people of other "
        "cultures may rightly answer otherwise.",
        "English only. All text is synthetic, from few writers, with their habits and their bias.",
        "Not a therapist, no diagnosis, and no measure of a person's emotional intelligence. What it knew before the "
        "tuning about other tasks may be lost.",
    ]
    return "\n".join(f"- {limit}" for limit in limits)


def _use() -> str:
    return (
        "```python\nfrom transformers import AutoModelForCausalLM, AutoTokenizer\n\n"
        "tokenizer = AutoTokenizer.from_pretrained(DIR)\nmodel = AutoModelForCausalLM.from_pretrained(DIR)\n```\n\n"
        "`DIR` is this folder, or its name on the Hub. Weights are whole: an adapter is merged. Ask it by its chat "
        "template with the prompt of the exam, as EmoReason renders it; it saw no other in its tuning."
    )


def _tuning(facts: StudentFacts) -> str:
    config, tuning = facts.config, facts.tuning
    formats = [(f"`{name}`", _FORMATS[name], f"{times:,}") for name, times in config.formats.items()]
    keys = ", ".join(
        quote_code(f"{key}: {json.dumps(facts.recipe['train'].get(key, value))}")
        for key, value in changed_keys(config).items()
    )
    figures = [
        ("rows", f"{tuning.rows:,}"),
        ("tokens of all rows", f"{tuning.tokens:,}"),
        ("steps", f"{tuning.steps:,}"),
        ("parameters", f"{tuning.parameters:,}"),
        ("of these trained", _number(tuning.trained_parameters, ",")),
        ("last training loss", _number(tuning.train_loss, ".3f")),
        ("last validation loss", _number(tuning.validation_loss, ".3f")),
        ("step with the lowest validation loss", _number(tuning.best_step, ",")),
        ("seconds", _number(tuning.seconds, ",.0f")),
        ("useful tokens per second", _number(tuning.tokens_per_second, ",.0f")),
        ("peak memory, GiB", _number(None if tuning.memory is None else tuning.memory / 2**30, ".2f")),
    ]
    parts = [
        f"Method `{config.method}`, preset `{config.preset}`"
        + (f"; keys that differ from it: {keys}." if keys else ", without changes."),
        "Each item was shown in these answer formats:",
        render_table(("format", "answer", "times"), formats),
        render_table(("training", ""), [(name, value) for name, value in figures if value]),
    ]
    if tuning.plan:
        parts.append("Chosen for the machine:\n\n" + "\n".join(f"- {escape(line)}" for line in tuning.plan))
    if tuning.dropped:
        named = ", ".join(map(quote_code, tuning.dropped[:_NAMED]))
        more = f" and {len(tuning.dropped) - _NAMED:,} more" if len(tuning.dropped) > _NAMED else ""
        parts.append(f"{count_of(len(tuning.dropped), 'row')} longer than `max_length` left out: {named}{more}.")
    return "\n\n".join(parts)


def _number(value: float | None, form: str) -> str:
    """The figure, or nothing for one that is not known."""
    return "" if value is None else format(value, form)


def _data(data: TrainingData) -> str:
    tasks = ("EU", "EA")
    rows = [(part, *(f"{counts.get(task, 0):,}" for task in tasks)) for part, counts in data.items.items()]
    writers = list_counts({quote_code(writer): count for writer, count in data.writers.items()})
    parts = [
        render_table(("items", *tasks), rows),
        f"Written by {writers}{', a scripted teacher: a grammar, not a language model' if data.scripted else ''}.",
        f"SHA-256 of the run's `items.jsonl`: `{data.fingerprint}`.",
    ]
    if data.others:
        parts.insert(1, f"Beside these {count_of(data.others, 'training item')} of other runs (`train.with_items`).")
    return "\n\n".join(parts)


def _license(facts: StudentFacts) -> str:
    terms = "The licence of its base applies to it. " if facts.base != SCRATCH else ""
    return f"None was chosen for the student. {terms}Terms of the models that wrote the data may apply too."
