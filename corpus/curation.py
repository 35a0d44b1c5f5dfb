"""Curation: drafts that passed the rules become items with a part; what the judge or a size refuses has a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from corpus.assemble import assemble_items
from corpus.balance import select_balanced
from corpus.config import CurateConfig, VerifyConfig
from corpus.judgements import why_aside
from corpus.records import ApplicationDraft, Item, Judgement, UnderstandingDraft
from corpus.screening import Drop
from corpus.split import Split, split_by_persona


@dataclass(frozen=True)
class Curated:
    """Kept items and items set aside, in ID order; session → part; drops of this step; and what categories lack.

    ``aside`` are the items that the judge did not pass: they are no part of the data, but people may bring them back.
    """

    items: list[Item]
    aside: list[Item]
    splits: dict[str, Split]
    drops: list[Drop]
    short: dict[str, int]


def curate(
    passed: Sequence[UnderstandingDraft | ApplicationDraft],
    judgements: Mapping[str, Judgement],
    personas: Mapping[str, str],
    verify: VerifyConfig,
    config: CurateConfig,
    seed: int,
) -> Curated:
    """Set aside, balance, assemble, and split.

    Args:
        passed: drafts that no rule objects to, in any order.
        judgements: by draft ID; a draft without one is not taken for verified.
        personas: session ID → persona text.

    Raises:
        RecipeError: `curate.sizes` names a category that does not exist.
    """
    drafts = sorted(passed, key=lambda draft: draft.id)
    reasons = {draft.id: why_aside(judgements.get(draft.id), verify) for draft in drafts}
    drops = [Drop(key, "judge", reason) for key, reason in reasons.items() if reason]
    confidence = {key: found.solved.agreement for key, found in judgements.items() if found.solved}
    verified = [draft for draft in drafts if not reasons[draft.id]]
    balanced = select_balanced(verified, config.sizes, confidence, seed)
    drops += [Drop(key, "sizes", reason) for key, reason in balanced.surplus.items()]
    kept = set(balanced.kept)
    items = assemble_items([draft for draft in verified if draft.id in kept], seed, judgements)
    aside = assemble_items([draft for draft in drafts if reasons[draft.id]], seed, judgements)
    # Those set aside are dealt with the others, so that people may bring them back into the part of their persona.
    splits = split_by_persona([*items, *aside], personas, config.validation, config.heldout, seed)
    return Curated(items, aside, splits, sorted(drops, key=lambda drop: drop.id), balanced.short)
