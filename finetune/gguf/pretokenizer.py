"""How a tokenizer cuts text before it merges, recognised by its rules, as llama.cpp knows only names for them.

llama.cpp has each cut in its own code, under a name (`tokenizer.ggml.pre`, llama-vocab.cpp); a wrong name silently
gives other tokens.  The rules themselves are compared, so tokenizers trained on one's own data are recognised too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from corpus.errors import ShippingError

LLAMA3_CUT = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
QWEN2_CUT = LLAMA3_CUT.replace(r"\p{N}{1,3}", r"\p{N}")
CUTS = {LLAMA3_CUT: "llama-bpe", QWEN2_CUT: "qwen2"}
SPACE = "▁"


@dataclass(frozen=True)
class Splitting:
    """Tokenizer model of llama.cpp ("gpt2": byte-level, "llama": SentencePiece), name of the cut, space in front."""

    model: str
    pre: str
    space_prefix: bool = False


def recognise(rules: dict[str, Any], model: Path) -> Splitting:
    """Return the splitting that ``rules`` (the content of a tokenizer.json) describe; raises ShippingError if none."""
    if rules["model"]["type"] != "BPE":
        raise _refuse(model, f"a {rules['model']['type']} model, not BPE")
    if rules["model"].get("byte_fallback"):
        return _recognise_pieces(rules, model)
    if rules["normalizer"] not in (None, {"type": "NFC"}):
        raise _refuse(model, f"normaliser {rules['normalizer']['type']}")
    steps = _flatten(rules["pre_tokenizer"])
    if not steps or steps[-1]["type"] != "ByteLevel" or steps[-1]["add_prefix_space"]:
        raise _refuse(model, f"pre-tokenizer {_names(steps)}")
    first, whole = steps[0], steps[-1]["use_regex"]
    if len(steps) == 1 and whole:
        return Splitting("gpt2", "gpt-2")
    if len(steps) == 2 and whole and first == {"type": "Digits", "individual_digits": True}:
        return Splitting("gpt2", "smollm")
    if len(steps) == 2 and not whole and first["type"] == "Split":
        name = CUTS.get(first["pattern"].get("Regex", ""))
        if name and first["behavior"] == "Isolated" and not first["invert"]:
            return Splitting("gpt2", name)
    raise _refuse(model, f"pre-tokenizer {_names(steps)}")


def _recognise_pieces(rules: dict[str, Any], model: Path) -> Splitting:
    """Return the splitting of SentencePiece-like rules: spaces become ▁, unknown characters bytes, nothing is cut."""
    prepend, replace = {"type": "Prepend", "prepend": SPACE}, _replace()
    normalisers, steps = _flatten(rules["normalizer"], "normalizers"), _flatten(rules["pre_tokenizer"])
    # Gemma's cut at spaces does nothing: no space is left to cut at
    if normalisers == [prepend, replace] and not steps:
        return Splitting("llama", "default", space_prefix=True)
    if normalisers == [replace] and all(step["type"] == "Split" and step["pattern"] == _space() for step in steps):
        return Splitting("llama", "default")
    if not normalisers and [step["type"] for step in steps] == ["Metaspace"] and not steps[0]["split"]:
        if steps[0]["prepend_scheme"] == "never":
            return Splitting("llama", "default")
        # llama.cpp puts the space after every mark and before spaces, transformers' Metaspace does not
        raise _refuse(model, f"Metaspace with a space in front ({steps[0]['prepend_scheme']})")
    raise _refuse(model, f"normaliser {_names(normalisers)}, pre-tokenizer {_names(steps)}")


def _space() -> dict[str, str]:
    return {"String": " "}


def _replace() -> dict[str, Any]:
    return {"type": "Replace", "pattern": _space(), "content": SPACE}


def _flatten(rule: dict[str, Any] | None, inside: str = "pretokenizers") -> list[dict[str, Any]]:
    if rule is None:
        return []
    return list(rule[inside]) if rule["type"] == "Sequence" else [rule]


def _names(steps: list[dict[str, Any]]) -> str:
    return " + ".join(step["type"] for step in steps) or "none"


def _refuse(model: Path, what: str) -> ShippingError:
    return ShippingError(
        f"{model}: no name in llama.cpp is known here for this tokenizer ({what});"
        " use llama.cpp's convert_hf_to_gguf.py"
    )
