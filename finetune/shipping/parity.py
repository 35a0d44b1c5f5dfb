"""Is the student the same where it arrived?  It reads a prompt as the same tokens, and writes the same answers.

Both sides are asked through one function each, so that a server, llama.cpp, and transformers are compared alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dspy import lm15
from dspy.lm15 import Config, Message, Request

from corpus.errors import ShippingError
from finetune.shipping.chat_shape import Messages
from lms.in_process.chat import Chat

MAX_TOKENS = 32  # of a compared answer
LEAST_EQUAL = 4  # of the five; half precision may turn one pair of close tokens round
QUESTIONS = (
    "Who is most relieved: Ann, who found the key, or Ben, who never lost it?",
    "Maria laughs at her own joke and nobody else does. What does she feel?",
    "Name one reason why a proud father says nothing at a wedding.",
    "(A) relief (B) anger (C) guilt\nWhich of these follows an apology that is accepted?",
    "Write one sentence about a kettle that is still warm.",
)
SYSTEM = "Read the scene, then answer.\n\n[[ ## reasoning ## ]]\n{reasoning}\n\n[[ ## answer ## ]]\n{answer}"
Ask = Callable[[Messages, int], tuple[int, str]]  # (messages, max tokens) → (tokens read, greedy answer)


@dataclass(frozen=True)
class Parity:
    """What the comparison showed: tokens of the fixed prompt, equal answers, and the share of tokens before a split."""

    tokens: int
    equal: int
    of: int
    shared: float  # tokens of the common beginning, as a share of all compared

    def __str__(self) -> str:
        return (
            f"{self.tokens} tokens read as in training; {self.equal} of {self.of} greedy answers equal, "
            f"{self.shared:.0%} of their tokens before the first difference"
        )


def compare(chat: Chat, ours: Ask, theirs: Ask, where: str, exact: bool) -> Parity:
    """Compare two ways to the same student.

    Args:
        where: names the place of the second in messages, such as "ollama model student".
        exact: whether the weights are those of training (F32, F16), so that answers must be equal.

    Raises:
        ShippingError: the prompt is read as other tokens; or, for exact weights, two answers or more differ.
        lm15.LM15Error: a side does not answer.
    """
    prompt = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": QUESTIONS[0]}]
    expected, (counted, _) = len(chat.encode(chat.render(prompt))), theirs(prompt, 1)
    if counted != expected:
        raise ShippingError(
            f"{where} is there, but reads a prompt of {expected} tokens as {counted}: template or tokenizer are not "
            "those of training, so its answers will be worse; do not use it, and report the base model"
        )
    equal, same, total = 0, 0, 0
    for question in QUESTIONS:
        messages = [{"role": "user", "content": question}]
        one, other = (ask(messages, MAX_TOKENS)[1].strip() for ask in (ours, theirs))
        equal += one == other
        left, right = chat.encode(one), chat.encode(other)
        total += max(len(left), len(right))
        same += next((n for n, pair in enumerate(zip(left, right, strict=False)) if pair[0] != pair[1]),
                     min(len(left), len(right)))  # fmt: skip
    parity = Parity(expected, equal, len(QUESTIONS), same / total if total else 1.0)
    if exact and equal < LEAST_EQUAL:
        raise ShippingError(
            f"{where} is there, but only {equal} of {parity.of} greedy answers are those of transformers "
            f"({parity.shared:.0%} of the tokens agree): its weights were read differently; do not use it"
        )
    return parity


def ask_engine(complete: Callable[[Request], lm15.Response]) -> Ask:
    """Return the `Ask` of a DSPy engine."""

    def ask(messages: Messages, max_tokens: int) -> tuple[int, str]:
        system = next((message["content"] for message in messages if message["role"] == "system"), None)
        turns = tuple(Message.user(message["content"]) for message in messages if message["role"] == "user")
        config = Config(temperature=0.0, max_tokens=max_tokens)
        answer = complete(Request(model="student", system=system, messages=turns, config=config))
        assert answer.usage is not None
        return answer.usage.input_tokens or 0, answer.text or ""

    return ask
