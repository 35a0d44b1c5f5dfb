"""The bars of fine-tuning.  Run with `make bench-finetune` (about seventy minutes, fifty of them the paper's preset).

Speed, memory, and accuracy against the paper's recipe; kills; `dspy.BootstrapFinetune`; and GGUF against transformers.
What needs a GPU is benchmarks/gpu_sft.py.
"""

from __future__ import annotations

import os
import sys
import tempfile
from itertools import chain
from pathlib import Path

from benchmarks import bootstrap_finetune, gguf_parity, training_kill, training_presets, training_speed
from benchmarks.table import publish
from benchmarks.training_material import SIZE, make_base, make_corpus
from finetune.config import TrainConfig
from finetune.warm_up import warm_up
from runs.stages.train import gather_material, session_texts


def main() -> int:
    """Measure every bar; return 1 when one is missed."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        run = make_corpus(root / "run")
        material = gather_material(run)
        base = make_base(material, root / "random")
        warm = TrainConfig(scratch=SIZE.model_copy(update={"warm_up_epochs": 1.0}))
        warm_up(base, session_texts(run), warm, 7, root / "base", lambda step, steps, values: None)
        rows = []
        for row in chain(
            training_speed.measure(material, root / "base", root / "speed"),
            training_kill.measure(material, root / "base", root / "kill"),
            bootstrap_finetune.measure(),
            gguf_parity.measure(),
            training_presets.measure(run, material, root / "base", root / "presets"),
        ):
            print(f"{row.name}: {row.value:g} {row.unit}", flush=True)  # the table comes last
            rows.append(row)
    return 0 if publish("finetune", rows, os.cpu_count() or 0) else 1


if __name__ == "__main__":
    sys.exit(main())
