"""What an optimizer changed: two programs compared predictor by predictor, and by their scores on the same cases."""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any

import dspy

from optimizers.store import Sidecar
from programs.fingerprint import predictors_of, shown_demos

QUALITY = "quality"
SHOWN = 90  # characters of a demonstration


@dataclass(frozen=True)
class FieldChange:
    """The description of a field before and after."""

    field: str
    before: str
    after: str


@dataclass(frozen=True)
class PredictorChange:
    """What differs in a predictor: lines of a unified diff of the instructions, demonstrations, descriptions.

    ``missing_in`` names the program that lacks the predictor; then there is nothing to compare.
    """

    predictor: str
    instructions: tuple[str, ...] = ()
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    reordered: bool = False
    fields: tuple[FieldChange, ...] = ()
    missing_in: str = ""

    @property
    def is_change(self) -> bool:
        """Whether anything differs."""
        return any((self.instructions, self.added, self.removed, self.reordered, self.fields, self.missing_in))


@dataclass(frozen=True)
class ScoreRow:
    """A mean of two programs on the same final cases; None where a criterion was looked at nowhere."""

    name: str
    before: float | None
    after: float | None


def compare(before: dspy.Module, after: dspy.Module, names: tuple[str, str]) -> list[PredictorChange]:
    """Return what differs, predictor by predictor; ``names`` are those of the programs."""
    old, new = predictors_of(before), predictors_of(after)
    changes = []
    for name in dict.fromkeys([*old, *new]):
        if name in old and name in new:
            changes.append(_compare(name, old[name], new[name], names))
        else:
            changes.append(PredictorChange(name, missing_in=names[name in old]))
    return [change for change in changes if change.is_change]


def why_not_comparable(before: Sidecar | None, after: Sidecar | None) -> str:
    """Say why the scores of two programs cannot stand side by side; empty when they can."""
    if not before or not after:
        return "the scores cannot be compared: not both are compiled programs with a sidecar"
    if before.kind != after.kind or before.data.final != after.data.final:
        return "the scores cannot be compared: they were measured on different final cases"
    if before.weights != after.weights:
        return "the scores cannot be compared: their criteria have different weights"
    return ""


def compare_scores(before: Sidecar, after: Sidecar) -> list[ScoreRow]:
    """Return quality, then each criterion, of two compiled programs that were measured on the same final cases."""
    old, new = before.scores, after.scores
    rows = [ScoreRow(QUALITY, old.after.quality, new.after.quality)]
    for name in dict.fromkeys([*old.criteria, *new.criteria]):
        values = [scores.criteria[name].after if name in scores.criteria else None for scores in (old, new)]
        rows.append(ScoreRow(name, *values))
    return rows


def _compare(name: str, old: dspy.Predict, new: dspy.Predict, names: tuple[str, str]) -> PredictorChange:
    said = (old.signature.instructions.splitlines(), new.signature.instructions.splitlines())
    shown = [[json.dumps(demo, ensure_ascii=False) for demo in shown_demos(predictor)] for predictor in (old, new)]
    brief = {text: brief_demo(new if text in shown[1] else old, json.loads(text)) for text in [*shown[0], *shown[1]]}
    added = tuple(brief[text] for text in shown[1] if text not in shown[0])
    removed = tuple(brief[text] for text in shown[0] if text not in shown[1])
    return PredictorChange(
        predictor=name,
        instructions=tuple(unified_diff(said[0], said[1], names[0], names[1], lineterm="")),
        added=added,
        removed=removed,
        reordered=not added and not removed and shown[0] != shown[1],
        fields=_compare_fields(old.signature, new.signature),
    )


def _compare_fields(old: type[dspy.Signature], new: type[dspy.Signature]) -> tuple[FieldChange, ...]:
    texts = [
        {name: str(field.json_schema_extra["desc"]) for name, field in signature.fields.items()}
        for signature in (old, new)
    ]
    return tuple(
        FieldChange(name, texts[0].get(name, "no such field"), texts[1].get(name, "no such field"))
        for name in dict.fromkeys([*texts[0], *texts[1]])
        if texts[0].get(name) != texts[1].get(name)
    )


def brief_demo(predictor: dspy.Predict, demo: dict[str, Any]) -> str:
    """Show a demonstration in one line, by its first answer."""
    field = next(name for name in predictor.signature.output_fields if name in demo)
    value = demo[field]
    text = " ".join((value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)).split())
    return f"{field}: {text if len(text) <= SHOWN else text[: SHOWN - 1].rstrip() + '…'}"
