"""A GGUF says what the model says: next-token probabilities of tiny models, transformers against what reads GGUF.

The reader is llama.cpp where llama-cpp-python is installed, else transformers' own loader of GGUF.
"""

from __future__ import annotations

import importlib.util
import random
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.table import Row, least, most
from finetune.gguf import write_gguf
from finetune.gguf.writer import Kind
from tests.finetune.checkpoints import POSITIONS, TEXTS, make_checkpoint

FAMILIES = ("llama", "mistral", "qwen2")
PROMPTS = 200
LIMITS: dict[Kind, float] = {"f32": 1e-3, "f16": 2e-2}  # nats
Logits = Callable[[Sequence[int]], NDArray[Any]]


def measure() -> Iterator[Row]:
    """Yield, per family and kind, how many top tokens agree and how far log-probabilities of all tokens differ."""
    for family in FAMILIES:
        with tempfile.TemporaryDirectory() as folder:
            model = make_checkpoint(family, Path(folder), seed=7)
            for kind, limit in LIMITS.items():
                yield from _compare(model, family, kind, limit)


def _compare(model: Path, family: str, kind: Kind, limit: float) -> Iterator[Row]:
    prompts, file = draw_prompts(model), model / f"{kind}.gguf"
    write_gguf(model, file, kind)
    reader, read = open_gguf(file)
    ours = np.stack([normalise(logits) for logits in map(open_transformers(model), prompts)])
    theirs = np.stack([normalise(logits) for logits in map(read, prompts)])
    name = f"{family} {kind} in {reader}"
    top, tops = ours.argmax(1), theirs.argmax(1)
    yield least(f"{name}: same top token", int((top == tops).sum()), f"of {PROMPTS}", PROMPTS, 0)
    yield most(f"{name}: log-probabilities apart", float(np.abs(ours - theirs).max()), "nats", limit, 6)
    leads = [float(row[mine] - row[other]) for row, mine, other in zip(ours, top, tops, strict=True) if mine != other]
    if leads:
        yield Row(
            f"{name}: lead of the top token where it is lost, at most", round(max(leads), 6), "nats", "told", True
        )


def draw_prompts(model: Path) -> list[list[int]]:
    """Return ``PROMPTS`` prompts of 3 to 60 random words, as the model's own tokens."""
    from transformers import AutoTokenizer

    tokenizer, words, draw = AutoTokenizer.from_pretrained(model), " ".join(TEXTS).split(), random.Random(7)
    texts = [" ".join(draw.choices(words, k=draw.randint(3, 60))) for _ in range(PROMPTS)]
    return [tokenizer(text).input_ids for text in texts]


def normalise(logits: NDArray[Any]) -> NDArray[Any]:
    """Return log-probabilities of ``logits`` (tokens,), in nats."""
    shifted = logits.astype(np.float64) - logits.max()
    return np.asarray(shifted - np.log(np.exp(shifted).sum()))


def open_transformers(folder: Path, file: str | None = None) -> Logits:
    """Return what gives the logits (tokens,) after a prompt in transformers, from safetensors or a GGUF ``file``."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=file, dtype=torch.float32).eval()

    def read(prompt: Sequence[int]) -> NDArray[Any]:
        with torch.inference_mode():
            return np.asarray(model(torch.tensor([list(prompt)])).logits[0, -1].numpy())

    return read


def open_gguf(file: Path) -> tuple[str, Logits]:
    """Return the reader's name and what gives the logits (tokens,) after a prompt."""
    if importlib.util.find_spec("llama_cpp") is None:
        return "transformers", open_transformers(file.parent, file.name)
    from llama_cpp import GGML_TYPE_F32, Llama

    # keys and values kept in 16 bits, as by default, would hide what the file itself loses
    model = Llama(
        str(file), n_ctx=POSITIONS, n_batch=POSITIONS, logits_all=True, verbose=False, type_k=GGML_TYPE_F32,
        type_v=GGML_TYPE_F32,
    )  # fmt: skip

    def read(prompt: Sequence[int]) -> NDArray[Any]:
        model.reset()
        model.eval(list(prompt))
        return np.array(model.scores[len(prompt) - 1])

    return "llama.cpp", read
