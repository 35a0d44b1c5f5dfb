"""Chat templates in Ollama's language: derived by probing, and equal to the original."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import GenerationConfig

from corpus.errors import ShippingError
from finetune.scratch import CHAT_TEMPLATE
from finetune.shipping.chat_shape import find_shape
from finetune.shipping.go_template import check_template, render_go
from finetune.shipping.prompt_form import PromptForm, check_chat, find_prompt_form
from finetune.tokens import end_tokens
from lms.in_process.chat import Chat
from tests.finetune.checkpoints import FAMILIES, make_tokenizer

CHATML = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SYSTEM_IN_THE_LAST = (  # as of Mistral-7B-Instruct-v0.3
    "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}"
    "{% set turns = messages[1:] %}{% else %}{% set turns = messages %}{% endif %}"
    "{% for message in turns %}{% if message['role'] == 'user' %}"
    "{% if loop.last and system is defined %}{{ '[INST] ' + system + '\n\n' + message['content'] + '[/INST]' }}"
    "{% else %}{{ '[INST] ' + message['content'] + '[/INST]' }}{% endif %}"
    "{% else %}{{ ' ' + message['content'] + eos_token }}{% endif %}{% endfor %}"
)
LLAMA2 = SYSTEM_IN_THE_LAST.replace("loop.last", "loop.first").replace("system + '\n\n'", "'<<{' + system + '}>>\n'")
BACKWARDS = "{% for message in messages | reverse %}{{ message['role'] + message['content'] }}{% endfor %}"
NUMBERED = (
    "{% for message in messages %}{{ loop.index ~ message['role'] + ': ' + message['content'] + '\n' }}{% endfor %}"
)


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Any]:
    return {name: make_tokenizer(FAMILIES[name]) for name in FAMILIES}


def chat_of(tokenizers: dict[str, Any], family: str, template: str | None = None) -> Chat:
    tokenizer = tokenizers[family]
    tokenizer.chat_template = FAMILIES[family].template if template is None else template
    return Chat("tiny", tokenizer, 512)


def form_of(chat: Chat, adds_bos: bool = True) -> PromptForm:
    return find_prompt_form(chat, sorted(end_tokens(chat, GenerationConfig())), adds_bos)


CASES = [
    ("qwen2", CHATML, ("<|im_end|>",)),
    ("llama", None, ("<|eot_id|>",)),
    ("mistral", None, ("</s>",)),
    ("gemma", None, ("<eos>", "<end_of_turn>")),
    ("qwen2", None, ("<|im_end|>",)),
    ("mistral", SYSTEM_IN_THE_LAST, ("</s>",)),
    ("mistral", LLAMA2, ("</s>",)),
    ("qwen2", CHAT_TEMPLATE, ("<|im_end|>",)),
]


@pytest.mark.parametrize(
    ("family", "template", "stop"),
    CASES,
    ids=["ChatML", "Llama-3", "Mistral", "Gemma", "Qwen2.5", "Mistral v0.3", "Llama-2", "scratch"],
)
def test_the_derived_template_writes_the_prompts_of_training(
    family: str, template: str | None, stop: tuple[str, ...], tokenizers: dict[str, Any]
) -> None:
    chat = chat_of(tokenizers, family, template)
    form = form_of(chat)
    assert form.template is not None
    assert set(form.stop) == set(stop)
    bos = chat.tokenizer.bos_token or ""
    talk = [
        {"role": "system", "content": "Think {{ first }}."},
        {"role": "user", "content": "Who?"},
        {"role": "assistant", "content": "Ann."},
        {"role": "user", "content": "Why\nso?"},
    ]
    assert bos + render_go(form.template, talk) == chat.render(talk)
    assert bos + render_go(form.template, talk[1:]) == chat.render(talk[1:])


def test_the_mark_at_the_beginning_stays_where_the_server_writes_none(tokenizers: dict[str, Any]) -> None:
    talk = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who?"}]
    chat = chat_of(tokenizers, "llama")
    for adds, start in ((True, "<|start_header_id|>"), (False, "<|begin_of_text|><|start_header_id|>")):
        template = form_of(chat, adds).template
        assert template is not None
        assert render_go(template, talk).startswith(start)


def test_chatml_reads_as_a_person_would_write_it(tokenizers: dict[str, Any]) -> None:
    assert form_of(chat_of(tokenizers, "qwen2", CHATML)).template == (
        "{{ if .System }}<|im_start|>system\n{{ .System }}<|im_end|>\n{{ end }}{{ range $i, $m := .Messages }}"
        '{{ if eq .Role "user" }}<|im_start|>user\n{{ .Content }}<|im_end|>\n'
        '{{ else if eq .Role "assistant" }}<|im_start|>assistant\n{{ .Content }}<|im_end|>\n{{ end }}{{ end }}'
        "<|im_start|>assistant\n"
    )


@pytest.mark.parametrize("template", [BACKWARDS, NUMBERED])
def test_a_template_of_no_such_shape_is_left_to_the_servers_jinja(template: str, tokenizers: dict[str, Any]) -> None:
    form = form_of(chat_of(tokenizers, "qwen2", template))
    assert form.template is None
    assert "cannot be put into Ollama's language" in form.warnings[0]


def test_a_shape_that_only_seemed_right_is_found_out(tokenizers: dict[str, Any]) -> None:
    chat = chat_of(tokenizers, "qwen2", CHATML)
    with pytest.raises(ShippingError, match="comes out differently"):
        check_template("{{ range $i, $m := .Messages }}{{ .Content }}{{ end }}", chat._apply, True, "")


def test_what_a_template_does_to_blanks_is_told(tokenizers: dict[str, Any]) -> None:
    assert any("strips blanks" in warning for warning in form_of(chat_of(tokenizers, "llama")).warnings)
    assert form_of(chat_of(tokenizers, "qwen2", CHATML)).warnings == ()


def test_all_end_tokens_stop_an_answer(tokenizers: dict[str, Any]) -> None:
    chat = chat_of(tokenizers, "llama")
    tokens = [chat.tokenizer.convert_tokens_to_ids(mark) for mark in ("<|end_of_text|>", "<|eot_id|>")]
    assert find_prompt_form(chat, tokens, True).stop == ("<|end_of_text|>", "<|eot_id|>")


def test_without_a_chat_template_nothing_is_shipped(tokenizers: dict[str, Any]) -> None:
    chat = chat_of(tokenizers, "qwen2")
    chat.tokenizer.chat_template = None
    with pytest.raises(ShippingError, match="no chat template"):
        check_chat(chat)


def test_shapes_name_the_parts(tokenizers: dict[str, Any]) -> None:
    shape = find_shape(chat_of(tokenizers, "gemma")._apply, takes_system=False)
    assert (shape.header, shape.system, shape.folded) == ("<bos>", None, "first")
    assert shape.user == ("<start_of_turn>user\n", "<end_of_turn>\n")
