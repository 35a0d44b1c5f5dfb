"""The tokenizer as llama.cpp wants it: tokens, what each is, merges or scores, marks, and the chat template."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import TokenType

from corpus.errors import ShippingError
from finetune.gguf.pieces import score_pieces
from finetune.gguf.pretokenizer import Splitting, recognise

BYTE_MARKS = {f"<0x{byte:02X}>" for byte in range(256)}


@dataclass(frozen=True)
class Vocabulary:
    """All that GGUF says of a tokenizer; ``tokens`` has one entry per row of the embeddings."""

    splitting: Splitting
    tokens: list[str]
    kinds: list[TokenType]
    merges: list[str]
    scores: list[float]
    bos: int
    eos: int
    pad: int | None
    unknown: int | None
    add_bos: bool
    add_eos: bool
    template: str | None


def read_vocabulary(model: Path, size: int) -> Vocabulary:
    """Read the tokenizer in folder ``model`` for embeddings of ``size`` rows.

    The tokenizer is read as transformers runs it, not as its file reads: transformers 5 rebuilds some families' rules
    when it loads them, and the student was tuned on what came out.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    if not tokenizer.is_fast:
        raise ShippingError(f"{model}: the tokenizer has no tokenizer.json; save a fast tokenizer next to the weights")
    rules = json.loads(tokenizer.backend_tokenizer.to_str())
    splitting = recognise(rules, model)
    by_id = {number: token for token, number in tokenizer.get_vocab().items()}
    if max(by_id) >= size:
        raise ShippingError(
            f"{model}: the tokenizer knows {max(by_id) + 1} tokens and the model {size}; resize the embeddings"
        )
    if tokenizer.eos_token_id is None:
        raise ShippingError(f"{model}: the tokenizer names no eos_token, so an answer would never end")
    added = {token["id"]: token["special"] for token in rules["added_tokens"]}
    merges = [tuple(m.split(" ", 1)) if isinstance(m, str) else (m[0], m[1]) for m in rules["model"]["merges"]]
    unknown = rules["model"]["unk_token"]
    tokens = [by_id.get(number, f"[PAD{number}]") for number in range(size)]
    spelled = splitting.model == "llama"
    kinds = [_kind(number, by_id, added, unknown if spelled else None, spelled) for number in range(size)]
    bos = tokenizer.bos_token_id
    probe = tokenizer("a").input_ids
    return Vocabulary(
        splitting=splitting,
        tokens=tokens,
        kinds=kinds,
        merges=[] if spelled else [" ".join(pair) for pair in merges],
        scores=score_pieces(tokens, merges, set(added), model) if spelled else [],
        # llama.cpp takes token 11 or 1 for a bos that is not named; it is never set before a text where add_bos is off
        bos=tokenizer.eos_token_id if bos is None else bos,
        eos=tokenizer.eos_token_id,
        pad=tokenizer.pad_token_id,
        unknown=tokenizer.convert_tokens_to_ids(unknown) if spelled and unknown else None,
        add_bos=bos is not None and probe[0] == bos,
        add_eos=len(probe) > 1 and probe[-1] == tokenizer.eos_token_id,
        template=_pick_template(tokenizer),
    )


def _kind(number: int, by_id: dict[int, str], added: dict[int, bool], unknown: str | None, spelled: bool) -> TokenType:
    if number not in by_id:
        return TokenType.UNUSED
    token = by_id[number]
    if token == unknown:
        return TokenType.UNKNOWN
    if spelled and token in BYTE_MARKS:
        return TokenType.BYTE
    if number in added:
        return TokenType.CONTROL if added[number] else TokenType.USER_DEFINED
    return TokenType.NORMAL


def _pick_template(tokenizer: Any) -> str | None:
    """Return the chat template, wherever it is stored (chat_template.jinja, tokenizer_config.json); None without."""
    return str(tokenizer.get_chat_template()) if tokenizer.chat_template else None
