from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import dspy
import pytest
from dspy.utils.exceptions import (
    AdapterParseError,
    LMInvalidRequestError,
    LMProviderError,
    LMServerError,
    LMTimeoutError,
    LMTransportError,
    LMUnsupportedModelError,
)

from lms.build import build_lm
from lms.ollama import OllamaEngine
from lms.spec import ModelSpec

CHAT = dspy.ChatAdapter(use_json_adapter_fallback=False)


def ask(url: str, question: str = "Capital of France?", adapter: dspy.Adapter = CHAT, **spec: Any) -> str:
    lm = build_lm(ModelSpec(**{"model": "ollama_chat/student", "base_url": url, "retries": 0} | spec))
    with dspy.context(lm=lm, adapter=adapter):
        return str(dspy.Predict("question -> answer")(question=question, config={"seed": 7}).answer)


def test_a_request_fixes_the_context_and_forbids_cutting(ollama: Any) -> None:
    answer = ask(ollama.url, num_ctx=2048, max_tokens=64, temperature=0.25, keep_alive="5m")
    assert answer == "Paris"
    (body,) = ollama.requests
    assert body["model"] == "student"
    assert body["options"] == {"num_ctx": 2048, "num_predict": 64, "temperature": 0.25, "seed": 7}
    assert (body["truncate"], body["shift"], body["stream"], body["keep_alive"]) == (False, False, False, "5m")
    assert [message["role"] for message in body["messages"]] == ["system", "user"]
    assert "Capital of France?" in body["messages"][1]["content"]
    assert not {"format", "think"} & set(body)


def test_the_json_adapter_sends_the_schema_of_the_answer(ollama: Any) -> None:
    ollama.reply = lambda body: json.dumps({"answer": "Lyon & <Paris>"})
    assert ask(ollama.url, adapter=dspy.JSONAdapter()) == "Lyon & <Paris>"
    (body,) = ollama.requests
    assert body["format"]["properties"]["answer"]["type"] == "string"
    assert body["format"]["required"] == ["answer"]


def test_plain_json_mode_is_passed_on(ollama: Any) -> None:
    lm = build_lm(ModelSpec(model="ollama_chat/student", base_url=ollama.url, retries=0))
    lm("Say something in JSON", response_format={"type": "json_object"})
    assert ollama.requests[0]["format"] == "json"


@pytest.mark.parametrize("think", [None, True, False])
def test_thinking_is_asked_for_as_declared_and_kept_out_of_the_answer(ollama: Any, think: bool | None) -> None:
    ollama.thinking = "[[ ## answer ## ]]\nRome"
    assert ask(ollama.url, think=think) == "Paris"
    assert ollama.requests[0].get("think") is think


def test_token_counts_are_the_servers(ollama: Any) -> None:
    lm = build_lm(ModelSpec(model="ollama_chat/student", base_url=ollama.url, retries=0))
    with dspy.context(lm=lm, adapter=CHAT, track_usage=True):
        usage = dspy.Predict("question -> answer")(question="Capital?").get_lm_usage()["ollama_chat/student"]
    read = sum(-(-len(m["content"].encode()) // 4) + 4 for m in ollama.requests[0]["messages"])
    assert (usage["prompt_tokens"], usage["completion_tokens"]) == (read, -(-len(ollama.reply({})) // 4))


def test_a_cut_answer_is_an_error_that_names_max_tokens(ollama: Any, waits: list[float]) -> None:
    ollama.reply = lambda body: "[[ ## answer ## ]]\n" + "Paris " * 200
    with pytest.raises(LMProviderError, match=r"cut after 16 tokens; raise max_tokens .* ollama_chat/student"):
        ask(ollama.url, max_tokens=16, retries=3)
    assert len(ollama.requests) == 1


def test_an_answer_that_was_not_done_is_asked_for_again(ollama: Any, waits: list[float]) -> None:
    ollama.faults.extend(["abort"])
    assert ask(ollama.url, retries=1) == "Paris"
    assert (len(ollama.requests), len(waits)) == (2, 1)
    ollama.faults.extend(["abort"])
    with pytest.raises(LMServerError, match="before it was done"):
        ask(ollama.url)


def test_a_missing_model_says_how_to_get_it(ollama: Any, waits: list[float]) -> None:
    with pytest.raises(LMUnsupportedModelError, match=r"model 'zz:8b' not found; run `ollama pull zz:8b`"):
        ask(ollama.url, model="ollama_chat/zz:8b", retries=3)
    assert len(ollama.requests) == 1


@pytest.mark.parametrize("mode", ["native", "rendered", "legacy", "ancient"])
def test_a_prompt_that_does_not_fit_names_num_ctx(ollama: Any, waits: list[float], mode: str) -> None:
    ollama.mode = mode
    with pytest.raises(dspy.ContextWindowExceededError, match=r"fit into 512 tokens; raise num_ctx"):
        ask(ollama.url, question="why? " * 800, num_ctx=512, retries=3)
    assert len(ollama.requests) == 1


def test_the_context_shift_refusal_names_num_ctx_too(ollama: Any) -> None:
    text = "the prompt is longer than the context length currently available to the model; shorten the prompt"
    ollama.faults.append((400, json.dumps({"error": text})))
    with pytest.raises(dspy.ContextWindowExceededError, match="raise num_ctx"):
        ask(ollama.url)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (500, 'option "num_ctx" must be of type integer'),
        (500, 'invalid format: "xml"; expected "json" or a valid JSON Schema object'),
        (400, '"student" does not support thinking'),
    ],
)
def test_a_fault_of_ours_is_not_retried(ollama: Any, waits: list[float], status: int, text: str) -> None:
    ollama.faults.append((status, json.dumps({"error": text})))
    with pytest.raises(LMInvalidRequestError) as caught:
        ask(ollama.url, retries=3)
    assert text in str(caught.value)
    assert len(ollama.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [
        (503, '{"error":"server busy, please try again.  maximum pending requests exceeded"}'),
        (502, "<html>Bad Gateway</html>"),
        (429, '{"error":"too many requests"}'),
        "reset",
    ],
)
def test_passing_troubles_are_retried(ollama: Any, waits: list[float], fault: Any) -> None:
    ollama.faults.extend([fault, fault])
    assert ask(ollama.url, retries=2) == "Paris"
    assert (len(ollama.requests), len(waits)) == (3, 2)


def test_a_silent_server_times_out(ollama: Any) -> None:
    ollama.faults.append("hang")
    with pytest.raises(LMTimeoutError, match=r"no answer in 0\.2 s"):
        ask(ollama.url, timeout=0.2)


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(LMTransportError, match=rf"cannot reach Ollama at {url} .*is `ollama serve` running\?"):
        ask(url)


@pytest.mark.parametrize("url", ["localhost:11434", "http://127.0.0.1:port"])
def test_a_malformed_address_is_named(url: str) -> None:
    with pytest.raises(LMTransportError, match=f"cannot reach Ollama at {url}"):
        ask(url)


@pytest.mark.parametrize(
    "page",
    ["<html>Log in to the guest network</html>", "", "[]", '"ok"', "{}", '{"done":true,"done_reason":"stop"}',
     '{"model":"student","done":true,"done_reason":"stop","message":null}'],
)  # fmt: skip
def test_a_page_that_is_not_ollamas_is_an_error_in_one_line(ollama: Any, page: str) -> None:
    ollama.faults.append((200, page))
    with pytest.raises(LMTransportError) as caught:
        ask(ollama.url)
    assert str(caught.value) == f"[ollama_chat/student] {ollama.url} answered with something that is not Ollama's"


def test_an_empty_answer_is_left_to_the_adapter(ollama: Any) -> None:
    ollama.reply = lambda body: ""
    with pytest.raises(AdapterParseError):
        ask(ollama.url)


def test_threads_share_an_engine_and_get_their_own_answers(ollama: Any) -> None:
    def echo(body: dict[str, Any]) -> str:
        question = body["messages"][-1]["content"].split("[[ ## question ## ]]\n")[1].split("\n")[0]
        return f"[[ ## answer ## ]]\n{question}\n\n[[ ## completed ## ]]"

    ollama.reply = echo
    lm = build_lm(ModelSpec(model="ollama_chat/student", base_url=ollama.url, retries=0))

    def one(number: int) -> str:
        with dspy.context(lm=lm, adapter=CHAT):
            return str(dspy.Predict("question -> answer")(question=f"number {number}").answer)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(40))) == [f"number {number}" for number in range(40)]


def test_an_engine_survives_saving_and_is_not_copied_with_a_program() -> None:
    engine = OllamaEngine("http://127.0.0.1:1/", num_ctx=4096, think=False)
    state = json.loads(json.dumps(engine.dump_state()))
    assert OllamaEngine.load_state(state).dump_state() == state
    program = dspy.Predict("question -> answer")
    program.lm = dspy.LM("ollama_chat/student", engine=engine)
    assert program.deepcopy().lm.engine is engine
