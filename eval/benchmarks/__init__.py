"""The exams, by name.  To add one, write a file that makes a `Benchmark`, and name it here."""

from __future__ import annotations

from rapidfuzz import process

from corpus.errors import UsageError
from eval.benchmarks.base import Answer, Benchmark, Part, Picks, Question, Total, reordered
from eval.benchmarks.emobench import APPLICATION, UNDERSTANDING
from eval.benchmarks.eqbench import EQ_BENCH
from eval.benchmarks.tombench import TOMBENCH

__all__ = ["BENCHMARKS", "Answer", "Benchmark", "Part", "Picks", "Question", "Total", "find_benchmark", "reordered"]

BENCHMARKS = {benchmark.name: benchmark for benchmark in (APPLICATION, UNDERSTANDING, EQ_BENCH, TOMBENCH)}


def find_benchmark(name: str) -> Benchmark:
    """Return an exam by its name; raises UsageError with the nearest name for an unknown one."""
    if name in BENCHMARKS:
        return BENCHMARKS[name]
    nearest = process.extractOne(name.lower(), list(BENCHMARKS), score_cutoff=50)
    near = f"did you mean {nearest[0]}? Known are" if nearest else "known are"
    raise UsageError(f"there is no benchmark {name!r}; {near} {', '.join(BENCHMARKS)}")
