"""Runs the exported tasks in inspect_ai; a script of its own, for an interpreter that has it.

Arguments: folder of the task, folder of the data, JSON file prompt → answer.  Prints the results as JSON.
"""

import json
import os
import sys
from importlib.metadata import version
from pathlib import Path

from inspect_ai import eval as run
from inspect_ai.model import ModelOutput, ModelUsage, get_model

tasks, data, answers = sys.argv[1:]
said = json.loads(Path(answers).read_text(encoding="utf-8"))


def tell(messages, *rest):  # type: ignore[no-untyped-def]
    """Say what is told; with a usage, because the mock model would download a tokenizer to count."""
    output = ModelOutput.from_content("mockllm", said[messages[-1].text])
    output.usage = ModelUsage(input_tokens=1, output_tokens=1, total_tokens=2)
    return output


found = {}
os.chdir(tasks)  # the tool takes only relative paths
logs = run(
    "emobench.py",
    model=get_model("mockllm/model", custom_outputs=tell),
    task_args={"data": data},
    log_dir=str(Path(answers).parent / "logs"),
    display="none",
)
for log in logs:
    assert log.status == "success", log.error
    scores = {
        score.name: {name: metric.value for name, metric in score.metrics.items()} for score in log.results.scores
    }
    found[log.eval.task] = {"scores": scores, "metadata": log.eval.metadata, "n": log.results.completed_samples}
json.dump({"version": version("inspect-ai"), "results": found}, sys.stdout)
