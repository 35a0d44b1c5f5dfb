"""The exported tasks run in the tools that they are for, by an interpreter that has them.

Set TOOLS_PYTHON to one (`python -m venv tools && tools/bin/pip install lm-eval inspect-ai datasets`); without it, this
interpreter is asked.  The tools' own dependencies quarrel with ours, so they are no extra of EmoReason.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).resolve().parent
OWN = HERE.parent.parent / "data" / "emobench"
PYTHON = os.environ.get("TOOLS_PYTHON", sys.executable)


def run(script: str, module: str, *arguments: Path) -> dict[str, Any]:
    """Run a script apart from the environment and the current folder; skip where the tool is not installed."""
    here = {"cwd": arguments[-1].parent, "env": os.environ | {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}}
    if subprocess.run([PYTHON, "-I", "-c", f"import {module}"], capture_output=True, check=False, **here).returncode:
        pytest.skip(f"{PYTHON} has no {module}; name one that has in TOOLS_PYTHON")
    done = subprocess.run(
        [PYTHON, "-I", str(HERE / script), *map(str, arguments)], capture_output=True, text=True, check=False, **here
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.fixture
def told(answers: dict[str, str], tmp_path: Path) -> Path:
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(answers), encoding="utf-8")
    return path


def test_lm_evaluation_harness_scores_as_told(lm_eval_dir: Path, told: Path) -> None:
    found = run("run_lm_eval.py", "lm_eval", lm_eval_dir, OWN, told)
    for task in ("ea", "eu"):
        scores = found["results"][f"emoreason_emobench_{task}"]
        shares = {name: scores[f"{name},none"] for name in ("answered", "strict", "lenient")}
        assert shares == {"answered": 0.75, "strict": 0.25, "lenient": 0.5}
        error = scores["lenient_stderr_clustered,none"]
        assert error == pytest.approx((4 * 0.25 / 3) ** 0.5 / 2), "four scenarios: as if there were no clusters"
        assert scores["lenient_stderr,none"] == pytest.approx(error)
        # Of all answers the bare right letter is the likeliest in one; where all are alike, the first is not right.
        assert found["results"][f"emoreason_emobench_{task}_likelihood"]["acc,none"] == pytest.approx(0.25)


def test_inspect_scores_as_told(inspect_dir: Path, told: Path) -> None:
    found = run("run_inspect.py", "inspect_ai", inspect_dir, OWN, told)
    assert set(found["results"]) == {"emobench_ea", "emobench_eu"}
    for result in found["results"].values():
        shares = {name: metrics["mean"] for name, metrics in result["scores"].items()}
        assert shares == {"answered": 0.75, "strict": 0.25, "lenient": 0.5}
        assert result["scores"]["lenient"]["stderr"] == pytest.approx((4 * 0.25 / 3) ** 0.5 / 2)
        assert result["n"] == 4
        assert result["metadata"]["prompt"].startswith("emoreason-exam-E")
