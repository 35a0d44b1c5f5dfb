"""Tokenizers that came from SentencePiece: scores say what the merges said, or the tokenizer is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from corpus.errors import ShippingError
from finetune.gguf import write_gguf
from tests.finetune.checkpoints import TEXTS, edit_json, make_checkpoint

SPACE = "▁"
ROWS = 700
REPLACE = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
PREFIX = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, REPLACE]}


def make_pieces(folder: Path, normaliser: dict[str, Any], whole: bool = True) -> Path:
    """Give a tiny Mistral the tokenizer that transformers converts from SentencePiece: a merge for every pair."""
    from tokenizers import Tokenizer, models, trainers

    trained = Tokenizer(models.BPE())
    trained.train_from_iterator(
        [SPACE + text.replace(" ", SPACE) for text in TEXTS] * 3,
        trainers.BpeTrainer(vocab_size=300, show_progress=False),
    )
    marks = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    pieces = sorted(trained.get_vocab(), key=trained.get_vocab().__getitem__)
    vocabulary = {token: i for i, token in enumerate([*marks, *(f"<0x{b:02X}>" for b in range(256)), *pieces])}
    merges = [
        [token[:cut], token[cut:]]
        for token in pieces
        for cut in range(1, len(token))
        if token[:cut] in vocabulary and token[cut:] in vocabulary
    ]
    model = make_checkpoint("mistral", folder, vocab_size=ROWS)

    def change(rules: dict[str, Any]) -> None:
        rules["model"].update(
            vocab=vocabulary,
            merges=merges if whole else merges[::2],
            byte_fallback=True,
            unk_token="<unk>",
            fuse_unk=True,
        )
        rules.update(normalizer=normaliser, pre_tokenizer=None)
        plain = rules["added_tokens"][0]
        rules["added_tokens"] = [plain | {"id": i, "content": mark} for i, mark in enumerate(marks)]
        rules["post_processor"] = None

    edit_json(model / "tokenizer.json", change)
    edit_json(model / "tokenizer_config.json", lambda config: config.update(pad_token="</s>"))
    return model


@pytest.mark.parametrize("normaliser", [PREFIX, REPLACE], ids=["mistral", "gemma"])
def test_tokens_are_those_of_transformers(normaliser: dict[str, Any], tmp_path: Path) -> None:
    llama_cpp = pytest.importorskip("llama_cpp")
    from transformers import AutoTokenizer

    model = make_pieces(tmp_path, normaliser)
    write_gguf(model, model / "student.gguf")
    engine = llama_cpp.Llama(str(model / "student.gguf"), vocab_only=True, verbose=False)
    tokenizer = AutoTokenizer.from_pretrained(model)
    for text in (*TEXTS, "<s>[INST] Zoë said “né” 🙂 12\n\n[/INST] yes</s>", "  two  spaces ", "tabs\t\tand  \n lines"):
        assert engine.tokenize(text.encode(), add_bos=True, special=True) == tokenizer(text).input_ids, text


def test_merges_that_scores_cannot_say_are_refused(tmp_path: Path) -> None:
    model = make_pieces(tmp_path, REPLACE, whole=False)
    with pytest.raises(ShippingError, match="do not come from SentencePiece"):
        write_gguf(model, model / "student.gguf")


def test_a_space_in_front_that_llama_cpp_would_put_elsewhere_is_refused(tmp_path: Path) -> None:
    model = make_pieces(tmp_path, REPLACE)
    space = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": False}
    edit_json(model / "tokenizer.json", lambda rules: rules.update(normalizer=None, pre_tokenizer=space))
    with pytest.raises(ShippingError, match=r"Metaspace with a space in front \(first\)"):
        write_gguf(model, model / "student.gguf")
