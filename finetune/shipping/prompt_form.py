"""All that Ollama must know to write the prompts of training and to end its answers: template and stop tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from corpus.errors import ShippingError
from finetune.shipping.chat_shape import Messages, Render, find_shape, without_bos
from finetune.shipping.go_template import check_template, write_go_template
from lms.in_process.chat import Chat


@dataclass(frozen=True)
class PromptForm:
    """Template (None where Ollama must use the Jinja in the GGUF), stop texts, and what the user should know."""

    template: str | None
    stop: tuple[str, ...]
    warnings: tuple[str, ...]


def check_chat(chat: Chat) -> None:
    """Raise ShippingError for a model without a chat template."""
    if chat.tokenizer.chat_template is None:
        raise ShippingError(f"{chat.name} has no chat template; choose an instruction-tuned model as base")


def find_prompt_form(chat: Chat, end_tokens: Sequence[int], adds_bos: bool) -> PromptForm:
    """Derive and check the form of prompts.

    A template that has no counterpart in Go is not refused: servers from 0.30 on run the Jinja of the GGUF, and the
    parity check shows whether this one does.

    Args:
        end_tokens: all at which generation must stop, see `finetune.tokens.end_tokens`.
        adds_bos: whether the server writes the beginning-of-text mark before every prompt.
    """
    render, bos = _render_with(chat), chat.tokenizer.bos_token or ""
    warnings = []
    stop = [str(chat.tokenizer.convert_ids_to_tokens(token)) for token in end_tokens]
    template = None
    try:
        shape = find_shape(render, chat.takes_system)
        starts = bool(bos) and adds_bos and (shape.header or (shape.system or ("",))[0]).startswith(bos)
        template = write_go_template(without_bos(shape, bos) if starts else shape)
        check_template(template, render, chat.takes_system, bos if starts else "")
    except ShippingError as error:
        template = None
        warnings.append(f"{error}; the server must use the Jinja template in the file, as Ollama does from 0.30 on")
    if _strips(render):
        warnings.append("the template strips blanks around what is said, Ollama's cannot: send texts without them")
    if "strftime_now" in str(chat.tokenizer.chat_template):
        warnings.append("the template writes today's date into prompts; in Ollama it stays as it is today")
    return PromptForm(template, tuple(stop), tuple(warnings))


def _render_with(chat: Chat) -> Render:
    def render(messages: Messages, asks: bool) -> str:
        text: str = chat.tokenizer.apply_chat_template(list(messages), add_generation_prompt=asks, tokenize=False)
        return text

    return render


def _strips(render: Render) -> bool:
    return " Qblankq " not in render([{"role": "user", "content": " Qblankq "}], True)
