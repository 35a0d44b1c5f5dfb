"""Encoded rows: the exam's own prompt, loss where it belongs, an end token in every label, nothing lost in silence."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

from corpus.errors import TrainingError
from finetune.config import ScratchConfig
from finetune.rows import Row
from finetune.scratch import make_student
from finetune.tokens import IGNORED, count_tokens, encode_rows, encode_texts, keep_fitting, show_masked
from lms.in_process.chat import Chat


@pytest.fixture(scope="module")
def chat(tmp_path_factory: pytest.TempPathFactory) -> Chat:
    folder = tmp_path_factory.mktemp("base") / "model"
    make_student(["Ana lost the key."] * 3, ScratchConfig(vocabulary=300, hidden=16, layers=1, heads=1), 64, 1, folder)
    return Chat("tiny", AutoTokenizer.from_pretrained(folder), None)


def row(prompt: str, answer: str, name: str = "a") -> Row:
    return {
        "id": name,
        "prompt": [{"role": "user", "content": prompt}],
        "completion": [{"role": "assistant", "content": answer}],
    }


@settings(max_examples=40, deadline=None)
@given(prompt=st.text(max_size=60), answer=st.text(max_size=60))
def test_every_row_is_the_exams_prompt_and_ends_where_generation_stops(chat: Chat, prompt: str, answer: str) -> None:
    end = chat.tokenizer.eos_token_id
    (encoded,) = encode_rows(chat, [row(prompt, answer)], {end})
    asked = chat.encode(chat.render([{"role": "user", "content": prompt}]))
    assert encoded.ids[: encoded.answer] == asked
    features = encoded.features("answer")
    assert features["labels"] == [IGNORED] * len(asked) + encoded.ids[len(asked) :]
    assert features["labels"][-1] == end
    assert encoded.features("all")["labels"] == encoded.ids


def test_what_follows_the_end_token_is_not_learned(chat: Chat) -> None:
    chat.tokenizer.chat_template, kept = chat.tokenizer.chat_template + "\n\n", chat.tokenizer.chat_template
    try:
        (encoded,) = encode_rows(chat, [row("Ana", "key")], {chat.tokenizer.eos_token_id})
    finally:
        chat.tokenizer.chat_template = kept
    assert encoded.ids[-1] == chat.tokenizer.eos_token_id


def test_a_template_that_renders_an_answered_prompt_otherwise_is_refused(chat: Chat) -> None:
    kept = chat.tokenizer.chat_template
    chat.tokenizer.chat_template = "{{ messages | length }}" + kept
    try:
        with pytest.raises(TrainingError, match="row a"):
            encode_rows(chat, [row("Ana", "key")], {chat.tokenizer.eos_token_id})
    finally:
        chat.tokenizer.chat_template = kept


def test_rows_over_the_limit_are_counted_and_named(chat: Chat) -> None:
    end = {chat.tokenizer.eos_token_id}
    encoded = encode_rows(chat, [row("Ana", "key"), row("Ana " * 50, "key", "b"), row("Ana " * 60, "key", "c")], end)
    with pytest.raises(TrainingError, match=r"2 of 3 rows are longer than train.max_length=60 \(b, c"):
        keep_fitting(encoded, 60, "stop")
    fitting, over = keep_fitting(encoded, 60, "drop")
    assert ([one.id for one in fitting], over) == (["a"], ["b", "c"])
    with pytest.raises(TrainingError, match="none is left"):
        keep_fitting(encoded[1:], 60, "drop")


def test_texts_are_cut_into_pieces_that_lose_nothing(chat: Chat) -> None:
    end = chat.tokenizer.eos_token_id
    pieces = encode_texts(chat, ["Ana lost the key.", "Who?"], end, 7)
    stream = [token for piece in pieces for token in piece.ids]
    assert stream == [*chat.encode("Ana lost the key."), end, *chat.encode("Who?"), end]
    assert max(len(piece.ids) for piece in pieces) <= 7


def test_counts_and_the_sample_say_what_is_learned(chat: Chat) -> None:
    encoded = encode_rows(chat, [row("Ana", "key")], {chat.tokenizer.eos_token_id})
    counts = count_tokens(encoded)
    assert (counts.tokens, counts.answers) == (len(encoded[0].ids), len(encoded[0].ids) - encoded[0].answer)
    assert show_masked(chat.tokenizer, encoded[0], "answer")[1] == ("key<|end|>", True)
