"""What a run's manifest says of the compiled programs that it uses; read without loading DSPy."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from optimizers.config import KINDS, Kind
from runs.folder import Run


class Gain(BaseModel):
    """What compiling brought on the final cases: mean quality before and after, 95% interval of the difference."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    before: float
    after: float
    interval: tuple[float, float]
    n: int


class ProgramNote(BaseModel):
    """One compiled program."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    fingerprint: str
    optimizers: tuple[str, ...]
    teacher: str
    quality: Gain


def read_notes(run: Run) -> dict[Kind, ProgramNote]:
    """Return the notes in the order of `KINDS`; none where the recipe names no program."""
    notes = run.manifest.get("programs", {})
    return {kind: ProgramNote.model_validate(notes[kind]) for kind in KINDS if kind in notes}
