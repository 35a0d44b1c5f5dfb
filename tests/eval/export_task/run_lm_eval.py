"""Runs the exported tasks in lm-evaluation-harness; a script of its own, for an interpreter that has it.

Arguments: folder of the task, folder of the data, JSON file prompt → answer.  Prints the results as JSON.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

from lm_eval import simple_evaluate
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

tasks, data, answers = sys.argv[1:]
said = json.loads(Path(answers).read_text(encoding="utf-8"))


class Told(LM):  # type: ignore[misc, unused-ignore]
    """Says what it is told, and finds the right answer of what it answers readably the likeliest."""

    def generate_until(self, requests, disable_tqdm=False):  # type: ignore[no-untyped-def]
        return [said[request.args[0]] for request in requests]

    def loglikelihood(self, requests, disable_tqdm=False):  # type: ignore[no-untyped-def]
        return [(0.0 if said[request.args[0]] == request.args[1].strip() else -1.0, False) for request in requests]

    def loglikelihood_rolling(self, requests, disable_tqdm=False):  # type: ignore[no-untyped-def]
        raise NotImplementedError


names = [f"emoreason_emobench_{name}" for name in ("ea", "eu", "ea_likelihood", "eu_likelihood")]
manager = TaskManager(include_path=tasks, include_defaults=False, metadata={"data": data})
found = simple_evaluate(model=Told(), tasks=names, task_manager=manager, bootstrap_iters=10)
results = {"version": version("lm-eval"), "results": found["results"]}
json.dump(results, sys.stdout, default=str)
