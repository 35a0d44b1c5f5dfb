"""Quality on the final cases, before and after GEPA, MIPROv2, and bootstrapping, each compiled twice."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console

from benchmarks.table import ROOT, Row, least, most
from optimizers.config import Kind
from optimizers.store import PROGRAM, Sidecar, read_sidecar
from runs.compiling.compile import compile_program
from runs.compiling.order import Order
from runs.recipe import load_recipe

RECIPE = ROOT / "recipes" / "compile.yaml"
CALLS = 600  # metric calls of GEPA, and calls of models, all roles together, of MIPROv2
# MIPROv2 gets fewer cases, because each takes several calls: of the writer, and of the judge that scores it.
MIPRO = ("compile.metric_calls=105", "compile.dev=16", "compile.train=24")


def measure(root: Path, again: Path) -> Iterator[Row]:
    """Yield the rows; programs are compiled into ``root``, and a second time into ``again``."""
    gepa = _compile("items", "gepa", root)
    yield most("items, final quality, uncompiled", gepa.scores.before.quality, "", 0.65, 3)
    yield from _rows("GEPA", "items", "gepa", root, again, 0.90)
    yield most("GEPA, metric calls", gepa.cost["search"]["cases"], "cases", CALLS)
    mipro = _compile("items", "mipro", root, MIPRO)
    yield from _rows("MIPROv2", "items", "mipro", root, again, 0.90, MIPRO)
    yield most(
        "MIPROv2, model calls, answers that were kept counted too", mipro.cost["search"]["asked"], "calls", CALLS
    )
    yield from _rows("bootstrap few-shot", "items", "bootstrap", root, again, 0.80)
    session = _compile("session", "gepa", root)
    yield most("sessions, final quality, uncompiled", session.scores.before.quality, "", 0.65, 3)
    yield from _rows("GEPA, sessions", "session", "gepa", root, again, 0.90)


def folder_of(kind: Kind, optimizer: str, root: Path, settings: Sequence[str] = ()) -> Path:
    """Compile, unless it was compiled before, and return the folder."""
    recipe = load_recipe(RECIPE, [f"compile.optimizer={optimizer}", *settings])
    return compile_program(Order(recipe, kind, root), Console(file=StringIO()))


def _compile(kind: Kind, optimizer: str, root: Path, settings: Sequence[str] = ()) -> Sidecar:
    return read_sidecar(folder_of(kind, optimizer, root, settings))


def _rows(
    name: str, kind: Kind, optimizer: str, root: Path, again: Path, bar: float, settings: Sequence[str] = ()
) -> Iterator[Row]:
    one, two = (folder_of(kind, optimizer, place, settings) for place in (root, again))
    scores = read_sidecar(one).scores
    yield least(f"{name}, final quality", scores.after.quality, "", bar, 3)
    low = scores.interval[0]
    yield Row(f"{name}, lower end of the paired 95% interval", round(low, 3), "", "> 0", low > 0)
    differing = (one / PROGRAM).read_bytes() != (two / PROGRAM).read_bytes()
    yield most(f"{name}, programs that differ when compiled twice", float(differing), "", 0)
