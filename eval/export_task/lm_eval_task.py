"""The functions that an lm-evaluation-harness task of EmoBench calls; exported, see `eval.export_task.bundle`."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any

from eval.export_task.items import load_items, mark


def load(**metadata: Any) -> dict[str, Any]:
    """Return the data set of a task; ``--metadata '{"data": "DIR"}'`` reads a folder instead of the hub."""
    from datasets import Dataset

    items = load_items(metadata["emobench"], metadata["lang"], metadata["data"])
    return {"test": Dataset.from_list(items)}


def process_results(item: dict[str, Any], results: list[str]) -> dict[str, Any]:
    """Mark an answer; a ``…_clustered`` metric is fed with (score, scenario)."""
    marks = mark(item, results[0])
    clustered = {f"{name}_stderr_clustered": (score, item["scenario"]) for name, score in marks.items()}
    return {**marks, **clustered}


def process_likelihoods(item: dict[str, Any], results: list[tuple[float, bool]]) -> dict[str, Any]:
    """Mark the likeliest of all answers; of equals the first."""
    likelihoods = [likelihood for likelihood, _ in results]
    score = int(likelihoods.index(max(likelihoods)) == item["gold"])
    return {"acc": score, "acc_stderr_clustered": (score, item["scenario"])}


def clustered_stderr(scored: list[tuple[float, str]]) -> float:
    """Return the standard error of a mean over items of which some share a scenario.

    Miller (2024, arXiv 2411.00640), section 2.2, times C / (C - 1) for C scenarios.
    """
    mean = sum(score for score, _ in scored) / len(scored)
    clusters: dict[str, float] = defaultdict(float)
    for score, scenario in scored:
        clusters[scenario] += score - mean
    count = len(clusters)
    if count < 2:
        return math.nan
    return math.sqrt(sum(total**2 for total in clusters.values()) * count / (count - 1)) / len(scored)
