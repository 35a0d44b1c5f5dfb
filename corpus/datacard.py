"""The data card of a curated set: what it is, how it was made, and what it must not be taken for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from corpus.records import ApplicationItem, UnderstandingItem, cell_of
from corpus.split import Split

SAFETY = (
    "This is synthetic text. It is not therapy, not advice, and not the record of any person. Some sessions touch "
    "self-harm or abuse; they name no method, and where a client voices that life is at risk the therapist puts safety "
    "first. Do not use the data, or a model tuned on it, to counsel people. Whoever is in danger should turn to the "
    "local emergency service or a crisis line."
)


def write_datacard(
    name: str,
    seed: int,
    items: Sequence[UnderstandingItem | ApplicationItem],
    splits: Mapping[str, Split],
    dropped: Mapping[str, int],
    methods: Mapping[str, int],
) -> str:
    """Render the card in Markdown with the Hub's front matter.

    Args:
        items: the kept items; splits: session → split; dropped: reason → drafts; methods: pipeline → sessions.
    """
    teachers = Counter(item.teacher for item in items)
    scripted = bool(teachers) and all(teacher.startswith("scripted/") for teacher in teachers)
    sessions = ", ".join(f"{method} {count:,}" for method, count in methods.items())
    lines = [
        "---", "language: en", "task_categories: [multiple-choice]", "tags: [emotional-intelligence, synthetic]",
        f"pretty_name: EmoReason {name}", "---", "",
        f"# EmoReason data: {name}", "",
        f"> {SAFETY}", "",
        f"{len(items):,} multiple-choice items on emotional understanding (EU) and application (EA), each with an "
        f"explanation, from {sum(methods.values()):,} sessions ({sessions}), seed {seed}.", "",
    ]  # fmt: skip
    if teachers:
        lines.append("Written by: " + ", ".join(f"`{t}` ({count:,})" for t, count in sorted(teachers.items())) + ".")
    if scripted:
        lines.append(
            "The scripted teacher is a grammar, not a language model: its items show that the pipeline works and say "
            "nothing about people."
        )
    lines += [
        "", "Labels were planned before the text was written. Rules checked every item; no person has read them. "
        "**The items were not compared with any exam set.**", "",
        "| category | items |", "|---|---|",
        *(f"| {cell} | {count:,} |" for cell, count in sorted(Counter(map(cell_of, items)).items())), "",
        "| split | items |", "|---|---|",
        *(f"| {split} | {count:,} |" for split, count in sorted(Counter(splits[i.session] for i in items).items())),
        "",
    ]  # fmt: skip
    if dropped:
        lines += ["| dropped because | drafts |", "|---|---|", *(f"| {r} | {n:,} |" for r, n in dropped.items()), ""]
    lines += ["Fields are EmoBench's; `explanation`, `misreadings`, `people`, `session`, and `teacher` are added.", ""]
    return "\n".join(lines)
