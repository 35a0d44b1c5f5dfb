from __future__ import annotations

import json
import re
from typing import Any

import ollama
import pytest

from tests.doubles.ollama import Model, OllamaDouble, Reply
from tests.doubles.raw import ask, say

UTC = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z")
THINKER = Model("thinker", capabilities=("completion", "thinking", "tools"))
METRICS = {"total_duration", "load_duration", "prompt_eval_count", "prompt_eval_duration", "eval_count"}


def test_an_answer_in_one_piece(double: OllamaDouble) -> None:
    answer = ask(double.url, "/api/chat", say("x" * 41)).json()
    assert answer["message"] == {"role": "assistant", "content": "Paris"}
    assert (answer["model"], answer["done"], answer["done_reason"]) == ("student", True, "stop")
    assert (answer["prompt_eval_count"], answer["eval_count"]) == (11 + 4, 2)
    assert UTC.fullmatch(answer["created_at"])
    parts = sum(answer[f"{part}_duration"] for part in ("load", "prompt_eval", "eval"))
    assert 0 < parts <= answer["total_duration"]


def test_a_streamed_answer_adds_up_to_the_same(double: OllamaDouble) -> None:
    *pieces, last = ask(double.url, "/api/chat", say() | {"stream": True}).lines()
    assert "".join(piece["message"]["content"] for piece in pieces) == "Paris"
    assert [piece["done"] for piece in pieces] == [False] * len(pieces)
    assert last["message"] == {"role": "assistant", "content": ""}
    assert set(last) >= METRICS


def test_generate_answers_in_its_own_form(double: OllamaDouble, client: ollama.Client) -> None:
    seen: list[dict[str, Any]] = []
    double.reply = lambda body: seen.append(body) or "Rome"  # type: ignore[func-returns-value]
    answer = client.generate("student", "Capital of Italy?", system="Be brief.")
    assert (answer.response, answer.done_reason) == ("Rome", "stop")
    assert len(answer.context or []) == (answer.prompt_eval_count or 0) + (answer.eval_count or 0)
    assert [message["role"] for message in seen[0]["messages"]] == ["system", "user"]
    assert "".join(part.response or "" for part in client.generate("student", "Capital?", stream=True)) == "Rome"


@pytest.mark.parametrize(("keep_alive", "reason"), [(None, "load"), ("1m", "load"), (0, "unload"), ("0s", "unload")])
def test_without_messages_a_model_is_loaded_or_let_go(double: OllamaDouble, keep_alive: Any, reason: str) -> None:
    ask(double.url, "/api/chat", say())
    more = {} if keep_alive is None else {"keep_alive": keep_alive}
    answer = ask(double.url, "/api/chat", {"model": "student", "messages": [], "stream": False} | more).json()
    assert answer["done_reason"] == reason
    assert answer["message"] == {"role": "assistant", "content": ""}
    assert not METRICS & set(answer)
    assert len(ask(double.url, "/api/ps").json()["models"]) == (reason == "load")
    assert ask(double.url, "/api/generate", {"model": "student", "stream": False}).json()["done_reason"] == "load"


@pytest.mark.parametrize("think", [None, True, "high", False])
def test_a_thinking_model_thinks_unless_told_not_to(double: OllamaDouble, think: Any) -> None:
    double.models.add(THINKER)
    double.reply = lambda body: Reply("Paris", thinking="Let me see.")
    asked = say(model="thinker") | ({} if think is None else {"think": think})
    message = ask(double.url, "/api/chat", asked).json()["message"]
    assert message.get("thinking") == (None if think is False else "Let me see.")
    *pieces, _ = ask(double.url, "/api/chat", asked | {"stream": True}).lines()
    kinds = ["thinking" if piece["message"].get("thinking") else "content" for piece in pieces]
    assert kinds == sorted(kinds, reverse=True)


def test_other_models_think_aloud(double: OllamaDouble) -> None:
    double.reply = lambda body: Reply("Paris", thinking="Let me see.")
    message = ask(double.url, "/api/chat", say()).json()["message"]
    assert message == {"role": "assistant", "content": "<think>\nLet me see.\n</think>\n\nParis"}


def test_tools_are_called_with_an_object(double: OllamaDouble, client: ollama.Client) -> None:
    double.models.add(THINKER)
    double.reply = lambda body: Reply("", tool_calls=({"name": "add", "arguments": {"a": 1}},))
    tools = [{"type": "function", "function": {"name": "add"}}]
    call = ask(double.url, "/api/chat", say(model="thinker", tools=tools)).json()["message"]["tool_calls"][0]
    assert call["function"] == {"index": 0, "name": "add", "arguments": {"a": 1}}
    assert re.fullmatch(r"call_\w{8}", call["id"])
    answer = client.chat("thinker", [{"role": "user", "content": "?"}], tools=tools)
    assert [call.function.arguments for call in answer.message.tool_calls or []] == [{"a": 1}]


@pytest.mark.parametrize(
    ("thinking", "budget", "wanted"),
    [
        ("", 100, ("", "one two three", "stop", 4)),
        ("", 2, ("", "one two ", "length", 2)),
        ("", 0, ("", "", "length", 0)),
        ("think on", 3, ("think on", "one ", "length", 3)),
        ("think on", 1, ("thin", "", "length", 1)),
    ],
)
def test_the_budget_covers_thoughts_too(
    double: OllamaDouble, thinking: str, budget: int, wanted: tuple[str, str, str, int]
) -> None:
    double.models.add(THINKER)
    double.reply = lambda body: Reply("one two three", thinking=thinking)
    answer = ask(double.url, "/api/chat", say(model="thinker", options={"num_predict": budget})).json()
    message = answer["message"]
    found = (message.get("thinking", ""), message["content"], answer["done_reason"], answer.get("eval_count", 0))
    assert found == wanted


def test_what_is_zero_is_not_sent(double: OllamaDouble) -> None:
    double.reply = lambda body: ""
    answer = ask(double.url, "/api/chat", say()).json()
    assert "eval_count" not in answer
    assert answer["message"]["content"] == ""


def test_a_stop_text_ends_the_answer(double: OllamaDouble) -> None:
    double.reply = lambda body: "Paris. Rome."
    answer = ask(double.url, "/api/chat", say(options={"stop": ["Rome", "."]})).json()
    assert (answer["message"]["content"], answer["done_reason"]) == ("Paris", "stop")


def test_logprobs_of_each_piece(double: OllamaDouble, client: ollama.Client) -> None:
    answer = client.chat("student", [{"role": "user", "content": "hi"}], logprobs=True, top_logprobs=2)
    assert "".join(each.token for each in answer.logprobs or []) == "Paris"
    assert all(len(each.top_logprobs or []) == 2 and each.logprob < 0 for each in answer.logprobs or [])


def test_a_format_with_thoughts_counts_the_second_pass_only(double: OllamaDouble) -> None:
    double.models.add(THINKER)
    double.reply = lambda body: Reply("{}", thinking="x" * 400)
    assert ask(double.url, "/api/chat", say(model="thinker", format="json")).json()["eval_count"] == 1
    assert ask(double.url, "/api/chat", say(model="thinker")).json()["eval_count"] == 101


def test_own_system_text_and_messages_come_first(double: OllamaDouble) -> None:
    seen: list[list[str]] = []

    def reply(body: dict[str, Any]) -> str:
        seen.append([message["content"] for message in body["messages"]])
        return ""

    double.reply = reply
    double.models.add(Model("kind", system="Be kind.", messages=({"role": "user", "content": "Hello"},)))
    ask(double.url, "/api/chat", say("hi", model="kind"))
    own = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}]
    ask(double.url, "/api/chat", {"model": "kind", "messages": own, "stream": False})
    assert seen == [["Be kind.", "Hello", "hi"], ["Hello", "Be brief.", "hi"]]


def test_the_rendered_prompt_can_be_asked_for(double: OllamaDouble) -> None:
    answer = ask(double.url, "/api/chat", say("hi", _debug_render_only=True)).json()
    assert answer["_debug_info"]["rendered_template"].startswith("<|im_start|>user\nhi<|im_end|>")
    assert "done_reason" not in answer


def test_a_tokenizer_may_be_given() -> None:
    with OllamaDouble("student", count=lambda text: len(text.split())) as double:
        answer = ask(double.url, "/api/chat", say("one two three")).json()
    assert (answer["prompt_eval_count"], answer["eval_count"]) == (3 + 4, 1)


REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    (say(top_logprobs=21), 400, "top_logprobs must be between 0 and 20"),
    (say(think="ultra"), 400,
     'invalid think value: "ultra" (must be "high", "medium", "low", "max", true, or false)'),
    (say(think=3), 400, 'think must be a boolean or string ("high", "medium", "low", "max", true, or false)'),
    (say(keep_alive="10"), 400, 'time: missing unit in duration "10"'),
    (say(keep_alive="1d"), 400, 'time: unknown unit "d" in duration "1d"'),
    (say(keep_alive="soon"), 400, 'time: invalid duration "soon"'),
    (say(model=""), 400, "model is required"),
    (say(model="zz"), 404, "model 'zz' not found"),
    (say(think=True), 400, '"student" does not support thinking'),
    (say(tools=[{}]), 400, "registry.ollama.ai/library/student:latest does not support tools"),
    (say(model="embedder"), 400, '"embedder" does not support chat'),
    (say(options={"num_ctx": "8192"}), 500, 'option "num_ctx" must be of type integer'),
    (say(options={"seed": True}), 500, 'option "seed" must be of type integer'),
    (say(options={"temperature": "0"}), 500, 'option "temperature" must be of type float32'),
    (say(options={"use_mmap": 1}), 500, 'option "use_mmap" must be of type boolean'),
    (say(options={"stop": "x"}), 500, 'option "stop" must be of type array'),
    (say(options={"stop": [1]}), 500, 'option "stop" must be of an array of strings'),
    (say(format="xml"), 500, 'invalid format: "\\"xml\\""; expected "json" or a valid JSON Schema object'),
    (say(format=[1]), 500, 'invalid format: "[1]"; expected "json" or a valid JSON Schema object'),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status", "text"), REFUSALS)
@pytest.mark.parametrize("stream", [True, False])
def test_refusals(double: OllamaDouble, body: dict[str, Any], status: int, text: str, stream: bool) -> None:
    double.models.add(Model("embedder", capabilities=("embedding",)))
    answer = ask(double.url, "/api/chat", body | {"stream": stream})
    assert (answer.status, answer.error) == (status, text)
    assert answer.headers["content-type"] == "application/json; charset=utf-8"


def test_checks_come_in_the_order_of_a_real_server(double: OllamaDouble) -> None:
    """Take one mistake away after the other, and the next shows."""
    double.models.add(Model("embedder", capabilities=("embedding",)))
    mistakes: list[dict[str, Any]] = [
        {"top_logprobs": 21}, {"think": "ultra"}, {"model": "zz"}, {"think": True}, {"tools": [{}]},
        {"model": "embedder"}, {"options": {"num_ctx": "x"}}, {"format": "xml"},
    ]  # fmt: skip
    right = say("x" * 99999, model="student", think=False)
    texts = [
        "top_logprobs", "invalid think value", "'zz' not found", "support thinking", "support tools", "support chat",
        "must be of type integer",
    ]  # fmt: skip
    for step, text in enumerate(texts):
        body = dict(right)
        for mistake in reversed(mistakes[step:]):
            body |= mistake
        assert text in ask(double.url, "/api/chat", body).error
    long = ask(double.url, "/api/chat", right | {"format": "xml", "truncate": False})
    assert "exceed_context_size_error" in long.error


def test_options_that_are_nearly_right_are_taken(double: OllamaDouble) -> None:
    options = {"num_ctx": 8192.0, "seed": None, "temperature": 0}
    assert ask(double.url, "/api/chat", say(options=options)).status == 200
    assert ask(double.url, "/api/ps").json()["models"][0]["context_length"] == 8192


def test_generate_words_two_refusals_in_its_own_way(double: OllamaDouble) -> None:
    double.models.add(Model("embedder", capabilities=("embedding",)))
    nameless = ask(double.url, "/api/generate", {"prompt": "hi"})
    assert (nameless.status, nameless.error) == (404, "model '' not found")
    unable = ask(double.url, "/api/generate", {"model": "embedder", "prompt": "hi"})
    assert (unable.status, unable.error) == (400, '"embedder" does not support generate')


@pytest.mark.parametrize(
    ("schema", "fits"),
    [
        ({"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]}, True),
        ({"$ref": "#/$defs/A", "$defs": {"A": {"type": "integer"}}}, True),
        ({"anyOf": [{"const": 1}, {"enum": ["x"]}]}, True),
        ({"type": "object", "properties": {"type": {"type": "string"}}}, True),
        ({"type": "text"}, False),
        ({"type": "array", "items": {"$ref": "#/$defs/B"}}, False),
    ],
)
def test_schemas_that_make_no_grammar_are_refused_in_nested_json(
    double: OllamaDouble, schema: dict[str, Any], fits: bool
) -> None:
    answer = ask(double.url, "/api/chat", say(format=schema))
    assert answer.status == (200 if fits else 400)
    if not fits:
        inner = json.loads(answer.error)["error"]
        assert (inner["code"], inner["type"]) == (400, "invalid_request_error")
        assert "JSON schema conversion failed" in inner["message"]


@pytest.mark.parametrize(
    ("keep_alive", "seconds"),
    [(90, 90), ("1h30m", 5400), ("1.5m", 90), ("500ms", 0.5), ("+2s", 2), (-1, float("inf")), ("-1m", float("inf"))],
)
def test_keep_alive_is_read_as_go_reads_it(double: OllamaDouble, keep_alive: Any, seconds: float) -> None:
    ask(double.url, "/api/chat", say(keep_alive=keep_alive))
    (runner,) = double.scheduler.loaded()
    assert runner.keep_seconds == seconds
