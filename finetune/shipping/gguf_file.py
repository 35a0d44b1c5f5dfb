"""A GGUF file of a merged student: by our writer, or by llama.cpp's own converter where the user points at it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from corpus.errors import ShippingError
from finetune.gguf import KINDS, write_gguf
from finetune.gguf.writer import Kind


def make_gguf(model: Path, file: Path, kind: Kind, converter: Path | None) -> None:
    """Write ``model`` to ``file``.

    Args:
        converter: path of convert_hf_to_gguf.py; None for our writer.

    Raises:
        ShippingError: the model cannot be written, or the converter fails.
    """
    if converter is None:
        write_gguf(model, file, kind)
        return
    if not converter.is_file():
        raise ShippingError(
            f"--converter {converter}: no such file; give the path of llama.cpp's convert_hf_to_gguf.py"
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(file.name + ".partial")
    command = [sys.executable, str(converter), str(model), "--outfile", str(partial), "--outtype", kind]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not partial.is_file():
        partial.unlink(missing_ok=True)
        said = (done.stderr.strip() or done.stdout.strip() or "no output").splitlines()[-1]
        raise ShippingError(f"{converter.name} ended with status {done.returncode}: {said}")
    partial.replace(file)


def adds_bos(file: Path) -> bool:
    """Whether a server that loads ``file`` writes the beginning-of-text mark before every prompt."""
    import gguf

    fields = gguf.GGUFReader(file).fields
    if stated := fields.get("tokenizer.ggml.add_bos_token"):
        return bool(stated.contents())
    model = fields.get("tokenizer.ggml.model")  # unstated: llama.cpp's defaults
    pre = fields.get("tokenizer.ggml.pre")
    return (model is not None and model.contents() == "llama") or (pre is not None and pre.contents() == "llama-bpe")


__all__ = ["KINDS", "Kind", "adds_bos", "make_gguf"]
