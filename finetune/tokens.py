"""Rows as tokens: what the student sees, which tokens carry loss, and what is checked before anything is trained.

Prompt and answer are encoded apart, because in an exam the student is given the prompt's tokens and goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dspy import lm15

from corpus.errors import TrainingError
from finetune.rows import Row
from lms.in_process.chat import Chat

IGNORED = -100  # label of a token without loss, as in torch's cross entropy
_PROBE = "which token ends this"
NAMED = 5  # rows over the limit that a message names


@dataclass(frozen=True)
class Encoded:
    """One row in tokens; from position ``answer`` on it is the student's own to write, the end token included."""

    id: str
    ids: list[int]
    answer: int

    def features(self, loss_on: str) -> dict[str, list[int]]:
        """Return ``input_ids`` and ``labels``, both as long as the row; loss on the answer, or on all tokens."""
        labels = self.ids if loss_on == "all" else [IGNORED] * self.answer + self.ids[self.answer :]
        return {"input_ids": self.ids, "labels": labels}


@dataclass(frozen=True)
class TokenCounts:
    """Tokens of some rows: in all, in their answers, the longest row, and the length that 95% do not exceed."""

    rows: int
    tokens: int
    answers: int
    longest: int
    most: int

    def __str__(self) -> str:
        mean = self.tokens / self.rows
        return (
            f"{self.rows:,} rows, {self.tokens:,} tokens of which {self.answers:,} are answers; "
            f"a row has {mean:.0f} on average, 95% at most {self.most:,}, the longest {self.longest:,}"
        )


def encode_rows(chat: Chat, rows: Sequence[Row], ends: set[int]) -> list[Encoded]:
    """Encode prompt/completion rows; every answer ends with a token at which generation stops.

    Raises:
        TrainingError: the chat template takes no such conversation, renders a prompt otherwise once it is answered,
            or ends an answer with none of ``ends``.
    """
    try:
        return [_encode(chat, row, ends) for row in rows]
    except lm15.InvalidRequestError as error:
        raise TrainingError(f"train.base: {error}") from error


def encode_texts(chat: Chat, texts: Sequence[str], end: int, length: int) -> list[Encoded]:
    """Encode plain texts for training as a language model, in pieces of at most ``length`` tokens, loss on all."""
    stream: list[int] = []
    for text in texts:
        stream += [*chat.encode(text), end]
    return [Encoded(f"text {start}", stream[start : start + length], 0) for start in range(0, len(stream), length)]


def keep_fitting(rows: Sequence[Encoded], max_length: int, too_long: str) -> tuple[list[Encoded], list[str]]:
    """Return the rows that fit, and the ids of the others, once each.

    Raises:
        TrainingError: there are others and ``too_long`` is "stop", or none fits.
    """
    fitting = [row for row in rows if len(row.ids) <= max_length]
    over = list(dict.fromkeys(row.id for row in rows if len(row.ids) > max_length))
    if len(fitting) == len(rows):
        return fitting, []
    longest = max(len(row.ids) for row in rows)
    said = (
        f"{len(rows) - len(fitting)} of {len(rows)} rows are longer than train.max_length={max_length} "
        f"({', '.join(over[:NAMED])}{' …' if len(over) > NAMED else ''}; the longest has {longest} tokens)"
    )
    if too_long == "stop":
        raise TrainingError(f"{said}; raise it, or set train.too_long: drop to leave them out")
    if not fitting:
        raise TrainingError(f"{said}; none is left to train on: raise it")
    return fitting, over


def count_tokens(rows: Sequence[Encoded]) -> TokenCounts:
    """Count the tokens of at least one row."""
    lengths = sorted(len(row.ids) for row in rows)
    return TokenCounts(
        rows=len(rows),
        tokens=sum(lengths),
        answers=sum(len(row.ids) - row.answer for row in rows),
        longest=lengths[-1],
        most=lengths[int(0.95 * (len(lengths) - 1))],
    )


def show_masked(tokenizer: Any, row: Encoded, loss_on: str) -> list[tuple[str, bool]]:
    """Return a row as pieces of text with special tokens, each with whether it carries loss."""
    if loss_on == "all":
        return [(tokenizer.decode(row.ids), True)]
    return [(tokenizer.decode(row.ids[: row.answer]), False), (tokenizer.decode(row.ids[row.answer :]), True)]


def end_tokens(chat: Chat, generation_config: Any) -> set[int]:
    """Return the tokens at which generation stops, or must: those of the generation config, the tokenizer's own, and
    the one with which the chat template ends an answer, which not every generation config names (Gemma's does not).
    """
    tokenizer, told = chat.tokenizer, generation_config.eos_token_id
    ends = {*(told if isinstance(told, list) else [told]), tokenizer.eos_token_id, _turn_end(chat)}
    return ends - {None}


def _turn_end(chat: Chat) -> int | None:
    """Return the first special token that the template writes behind an answer, None if it writes none."""
    asked, answer = [{"role": "user", "content": _PROBE}], [{"role": "assistant", "content": _PROBE}]
    behind = chat.render_whole([*asked, *answer]).rpartition(_PROBE)[2]
    known = chat.tokenizer.added_tokens_decoder
    return next((token for token in chat.encode(behind) if token in known and known[token].special), None)


def _encode(chat: Chat, row: Row, ends: set[int]) -> Encoded:
    asked = chat.render(row["prompt"])
    whole = chat.render_whole([*row["prompt"], *row["completion"]])
    if not whole.startswith(asked):
        raise TrainingError(
            f"the chat template of {chat.name} renders a prompt otherwise once it is answered (row {row['id']}): "
            "a student would be trained on prompts that it never sees; choose another base"
        )
    prompt, answer = chat.encode(asked), chat.encode(whole[len(asked) :])
    last = next((place for place in reversed(range(len(answer))) if answer[place] in ends), None)
    if last is None:
        names = ", ".join(repr(chat.tokenizer.convert_ids_to_tokens(end)) for end in sorted(ends))
        raise TrainingError(
            f"the chat template of {chat.name} ends an answer with no special token, such as {names}; "
            "a student tuned on it would never stop"
        )
    return Encoded(row["id"], prompt + answer[: last + 1], len(prompt))
