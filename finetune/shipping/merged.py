"""A merged student as a folder that vLLM, older transformers, and Ollama's own importer read alike.

transformers 5 writes what others do not look for: without these patches the rotary base is lost (Llama-3.1 reads
10,000 for 500,000), there is no chat template, and answers do not end.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from corpus.errors import ShippingError
from corpus.jsonl import write_text_atomically
from finetune.tokens import end_tokens
from lms.in_process.chat import Chat

MARK = ".emoreason-merged"  # tells a folder of ours, which may be replaced, from any other


def write_merged(model: Path, folder: Path) -> None:
    """Copy the model folder and patch the copy; an earlier copy of ours is replaced.

    Raises:
        ShippingError: ``folder`` holds something else.
    """
    if folder.resolve() == model.resolve():
        raise ShippingError(f"{folder} is the student itself; name another folder")
    if folder.exists() and not folder.is_dir():
        raise ShippingError(f"{folder} is a file; name a folder")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / MARK).exists():
        raise ShippingError(f"{folder} is not empty and no merged student; name another folder, or empty it")
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.parent.mkdir(parents=True, exist_ok=True)
    shutil.copytree(model, partial)
    patch(partial)
    (partial / MARK).touch()
    if folder.is_dir():
        shutil.rmtree(folder)
    partial.rename(folder)


def patch(folder: Path) -> None:
    """Write rotary parameters, chat template, and end tokens also where older readers look for them."""
    from transformers import AutoTokenizer, GenerationConfig

    config = _read(folder / "config.json")
    rope = config.get("rope_parameters") or {}
    if "rope_theta" in rope:  # of one kind for all layers
        config["rope_theta"] = rope["rope_theta"]
        if (kind := rope.get("rope_type", "default")) != "default":
            scaling = {key: value for key, value in rope.items() if key != "rope_theta"}
            config["rope_scaling"] = scaling | {"type": kind}
    _write(folder / "config.json", config)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    described = _read(folder / "tokenizer_config.json")
    if tokenizer.chat_template is not None:
        described["chat_template"] = tokenizer.chat_template
    _write(folder / "tokenizer_config.json", described)
    path = folder / "generation_config.json"
    generation = _read(path) if path.is_file() else {}
    ends = generation.get("eos_token_id", config.get("eos_token_id"))
    ends = [] if ends is None else ends if isinstance(ends, list) else [ends]
    if tokenizer.chat_template is not None:
        known = end_tokens(Chat(str(folder), tokenizer, None), GenerationConfig(eos_token_id=ends or None))
        ends = [*ends, *sorted(known.difference(ends))]
    if ends:
        generation["eos_token_id"] = ends[0] if len(ends) == 1 else ends
    _write(path, generation)


def _read(path: Path) -> dict[str, Any]:
    try:
        value: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ShippingError(f"{path} cannot be read; train the student again, or name another folder") from error
    return value


def _write(path: Path, value: dict[str, Any]) -> None:
    write_text_atomically(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
