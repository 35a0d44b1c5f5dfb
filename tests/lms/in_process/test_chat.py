from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from dspy import lm15
from transformers import AutoTokenizer

from lms.in_process.chat import Chat, fold_system
from tests.lms.in_process.conftest import CHATML_TEMPLATE, GEMMA_TEMPLATE

SYSTEM, USER = {"role": "system", "content": "Be brief."}, {"role": "user", "content": "Who waited?"}
FOLDED = [{"role": "user", "content": "Be brief.\n\nWho waited?"}]
DROPS_SYSTEM = "{% for m in messages if m['role'] != 'system' %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
ELSE_ASSISTANT = "{% for m in messages %}{{ 'U' if m['role'] == 'user' else 'A' }}: {{ m['content'] }}\n{% endfor %}"


@pytest.fixture
def tokenizer(student: Any) -> Any:
    return AutoTokenizer.from_pretrained(student)


def chat_with(tokenizer: Any, template: str | None) -> Chat:
    tokenizer.chat_template = template
    return Chat("tiny", tokenizer, None)


def test_a_template_with_a_system_role_gets_the_system_message(tokenizer: Any) -> None:
    chat = chat_with(tokenizer, CHATML_TEMPLATE)
    assert chat.render([SYSTEM, USER]) == "<system>Be brief.<|end|><user>Who waited?<|end|><assistant>"


@pytest.mark.parametrize("template", [GEMMA_TEMPLATE, DROPS_SYSTEM, ELSE_ASSISTANT])
def test_a_template_without_one_gets_its_text_before_the_first_user_message(tokenizer: Any, template: str) -> None:
    chat = chat_with(tokenizer, template)
    assert chat.render([SYSTEM, USER]) == chat.render(FOLDED)
    assert "Be brief.\n\nWho waited?" in chat.render(FOLDED)


def test_the_system_role_is_looked_for_once(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    chat = chat_with(tokenizer, GEMMA_TEMPLATE)
    probes = []
    monkeypatch.setattr(chat, "_probe", lambda role: probes.append(role))
    chat.render([USER])
    assert not probes
    for _ in range(3):
        chat.render([SYSTEM, USER])
    assert probes == ["system"]


def test_the_messages_themselves_are_left_as_they_are() -> None:
    answer = {"role": "assistant", "content": "She did."}
    messages = [SYSTEM, answer, USER]
    assert fold_system(messages) == [answer, *FOLDED]
    assert messages == [SYSTEM, answer, {"role": "user", "content": "Who waited?"}]
    assert fold_system([SYSTEM, answer]) == [{"role": "user", "content": "Be brief."}, answer]
    assert fold_system([SYSTEM, SYSTEM, USER])[0]["content"] == "Be brief.\n\nBe brief.\n\nWho waited?"


def test_no_chat_template_is_told_in_one_line(tokenizer: Any) -> None:
    with pytest.raises(lm15.InvalidRequestError, match="tiny has no chat template; choose") as caught:
        chat_with(tokenizer, None).render([SYSTEM, USER])
    assert "\n" not in str(caught.value)


def test_what_the_template_says_against_messages_is_told(tokenizer: Any) -> None:
    with pytest.raises(lm15.InvalidRequestError, match=r"chat template of tiny .* Roles must alternate"):
        chat_with(tokenizer, GEMMA_TEMPLATE).render([USER, USER])


def test_many_threads_share_one_tokenizer(tokenizer: Any) -> None:
    chat = chat_with(tokenizer, CHATML_TEMPLATE)
    texts = [f"Who moved ladder {n}? " * (n % 5 + 1) for n in range(200)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda text: chat.decode(chat.encode(text)), texts)) == texts
