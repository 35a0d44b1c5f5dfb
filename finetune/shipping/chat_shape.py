"""The shape of a chat template, found by probing it: what stands around the text of each role.

A template is a program; all that is asked here is what it writes around contents that cannot be mistaken.  Whether
the shape is the whole truth is for `go_template.check_template` to say, on conversations that were not probed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from jinja2 import TemplateError

from corpus.errors import ShippingError

Messages = Sequence[dict[str, str]]
Render = Callable[[Messages, bool], str]  # (messages, whether an answer is asked for); raises jinja2.TemplateError

_SYSTEM, _FIRST, _ANSWER, _SECOND = "Qsystemq", "Qfirstq", "Qanswerq", "Qsecondq"
FOLD_GAP = "\n\n"  # as lms.in_process.chat.fold_system joins them


@dataclass(frozen=True)
class ChatShape:
    """What a template writes: ``header``, then each turn between its two affixes, then ``generation``.

    A system text has a turn of its own (``system``, in place of the header), or stands in a user turn (``folded``).
    """

    header: str  # without a system turn: the beginning of the text, or a system text of the template's own
    user: tuple[str, str]
    assistant: tuple[str, str]
    generation: str
    system: tuple[str, str] | None
    folded: Literal["first", "last"] | None
    fold: tuple[str, str]  # around a folded system text


def find_shape(render: Render, takes_system: bool) -> ChatShape:
    """Probe a template.

    Args:
        takes_system: whether it has a place for a system message; where not, the text goes before the first user's.

    Raises:
        ShippingError: it writes turns in a way that has no such shape.
    """
    try:
        return _find(render, takes_system)
    except (TemplateError, _Shapeless) as error:
        raise ShippingError(f"the chat template cannot be put into Ollama's language: {error}") from error


class _Shapeless(Exception):
    """The template is of another kind; the message says how."""


def _find(render: Render, takes_system: bool) -> ChatShape:
    user, answer, second = _say("user", _FIRST), _say("assistant", _ANSWER), _say("user", _SECOND)
    start, user_end = _cut(render([user], False), _FIRST)
    _, asked = _cut(render([user], True), _FIRST)
    generation = _without_start(asked, user_end, "what asks for an answer does not follow the user's turn")
    _, between, answer_end = _cut(render([user, answer], False), _FIRST, _ANSWER)
    answer_start = _without_start(between, user_end, "a user's turn ends otherwise before an answer")
    _, _, between, _ = _cut(render([user, answer, second], True), _FIRST, _ANSWER, _SECOND)
    user_start = _without_start(between, answer_end, "an answer ends otherwise before a user's turn")
    header = _without_end(start, user_start, "the first turn of a user begins otherwise than the second")
    system: tuple[str, str] | None = None
    folded: Literal["first", "last"] | None = None
    fold = "", ""
    if not takes_system:
        folded, fold = "first", ("", FOLD_GAP)
    else:
        told = render([_say("system", _SYSTEM), user, answer, second], True)
        if told.find(_SYSTEM) > told.find(_FIRST):
            folded = "last"
            _, _, between, gap, _ = _cut(told, _FIRST, _ANSWER, _SYSTEM, _SECOND)
            opening = _without_start(between, answer_end + user_start, "the system text stands outside of turns")
            fold = opening, gap
        else:
            opening, gap, _, _, _ = _cut(told, _SYSTEM, _FIRST, _ANSWER, _SECOND)
            if user_start and gap.endswith(user_start):
                system = opening, gap.removesuffix(user_start)
            else:
                folded = "first"
                fold = _without_start(opening, header + user_start, "the system text stands outside of turns"), gap
    return ChatShape(
        header, (user_start, user_end), (answer_start, answer_end), generation, system, folded, fold
    )  # fmt: skip


def without_bos(shape: ChatShape, bos: str) -> ChatShape:
    """Leave out a beginning-of-text mark that the server writes before every prompt itself."""
    system = shape.system and (shape.system[0].removeprefix(bos), shape.system[1])
    return replace(shape, header=shape.header.removeprefix(bos), system=system)


def _say(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def _cut(text: str, *contents: str) -> list[str]:
    """Return what stands before, between, and behind the contents, which must all be there once, in this order."""
    pieces = []
    for content in contents:
        if text.count(content) != 1:
            raise _Shapeless("it leaves out, repeats, or reorders what was said")
        piece, _, text = text.partition(content)
        pieces.append(piece)
    return [*pieces, text]


def _without_start(text: str, start: str, otherwise: str) -> str:
    if not text.startswith(start):
        raise _Shapeless(otherwise)
    return text.removeprefix(start)


def _without_end(text: str, end: str, otherwise: str) -> str:
    if not text.endswith(end):
        raise _Shapeless(otherwise)
    return text.removesuffix(end)
