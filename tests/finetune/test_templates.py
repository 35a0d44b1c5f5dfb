"""What is said of a chat template is what it does with messages."""

from __future__ import annotations

from typing import Any

import pytest

from finetune.templates import describe_template
from tests.finetune.checkpoints import FAMILIES, make_tokenizer


def tokenizer_of(family: str, template: str | None = None) -> Any:
    tokenizer = make_tokenizer(FAMILIES[family])
    if template is not None:
        tokenizer.chat_template = template
    return tokenizer


def test_a_template_with_a_system_role_and_the_right_end_lacks_nothing() -> None:
    assert describe_template(tokenizer_of("llama")) == []


def test_gemma_has_no_system_role_and_ends_with_a_token_of_its_own() -> None:
    system, end = describe_template(tokenizer_of("gemma"))
    assert system == "no system role: its text is put before the first user message"
    assert "<end_of_turn>, not with the tokenizer's <eos>" in end


def test_mistral_writes_the_system_text_into_the_first_message() -> None:
    assert describe_template(tokenizer_of("mistral")) == [
        "no system role of its own: its text is written into the first user message"
    ]


def test_qwen_adds_a_system_prompt_by_itself() -> None:
    (line,) = describe_template(tokenizer_of("qwen2"))
    assert line.startswith("a system prompt of its own where none is given")
    assert "You are a helpful assistant." in line


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{% for message in messages %}{{ message['content'] }}\n{% endfor %}", "ends an answer with nothing"),
        ("{{ raise_exception('closed') }}", "takes no question and answer"),
        (
            "{{ messages | length }}{% for message in messages %}{{ message['role'] + message['content'] }}<|eot_id|>"
            "{% endfor %}",
            "renders a prompt otherwise once it is answered",
        ),
    ],
)
def test_templates_that_cannot_be_trained_on_are_told(template: str, said: str) -> None:
    assert any(line.startswith(said) for line in describe_template(tokenizer_of("llama", template)))


def test_a_tokenizer_without_a_template_is_told() -> None:
    tokenizer = tokenizer_of("llama")
    tokenizer.chat_template = None
    assert describe_template(tokenizer) == ["no chat template: choose an instruction-tuned model"]


def test_a_system_block_in_every_prompt_and_the_date_of_today_are_told() -> None:
    template = (
        "{{ bos_token }}{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}"
        "{% set turns = messages[1:] %}{% else %}{% set system = '' %}{% set turns = messages %}{% endif %}"
        "{{ '<|start_header_id|>system<|end_header_id|>\n\nToday Date: ' + strftime_now('%d %b %Y') + '\n\n' + system "
        "+ '<|eot_id|>' }}{% for message in turns %}"
        "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] }}"
        "{{ '<|eot_id|>' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
    )
    system, date = describe_template(tokenizer_of("llama", template))
    assert system.startswith("a system block of its own in every prompt")
    assert date.startswith("writes today's date into every prompt")
