"""A chat template in Ollama's language (Go's text/template), written from a shape and checked against the original.

Why not leave it to the Jinja that the GGUF embeds: Ollama before 0.30 ignores it, or takes one of its own that looks
alike (notes, 4.3).  The text written here is run by a small emulation of Go's template language.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from corpus.errors import ShippingError
from finetune.shipping.chat_shape import ChatShape, Messages, Render
from lms.in_process.chat import fold_system

# Conversations on which the two are compared; none was used for probing.
_SAID = (
    [("user", "Who are you?")],
    [("system", "Be brief."), ("user", "Who?")],
    [("user", "One"), ("assistant", "Two.\nAnd more."), ("user", "Three")],
    [("system", "Answer with a letter.\n\n[[ ## ]]"), ("user", "A or B?"), ("assistant", "B"), ("user", "Why {B}?")],
    [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"), ("user", "ä → 漢")],
)
CONVERSATIONS: list[list[dict[str, str]]] = [
    [{"role": role, "content": content} for role, content in said] for said in _SAID
]
_ACTION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def write_go_template(shape: ChatShape) -> str:
    """Return the template of a shape.  It has no trim marks: every character outside of actions is the prompt's."""
    user = _literal(shape.user[0])
    if shape.folded:
        fold = f"{_literal(shape.fold[0])}{{{{ $.System }}}}{_literal(shape.fold[1])}"
        user += f"{{{{ if $.System }}}}{{{{ if eq $i $at }}}}{fold}{{{{ end }}}}{{{{ end }}}}"
    user += f"{{{{ .Content }}}}{_literal(shape.user[1])}"
    answer = f"{_literal(shape.assistant[0])}{{{{ .Content }}}}{_literal(shape.assistant[1])}"
    turns = (
        f'{{{{ range $i, $m := .Messages }}}}{{{{ if eq .Role "user" }}}}{user}'
        f'{{{{ else if eq .Role "assistant" }}}}{answer}{{{{ end }}}}{{{{ end }}}}'
    )
    return _find_place(shape) + _opening(shape) + turns + _literal(shape.generation)


def check_template(template: str, render: Render, takes_system: bool, bos: str) -> None:
    """Compare a Go template with the original.

    Args:
        bos: what the server writes before every prompt itself.

    Raises:
        ShippingError: on some conversation they differ.
    """
    for messages in CONVERSATIONS:
        told = messages if takes_system or messages[0]["role"] != "system" else fold_system(messages)
        if bos + render_go(template, messages) != render(told, True):
            raise ShippingError(
                "the chat template cannot be put into Ollama's language: a conversation of "
                f"{len(messages)} messages comes out differently"
            )


def render_go(template: str, messages: Messages) -> str:
    """Render with what Go's text/template and Ollama would make of it, for the actions that we write."""
    system = "\n\n".join(message["content"] for message in messages if message["role"] == "system")
    values = {"System": system, "Messages": list(messages)}
    return "".join(_run(_parse(_tokens(template)), {"": values, "$": values}))


def _find_place(shape: ChatShape) -> str:
    if not shape.folded:
        return ""
    last = '{{ if eq .Role "user" }}{{ $at = $i }}{{ end }}'
    first = '{{ if eq .Role "user" }}{{ if lt $at 0 }}{{ $at = $i }}{{ end }}{{ end }}'
    inner = first if shape.folded == "first" else last
    return f"{{{{ $at := -1 }}}}{{{{ range $i, $m := .Messages }}}}{inner}{{{{ end }}}}"


def _opening(shape: ChatShape) -> str:
    if shape.system is None:
        return _literal(shape.header)
    told = f"{_literal(shape.system[0])}{{{{ .System }}}}{_literal(shape.system[1])}"
    other = f"{{{{ else }}}}{_literal(shape.header)}" if shape.header else ""
    return f"{{{{ if .System }}}}{told}{other}{{{{ end }}}}"


def _literal(text: str) -> str:
    """Text as it stands, or quoted where Go would take it for the beginning of an action."""
    return f"{{{{ {json.dumps(text, ensure_ascii=False)} }}}}" if "{" in text else text


# The emulation.  A block is a list of: text, an action's words, or (words, block, block) for `if` and `range`.

_Block = list[Any]


def _tokens(template: str) -> Iterator[str | list[str]]:
    place = 0
    for match in _ACTION.finditer(template):
        yield template[place : match.start()]
        yield re.findall(r'"(?:\\.|[^"\\])*"|[^\s,]+', match[1])
        place = match.end()
    yield template[place:]


def _parse(tokens: Iterator[str | list[str]]) -> _Block:
    block, _ = _parse_block(tokens)
    return block


def _parse_block(tokens: Iterator[str | list[str]]) -> tuple[_Block, list[str]]:
    """Return a block and the words that ended it (`end`, `else …`; none at the end of the template)."""
    block: _Block = []
    for token in tokens:
        if isinstance(token, str) or token[0] not in ("if", "range", "else", "end"):
            block.append(token)
        elif token[0] in ("else", "end"):
            return block, token
        else:
            block.append(_parse_branch(token, tokens))
    return block, []


def _parse_branch(words: list[str], tokens: Iterator[str | list[str]]) -> tuple[list[str], _Block, _Block]:
    inner, ended = _parse_block(tokens)
    if ended[0] == "end":
        return words, inner, []
    if len(ended) > 1:  # `else if` shares its `end` with the `if`
        return words, inner, [_parse_branch(ended[1:], tokens)]
    return words, inner, _parse_block(tokens)[0]


def _run(block: _Block, scope: dict[str, Any]) -> Iterator[str]:
    for part in block:
        if isinstance(part, str):
            yield part
        elif isinstance(part, list):
            if len(part) == 3 and part[1] in (":=", "="):
                scope[part[0]] = _value(part[2], scope)
            else:
                yield str(_value(part[0], scope))
        elif part[0][0] == "range":
            _, index, item, _, values = part[0]
            for number, each in enumerate(_value(values, scope)):
                scope |= {index: number, item: each}
                outer, scope[""] = scope[""], each
                yield from _run(part[1], scope)
                scope[""] = outer
        else:
            yield from _run(part[1] if _holds(part[0][1:], scope) else part[2], scope)


def _holds(words: list[str], scope: dict[str, Any]) -> bool:
    if words[0] == "eq":
        return bool(_value(words[1], scope) == _value(words[2], scope))
    if words[0] == "lt":
        return bool(_value(words[1], scope) < _value(words[2], scope))
    return bool(_value(words[0], scope))


def _value(word: str, scope: dict[str, Any]) -> Any:
    if word.startswith(("$.", ".")):
        owner, _, name = word.partition(".")
        fields = scope[owner]
        return fields[name] if name in fields else fields[name.lower()]
    return scope[word] if word.startswith("$") else json.loads(word)
