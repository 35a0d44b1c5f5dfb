"""What a chat template lacks, found by rendering a few messages through it, so that it can be said before training."""

from __future__ import annotations

from typing import Any

from dspy import lm15

from lms.in_process.chat import Chat

_ASKED, _ANSWERED, _RULE = "what is asked", "what is answered", "how to answer"
_CLOCK = "strftime_now"  # transformers gives templates this function
_USER = {"role": "user", "content": _ASKED}
_SYSTEM = {"role": "system", "content": _RULE}
_ASSISTANT = {"role": "assistant", "content": _ANSWERED}


def describe_template(tokenizer: Any) -> list[str]:
    """Return one line per peculiarity of a tokenizer's chat template; an empty list when there is none.

    Told are: no template; no system role; a system prompt of its own where none is given; today's date; an answer that
    ends with another token than the tokenizer's end of text; a prompt that is rendered otherwise once it is answered.
    """
    if tokenizer.chat_template is None:
        return ["no chat template: choose an instruction-tuned model"]
    chat = Chat("this model", tokenizer, None)
    try:
        asked = chat.render([_USER])
        whole = chat.render_whole([_USER, _ASSISTANT])
    except lm15.InvalidRequestError as error:
        return [f"takes no question and answer: {error}"]
    said = [_about_system(chat, asked), _about_date(tokenizer.chat_template), _about_end(tokenizer, whole)]
    if not whole.startswith(asked):
        said.append("renders a prompt otherwise once it is answered: a student would be trained on what it never sees")
    return [line for line in said if line]


def _about_system(chat: Chat, asked: str) -> str | None:
    if not chat.takes_system:
        return "no system role: its text is put before the first user message"
    before, after = chat.render([_SYSTEM, _USER]).split(_RULE, 1)
    between, head = after.partition(_ASKED)[0], asked.partition(_ASKED)[0]
    if head == before:
        return "no system role of its own: its text is written into the first user message"
    if not (head.startswith(before) and head.endswith(between) and len(head) >= len(before) + len(between)):
        return None
    own = head[len(before) : len(head) - len(between)].strip()
    if not own:
        return "a system block of its own in every prompt, with or without a system message"
    return f"a system prompt of its own where none is given, which begins with {own.splitlines()[0][:60]!r}"


def _about_date(template: str) -> str | None:
    return (
        "writes today's date into every prompt: the same text differs from day to day" if _CLOCK in template else None
    )


def _about_end(tokenizer: Any, whole: str) -> str | None:
    """Name what stands behind an answer, when it is not the tokenizer's end of text."""
    end = whole.rpartition(_ANSWERED)[2].strip()
    if not end:
        return "ends an answer with nothing: a student tuned on it would never stop"
    if end.startswith(str(tokenizer.eos_token)):
        return None
    ids = tokenizer(end, add_special_tokens=False)["input_ids"]
    token = tokenizer.decode(ids[:1])
    return f"ends an answer with {token}, not with the tokenizer's {tokenizer.eos_token}: generation must stop at both"
