"""A student as a plain folder: weights in the base's own precision, tokenizer, and nothing that needs PEFT."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any


def save_whole(model: Any, tokenizer: Any, ends: Iterable[int], folder: Path) -> None:
    """Save model and tokenizer to ``folder`` in one move, so that a kill leaves either all of it or nothing.

    ``ends`` are the tokens at which generation stops; the generation config names them.
    """
    model.generation_config.eos_token_id = sorted(ends)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    model.save_pretrained(partial)
    tokenizer.save_pretrained(partial)
    shutil.rmtree(folder, ignore_errors=True)
    partial.rename(folder)


def merge_adapter(base: str, adapter: Path, tokenizer: Any, ends: Iterable[int], folder: Path) -> None:
    """Merge a PEFT adapter into its base, loaded afresh on the CPU in the precision that it was published in.

    A base that was quantised for training is not merged into: its rounding errors would stay in the student.
    """
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(base, dtype="auto", trust_remote_code=False)
    save_whole(PeftModel.from_pretrained(model, str(adapter)).merge_and_unload(), tokenizer, ends, folder)
