"""The facts of a run for its data card."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from pydantic import ValidationError

from corpus.card_checks import GuessRate, PeopleReview
from corpus.datacard import CardFacts, ModelUsed, ProgramUsed
from corpus.errors import RunError
from corpus.funnel import build_funnel
from corpus.outcomes import Curated, Generated, Verified
from corpus.records import ApplicationItem, UnderstandingItem
from corpus.split import Split
from eval.statistics import wilson_interval
from runs.folder import Run
from runs.program_notes import read_notes

_VERSIONS = ("emoreason", "dspy-ai", "python")
_ABSOLUTE = re.compile(r"([\w.-]+/)?(/.*)")  # a path alone, or behind a model's provider


def gather_facts(
    run: Run,
    items: Sequence[UnderstandingItem | ApplicationItem],
    splits: Mapping[str, Split],
    curated: Mapping[str, Any],
    review: PeopleReview | None = None,
) -> CardFacts:
    """Gather what the card of ``items`` says, without paths of this machine.

    Args:
        splits: session → part; curated: the record of `curate`, finished or about to be.

    Raises:
        RunError: `generate` or `verify` is not done, or was done by another version.
    """
    recipe, manifest = run.recipe, run.manifest
    generated, verified = run.require("generate"), run.require("verify")
    try:
        made, checked, kept = (
            Generated.model_validate(generated), Verified.model_validate(verified), Curated.model_validate(curated)
        )  # fmt: skip
    except ValidationError as error:
        raise RunError(f"{run.path} was made by another version of EmoReason; use that version") from error
    weights = manifest.get("weights", {})  # written when the first model is opened
    return CardFacts(
        name=recipe.name,
        seed=recipe.seed,
        items=[strip_places(item) for item in items],
        splits=splits,
        methods=made.methods,
        models=[
            ModelUsed(role, without_places(identity), weights.get(role, ""))
            for role, identity in manifest["models"].items()
        ],
        prompts=manifest["prompts"],
        versions={name: manifest["versions"][name] for name in _VERSIONS},
        funnel=build_funnel(generated, verified, curated),
        verified=_strip_verified(checked),
        curated=kept,
        verify=recipe.verify,
        decontaminate=recipe.curate.decontaminate,
        guesses=guess_rates(checked),
        programs=_programs_used(run),
        review=review or PeopleReview(),
    )


def _programs_used(run: Run) -> list[ProgramUsed]:
    """The compiled programs that wrote the data; an exam's prompt did not."""
    return [
        ProgramUsed(
            kind, note.name, note.optimizers, without_places(note.teacher),
            note.quality.before, note.quality.after, note.quality.interval, note.quality.n,
        )
        for kind, note in read_notes(run).items()
        if kind != "exam"
    ]  # fmt: skip


def strip_places(item: UnderstandingItem | ApplicationItem) -> UnderstandingItem | ApplicationItem:
    """Return the item with a model that was loaded from a folder named by the folder's last part."""
    return item.model_copy(update={"teacher": without_places(item.teacher)})


def without_places(text: str) -> str:
    """Return ``text`` with an absolute path, such as in ``transformers//data/m``, cut to its last part."""
    if match := _ABSOLUTE.fullmatch(text):
        return (match[1] or "") + PurePosixPath(match[2]).name
    return text


def _strip_verified(verified: Verified) -> Verified:
    compared = {without_places(source): count for source, count in verified.exams.compared.items()}
    return verified.model_copy(
        update={
            "judge": without_places(verified.judge),
            "exams": verified.exams.model_copy(update={"compared": compared}),
            "examples": [row.model_copy(update={"source": without_places(row.source)}) for row in verified.examples],
        }
    )


def guess_rates(verified: Verified) -> list[GuessRate]:
    """Return, per task, the share of items answered without their scenario, with its Wilson interval."""
    rates = []
    for task, row in sorted(verified.choices_only.items()):
        low, high = wilson_interval(row.right, row.n)
        rates.append(GuessRate(task, row.n, row.right / row.n, low, high, row.chance))
    return rates
