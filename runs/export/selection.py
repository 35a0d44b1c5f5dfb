"""Which items are exported: those that were kept, where people do not say otherwise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from corpus.card_checks import PeopleReview
from corpus.human import REVIEWS, HumanVerdict, read_verdicts, settle
from corpus.records import ApplicationItem, UnderstandingItem
from corpus.split import Split
from eval.agreement import Agreement, measure_agreement
from runs.folder import Run
from runs.items import read_aside, read_kept


@dataclass(frozen=True)
class Selection:
    """The items in ID order, the part of each session, and what people changed."""

    items: list[UnderstandingItem | ApplicationItem]
    splits: dict[str, Split]
    review: PeopleReview

    def of(self, split: Split) -> list[UnderstandingItem | ApplicationItem]:
        """Return the items of a part."""
        return [item for item in self.items if self.splits[item.session] == split]


def select_items(run: Run) -> Selection:
    """Take the kept items that no people rejected, and those set aside by the judge that people approved.

    Raises:
        DataError: a line of the items or of a review is wrong; the message names file and line.
    """
    kept = {placed.item.qid: placed for placed in read_kept(run)}
    aside = {placed.item.qid: placed for placed in read_aside(run)}
    verdicts = [verdict for verdict in read_verdicts(run.path / REVIEWS) if verdict.id in kept or verdict.id in aside]
    settled = settle(verdicts)
    rejected = {key: found.reason for key, found in settled.items() if found.outcome == "drop" and key in kept}
    approved = [key for key, found in settled.items() if found.outcome == "keep" and key in aside]
    chosen = {key: placed for key, placed in kept.items() if key not in rejected} | {k: aside[k] for k in approved}
    placed = [chosen[key] for key in sorted(chosen)]
    return Selection(
        items=[one.item for one in placed],
        splits={one.item.session: one.split for one in placed},
        review=PeopleReview(
            people=len({verdict.annotator for verdict in verdicts if verdict.id in settled}),
            read=len(settled),
            left_out=Counter(rejected.values()),
            taken_in=len(approved),
            agreement=_describe(verdicts, run.recipe.seed),
        ),
    )


def _describe(verdicts: list[HumanVerdict], seed: int) -> dict[str, str]:
    return {found.aspect.replace("_", " "): _say(found) for found in measure_agreement(verdicts, seed)}


def _say(found: Agreement) -> str:
    raw = "" if found.raw is None else f"{found.raw:.0%} the same on {found.items:,} items"
    value = (
        "" if found.value is None else f"{found.measure} {found.value:.2f} (95% {found.low:.2f} to {found.high:.2f})"
    )
    return "; ".join(filter(None, (value, raw, found.remark)))
