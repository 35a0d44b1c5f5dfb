"""From drafts to items: choices, order, and letters are the code's work, never the writer's.

Key positions are exactly balanced over a set: of N items with k choices each position holds ⌊N/k⌋ or ⌈N/k⌉ keys.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from corpus.records import ApplicationDraft, ApplicationItem, Judgement, UnderstandingDraft, UnderstandingItem
from corpus.seeds import rng_for


def balanced_positions(count: int, choices: int, *key: object) -> list[int]:
    """Return ``count`` key positions in 0..choices-1, balanced to within one and in seeded order."""
    positions = [index % choices for index in range(count)]
    rng_for("positions", *key).shuffle(positions)
    return positions


def place(label: str, wrong: Sequence[str], position: int, *key: object) -> tuple[str, ...]:
    """Put the label at ``position`` among the seeded-shuffled wrong choices."""
    choices = list(wrong)
    rng_for("wrong order", *key).shuffle(choices)
    choices.insert(position, label)
    return tuple(choices)


def assemble_items(
    drafts: Sequence[UnderstandingDraft | ApplicationDraft],
    seed: int,
    judgements: Mapping[str, Judgement] | None = None,
) -> list[UnderstandingItem | ApplicationItem]:
    """Turn drafts, sorted by ID, into items with balanced keys, marked with what the judge found; the IDs stay."""
    found = judgements or {}
    items: list[UnderstandingItem | ApplicationItem] = []
    eu = [draft for draft in drafts if isinstance(draft, UnderstandingDraft)]
    ea = [draft for draft in drafts if isinstance(draft, ApplicationDraft)]
    emotions = balanced_positions(len(eu), 6, seed, "emotion")
    causes = balanced_positions(len(eu), 4, seed, "cause")
    for eu_draft, emotion_at, cause_at in zip(eu, emotions, causes, strict=True):
        items.append(
            UnderstandingItem(
                **_shared(eu_draft, found.get(eu_draft.id)),
                coarse_category=eu_draft.coarse_category,
                finegrained_category=eu_draft.finegrained_category,
                emotion_choices=place(eu_draft.emotion, eu_draft.wrong_emotions, emotion_at, seed, eu_draft.id, "e"),
                emotion_label=eu_draft.emotion,
                cause_choices=place(eu_draft.cause, eu_draft.wrong_causes, cause_at, seed, eu_draft.id, "c"),
                cause_label=eu_draft.cause,
            )
        )
    for draft, position in zip(ea, balanced_positions(len(ea), 4, seed, "option"), strict=True):
        items.append(
            ApplicationItem(
                **_shared(draft, found.get(draft.id)),
                category=draft.category,
                question_type=draft.question_type,
                choices=place(draft.best, draft.wrong, position, seed, draft.id),
                label=draft.best,
            )
        )
    return sorted(items, key=lambda item: item.qid)


def _shared(draft: UnderstandingDraft | ApplicationDraft, judgement: Judgement | None) -> dict[str, Any]:
    """The fields that items of both tasks have."""
    names = {"session", "scenario", "subject", "explanation", "people", "misreadings", "teacher"}
    solved = judgement.solved if judgement else None
    return {
        "qid": draft.id,
        **{name: getattr(draft, name) for name in names},
        "agreement": round(solved.agreement, 3) if solved else None,
        "guessed": judgement.guessed if judgement else None,
    }
