"""256 dialogues of 12 dependent calls through the Ollama engine: `python -m benchmarks.dialogues URL FOLDER`.

As generation does it: gate, ledger, and kept answers, 64 dialogues at once.  Each call's prompt holds what was said
before.  The workload is that of notes on peers: ideal time = 256 / 64 × 12 × the server's time per call.
"""

from __future__ import annotations

import json
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import dspy

from lms.build import Models
from lms.cache import use_cache
from lms.ledger import Ledger
from lms.spec import ModelSpec
from runs.pool import run_units
from signatures.chat_adapter import ChatAdapter

DIALOGUES, CALLS, CONCURRENCY = 256, 12, 64
FILLER = "The kettle was still warm when Ada came back from the yard, and nobody looked up from the table. " * 8


class GoOn(dspy.Signature):
    """Continue the story by one sentence that follows from what was told so far."""

    background: str = dspy.InputField(desc="what is known")
    said: str = dspy.InputField(desc="the story so far")
    answer: str = dspy.OutputField(desc="the next sentence")


def talk(number: int) -> int:
    """Hold one dialogue; return how many calls it took."""
    go_on = dspy.Predict(GoOn)
    said = f"Dialogue {number}."
    with dspy.context(trace=[], disable_history=True):
        for turn in range(CALLS):
            answer = go_on(background=FILLER, said=said, config={"seed": 1000 * number + turn}).answer
            said = f"{said}\n{answer}"[-400:] + f" ({turn})"
    return CALLS


def hold(spec: ModelSpec, folder: Path, dialogues: int = DIALOGUES, concurrency: int = CONCURRENCY) -> dict[str, float]:
    """Hold all dialogues; return seconds, CPU seconds of this process, and dialogues finished."""
    with ExitStack() as stack:
        ledger = stack.enter_context(Ledger("bench", folder / "calls.jsonl"))
        models = stack.enter_context(Models({"teacher": spec}, ledger, concurrency, cached=True))
        stack.enter_context(use_cache(folder, shared=False))
        adapter = ChatAdapter(use_json_adapter_fallback=False)
        stack.enter_context(dspy.context(lm=models.lms["teacher"], adapter=adapter))
        started, cpu = time.monotonic(), time.process_time()
        done = sum(1 for _ in run_units(range(dialogues), talk, concurrency, models.stop, one_core=True))
        return {"seconds": time.monotonic() - started, "cpu": time.process_time() - cpu, "dialogues": done}


if __name__ == "__main__":
    spec = ModelSpec(model="ollama_chat/student", base_url=sys.argv[1])
    sys.stdout.write(json.dumps(hold(spec, Path(sys.argv[2]))) + "\n")
