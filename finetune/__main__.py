"""Train one job folder in a process of its own: ``python -m finetune FOLDER``."""

from __future__ import annotations

import sys
from pathlib import Path

from corpus.errors import TrainingError
from finetune.job import run_job


def main(arguments: list[str]) -> int:
    """Train the folder and print progress; return 1 after one line on stderr when it cannot be."""
    if len(arguments) != 1:
        print("usage: python -m finetune FOLDER", file=sys.stderr)  # noqa: T201
        return 2
    try:
        run_job(Path(arguments[0]), _print_step, lambda line: print(line, flush=True))  # noqa: T201
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)  # noqa: T201
        return 1
    return 0


def _print_step(step: int, steps: int, values: dict[str, float]) -> None:
    shown = ", ".join(f"{name} {values[name]:.4g}" for name in ("loss", "eval_loss") if name in values)
    print(f"step {step}/{steps} {shown} ({values['tokens_per_second']:.0f} tokens/s)", flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
