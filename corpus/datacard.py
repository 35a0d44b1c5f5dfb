"""The data card of a curated set: what it is, how it was made, what was checked, and what it must not be taken for.

One text for the run folder and for an export, which adds its licence and how to load it.  The Hub reads the front
matter (https://huggingface.co/docs/hub/datasets-cards); the sections follow Gebru et al., Datasheets for Datasets
(arXiv 1803.09010).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from corpus.card_checks import SCRIPTED, GuessRate, PeopleReview, say_checks, say_exams, say_judge, say_people
from corpus.config import DecontaminateConfig, VerifyConfig
from corpus.funnel import PARTS, FunnelStep
from corpus.markdown import count_of, list_counts, render_table
from corpus.outcomes import Curated, Verified
from corpus.records import ApplicationItem, UnderstandingItem, cell_of
from corpus.split import Split

SAFETY = (
    "This is synthetic text. It is not therapy, not advice, and not the record of any person. Some sessions touch "
    "self-harm or abuse; they name no method, and where a client voices that life is at risk the therapist puts safety "
    "first. Do not use the data, or a model tuned on it, to counsel people. Whoever is in danger should turn to the "
    "local emergency service or a crisis line."
)
_SCRIPTED_NOTE = (
    "**The scripted teacher is a grammar, not a language model**: its items show that the pipeline works and say "
    "nothing about people."
)
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_ADDED = {
    "session": "the session from which the item was written; sessions do not cross splits",
    "people": "the people whom the scenario names, with their pronouns",
    "explanation": "why the answer is right, from a cue of the scenario to the nearest wrong answer",
    "misreadings": "what a reader does wrong who picks a wrong cause or option, as they were written",
    "teacher": "the model that wrote the item",
    "agreement": "share of the judge's blind answers that were the key; null where none was asked for",
    "guessed": "whether the judge found the key without the scenario; null where it was not asked",
}


@dataclass(frozen=True)
class ModelUsed:
    """A model in its role, and the digest of its weights where the server tells one."""

    role: str
    identity: str
    weights: str = ""


@dataclass(frozen=True)
class ProgramUsed:
    """A compiled program that wrote sessions or items: who compiled it, and what that brought on cases it had not seen.

    ``before`` and ``after`` are mean qualities of ``n`` cases, ``interval`` is the 95% one of their difference.
    """

    kind: str
    name: str
    optimizers: Sequence[str]
    teacher: str
    before: float
    after: float
    interval: tuple[float, float]
    n: int


@dataclass(frozen=True)
class CardFacts:
    """All that the card says.

    ``splits`` gives the part of each session, ``methods`` the sessions of each pipeline, ``prompts`` a fingerprint per
    stage of what was asked, ``versions`` those of the packages that made the set.
    """

    name: str
    seed: int
    items: Sequence[UnderstandingItem | ApplicationItem]
    splits: Mapping[str, Split]
    methods: Mapping[str, int]
    models: Sequence[ModelUsed]
    prompts: Mapping[str, str]
    versions: Mapping[str, str]
    funnel: Sequence[FunnelStep]
    verified: Verified
    curated: Curated
    verify: VerifyConfig
    decontaminate: DecontaminateConfig
    guesses: Sequence[GuessRate] = ()
    programs: Sequence[ProgramUsed] = ()
    review: PeopleReview = field(default_factory=PeopleReview)

    @property
    def scripted(self) -> bool:
        """Whether a grammar wrote all the items."""
        return bool(self.items) and all(item.teacher.startswith(SCRIPTED) for item in self.items)


@dataclass(frozen=True)
class DataConfig:
    """A part of an exported set that loads by name: split → file, relative to the card."""

    name: str
    about: str
    files: Mapping[str, str]


@dataclass(frozen=True)
class Packaging:
    """What an export adds: the licence that was chosen, if any, and what loads by name."""

    configs: Sequence[DataConfig]
    license: str = ""


def write_datacard(facts: CardFacts, packaging: Packaging | None = None) -> str:
    """Render the card in Markdown with the Hub's front matter."""
    total = sum(facts.methods.values())
    sessions = ", ".join(f"{method} {count:,}" for method, count in facts.methods.items())
    sections = [
        f"---\n{yaml.safe_dump(_front_matter(facts, packaging), sort_keys=False)}---",
        f"# EmoReason data: {facts.name}",
        f"> {SAFETY}",
        f"{count_of(len(facts.items), 'multiple-choice item')} on emotional understanding (EU) and application (EA), "
        f"each with an explanation, from {count_of(total, 'session')} ({sessions}), seed {facts.seed}."
        + (f" {_SCRIPTED_NOTE}" if facts.scripted else ""),
        "## What is in it", _contents(facts),
        *(("## How to load it", _loading(packaging)) if packaging else ()),
        "## How it was made", _making(facts),
        "## What was checked", say_checks(facts.verified, facts.items),
        "### By a judge", say_judge(facts.verified, facts.verify, facts.items, facts.guesses),
        "### Against exams", say_exams(facts.verified, facts.decontaminate),
        "### By people", say_people(facts.review),
        "### What was lost on the way", _funnel(facts),
        "## What it is for, and what not", _use(facts),
        "## Licence", _license(packaging),
    ]  # fmt: skip
    return "\n\n".join(sections) + "\n"


def _front_matter(facts: CardFacts, packaging: Packaging | None) -> dict[str, Any]:
    count = len(facts.items)
    matter: dict[str, Any] = {
        "pretty_name": f"EmoReason {facts.name}",
        "language": sorted({item.language for item in facts.items}) or ["en"],
        "task_categories": ["multiple-choice", "question-answering"],
        "size_categories": [next((name for limit, name in _SIZES if count < limit), "n>1M")],
        "tags": ["emotional-intelligence", "emotional-reasoning", "synthetic"],
    }
    if packaging:
        if packaging.license:
            matter["license"] = packaging.license
        matter["configs"] = [
            {
                "config_name": config.name,
                "data_files": [{"split": split, "path": path} for split, path in config.files.items()],
                **({"default": True} if number == 0 else {}),
            }
            for number, config in enumerate(packaging.configs)
        ]
    return matter


def _contents(facts: CardFacts) -> str:
    counts = Counter((cell_of(item), facts.splits[item.session]) for item in facts.items)
    counts += Counter((item.task, facts.splits[item.session]) for item in facts.items)
    cells = sorted({cell_of(item) for item in facts.items}, key=lambda cell: ("/" in cell, cell))

    def row(name: str) -> tuple[str, ...]:
        numbers = [counts[name, part] for part in PARTS]
        return (name, *(f"{number:,}" for number in (*numbers, sum(numbers))))

    fields = [(f"`{name}`", about) for name, about in _ADDED.items()]
    return "\n\n".join(
        (
            render_table(("task", *PARTS.values(), "all"), map(row, ("EU", "EA"))),
            render_table(("category", *PARTS.values(), "all"), map(row, cells)),
            "Fields are EmoBench's, to the letter (Sabour et al., ACL 2024). Beside them stand:",
            render_table(("field", "what it is"), fields),
        )
    )


def _loading(packaging: Packaging) -> str:
    first = packaging.configs[0].name
    return "\n\n".join(
        (
            f'```python\nfrom datasets import load_dataset\n\nitems = load_dataset(DIR, "{first}")\n```',
            "`DIR` is this folder, or its name on the Hub. Held-out items are the split `test`.",
            render_table(("name", "rows"), [(f"`{config.name}`", config.about) for config in packaging.configs]),
            "The same rows as JSON Lines: `emobench/SPLIT/EU.jsonl` and `EA.jsonl` in EmoBench's own form, without "
            "what we added, and `sft/SPLIT/chat.jsonl` and `prompt_completion.jsonl`.",
        )
    )


def _making(facts: CardFacts) -> str:
    teachers = Counter(item.teacher for item in facts.items)
    models = [
        (model.role, f"`{model.identity}`" + (" (scripted)" if model.identity.startswith(SCRIPTED) else ""),
         f"`{model.weights}`" if model.weights else "")
        for model in facts.models
    ]  # fmt: skip
    versions = ", ".join(f"{name} {version}" for name, version in facts.versions.items())
    prompts = ", ".join(f"{stage} `{fingerprint}`" for stage, fingerprint in facts.prompts.items())
    lines = [
        "1. A plan drew a persona, a theme, and moments, each with its emotion or need and the appraisal behind it: "
        "the label came before the text.\n"
        "2. Models played a therapy session in which the client tells these moments.\n"
        "3. A converter wrote one item per moment: scenario, right and wrong answers, explanation. Code placed the "
        "answers, so that keys are balanced over the letters.\n"
        "4. Rules, and a judge where there was one, decided what stays.\n"
        "5. Items were balanced, and split so that no session and no persona stands in two splits.",
        "Written by: " + ", ".join(f"`{t}` ({count:,})" for t, count in sorted(teachers.items())) + "."
        if teachers
        else "No item was kept.",
        render_table(("role", "model", "weights"), models),
        *((_compiled(facts.programs),) if facts.programs else ()),
        f"Roles without a line use the model of `teacher`. Fingerprints of the prompts: {prompts}. "
        f"Made with {versions}. The recipe is in `recipe.yaml`.",
    ]
    return "\n\n".join(lines)


def _compiled(programs: Sequence[ProgramUsed]) -> str:
    """The compiled prompts; quality is by a metric of rules and judge, and says nothing about people."""
    rows = [
        (p.kind, f"`{p.name}`", " + ".join(p.optimizers), f"`{p.teacher}`", f"{p.before:.2f} → {p.after:.2f}",
         f"{p.interval[0]:+.2f} to {p.interval[1]:+.2f}", f"{p.n:,}")
        for p in programs
    ]  # fmt: skip
    head = ("writes", "compiled program", "optimizer", "teacher", "quality", "95% of the change", "cases")
    return (
        "Prompts were compiled by DSPy optimizers. Quality is that of rules and a judge, from 0 to 1, on cases that no "
        f"optimizer saw.\n\n{render_table(head, rows)}"
    )


def _funnel(facts: CardFacts) -> str:
    rows = [
        (step.name, f"{step.count:,}", "" if step.share is None else f"{100 * step.share:.1f}%", list_counts(step.lost))
        for step in facts.funnel
    ]
    text = render_table(("step", "left", "share", "lost here"), rows)
    if facts.review.left_out or facts.review.taken_in:
        text += f"\n\nAfter that people's word changed the set, which has {count_of(len(facts.items), 'item')} now."
    if facts.curated.short:
        text += f"\n\nFewer than asked for: {list_counts(facts.curated.short)}."
    return text


def _use(facts: CardFacts) -> str:
    limits = [
        "Labels follow appraisal theory as a program planned them. They were not normed on people, and people of other "
        "cultures may rightly answer otherwise.",
        "All text comes from few writers. It carries their habits and their bias, and it is plainer than life.",
        "Held-out items come from the same writers as the training items: a gain on them does not show that a model "
        "understands people better. Examine it on a set that others made.",
        "A judge's agreement is not people's agreement.",
    ]
    if facts.scripted:
        limits.insert(0, _SCRIPTED_NOTE)
    return (
        "For tuning and examining small language models on emotional reasoning, and for studying how such items can be "
        "made and checked. Not for counselling, diagnosis, or any judgement about a person, and no measure of a "
        "person's emotional intelligence.\n\n" + "\n".join(f"- {limit}" for limit in limits)
    )


def _license(packaging: Packaging | None) -> str:
    if packaging and packaging.license:
        return (
            f"`{packaging.license}`, as whoever exported the set chose. Terms of the models' providers may add to it."
        )
    return (
        "No licence was chosen. Without one, others may by default not copy, change, or pass on the set; ask whoever "
        "made it. Terms of the models' providers may apply too."
    )
