from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.doubles.faults import Fault
from tests.doubles.ollama import Mode, Model, OllamaDouble
from tests.doubles.overflow import LEGACY, NO_SHIFT, Window, count_prompt, quarter_of_bytes
from tests.doubles.raw import Answer, ask, say

CTX = 4096
NESTED = "exceed_context_size_error"
LONG = "x" * 4 * 10145  # 10149 tokens with those of the template

MODES: tuple[Mode, ...] = ("legacy", "early_30", "rendered", "native")
ROLES = st.sampled_from(["system", "user", "assistant"])
CONVERSATIONS = st.lists(st.tuples(ROLES, st.integers(0, 200)), min_size=1, max_size=12).map(
    lambda turns: [{"role": role, "content": f"{'x' * 4 * size}"} for role, size in turns]
)


def send(double: OllamaDouble, mode: Mode, **more: Any) -> Answer:
    double.models["student"].mode = mode
    return ask(double.url, "/api/chat", say(LONG, **more))


# What a prompt that is too long leads to: the tokens that are read, or the text of a 400.
TABLE: dict[Mode, tuple[int | str, int | str, int | str]] = {
    "legacy": (CTX, LEGACY, CTX),
    "early_30": (CTX - 1, NESTED, CTX - 1),
    "rendered": (2050, NESTED, NO_SHIFT),
    "native": (NESTED, NESTED, NESTED),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("case", [0, 1, 2])
def test_the_table(double: OllamaDouble, mode: Mode, case: int, stream: bool) -> None:
    more: dict[str, Any] = ({}, {"truncate": False}, {"shift": False})[case]
    wanted, answer = TABLE[mode][case], send(double, mode, stream=stream, **more)
    if isinstance(wanted, int):
        assert answer.status == 200
        assert answer.lines()[-1]["prompt_eval_count"] == wanted
        return
    assert answer.status == 400
    if wanted != NESTED:
        assert answer.error == wanted
        return
    inner = json.loads(answer.error)["error"]
    assert inner == {
        "code": 400, "type": NESTED, "n_prompt_tokens": 10149, "n_ctx": CTX,
        "message": "request (10149 tokens) exceeds the available context size (4096 tokens), try increasing it",
    }  # fmt: skip


@pytest.mark.parametrize("mode", MODES)
def test_both_forbidden_is_refused_everywhere(double: OllamaDouble, mode: Mode) -> None:
    answer = send(double, mode, truncate=False, shift=False)
    assert answer.status == 400
    assert (LEGACY if mode == "legacy" else NESTED) in answer.error


@pytest.mark.parametrize("mode", MODES)
def test_a_server_that_does_not_know_truncate_does_what_it_always_does(mode: Mode) -> None:
    with OllamaDouble("student", honours_truncate=False) as double:
        answer = send(double, mode, truncate=False, shift=False)
        wanted = TABLE[mode][0]
        assert answer.status == (200 if isinstance(wanted, int) else 400)
        if isinstance(wanted, int):
            assert answer.json()["prompt_eval_count"] == wanted
            assert answer.json()["done_reason"] == "stop"


def test_legacy_without_shift_stops_at_once(double: OllamaDouble) -> None:
    answer = send(double, "legacy", shift=False).json()
    assert (answer["done_reason"], answer["eval_count"]) == ("length", 1)


def test_num_keep_decides_how_much_is_cut(double: OllamaDouble) -> None:
    answer = send(double, "rendered", options={"num_ctx": 1000, "num_keep": 100}).json()
    assert answer["prompt_eval_count"] == 1000 - 450


@pytest.mark.parametrize(
    ("asked", "own", "trained", "allocated"),
    [(None, None, 9999, CTX), (8192, 2048, 9999, 8192), (None, 2048, 9999, 2048), (8192, None, 5000, 5000),
     (1, None, 9999, 4)],
)  # fmt: skip
def test_the_context_is_the_requests_then_the_models_then_the_servers(
    double: OllamaDouble, asked: int | None, own: int | None, trained: int, allocated: int
) -> None:
    double.models.add(Model("m", params={} if own is None else {"num_ctx": own}, train_ctx=trained))
    ask(double.url, "/api/chat", say("", model="m", options={} if asked is None else {"num_ctx": asked}))
    (running,) = ask(double.url, "/api/ps").json()["models"]
    assert running["context_length"] == allocated


@given(CONVERSATIONS, st.integers(20, 1200))
def test_step_a_drops_the_oldest_and_no_more_than_it_must(messages: list[dict[str, Any]], ctx: int) -> None:
    kept = Window(ctx, "rendered").drop_oldest(messages, quarter_of_bytes)
    identities = [id(message) for message in kept]
    assert [message for message in messages if id(message) in identities] == kept
    assert kept[-1] is messages[-1]
    assert [m for m in messages if m["role"] == "system"] == [m for m in kept if m["role"] == "system"]
    dropped = [message for message in messages if id(message) not in identities]
    others = [message for message in messages[:-1] if message["role"] != "system"]
    assert dropped == others[: len(dropped)]
    if dropped:
        last = messages.index(dropped[-1])
        almost = [m for i, m in enumerate(messages) if id(m) in identities or i == last]
        assert count_prompt(almost, quarter_of_bytes) > ctx
    if count_prompt(kept, quarter_of_bytes) > ctx:
        assert len(dropped) == len(others)
    assert Window(ctx, "rendered", truncate=False).drop_oldest(messages, quarter_of_bytes) == messages


def test_demonstrations_vanish_first_and_without_a_trace(double: OllamaDouble) -> None:
    seen: list[list[str]] = []

    def reply(body: dict[str, Any]) -> str:
        seen.append([message["content"][:5] for message in body["messages"]])
        return "Paris"

    double.reply = reply
    long = "x" * 4 * 3000
    roles = ("system", "user", "assistant", "user", "assistant", "user")
    messages = [{"role": role, "content": f"{i:05}{long if 0 < i < 5 else ''}"} for i, role in enumerate(roles)]
    answer = ask(double.url, "/api/chat", say(messages=messages))
    assert seen == [["00000", "00004", "00005"]]
    assert answer.json()["done_reason"] == "stop"
    assert ask(double.url, "/api/chat", say(messages=messages, truncate=False)).status == 400
    assert len(double.chats()[0]["messages"]) == 6


def test_a_prompt_that_just_fits_is_read_whole(double: OllamaDouble) -> None:
    for tokens, read in ((CTX - 1, CTX - 1), (CTX, 2050)):
        answer = ask(double.url, "/api/chat", say("x" * 4 * (tokens - 4))).json()
        assert answer["prompt_eval_count"] == read


def test_overflow_can_be_forced(double: OllamaDouble) -> None:
    double.faults.append(Fault("overflow", times=2))
    assert ask(double.url, "/api/chat", say()).json()["prompt_eval_count"] == 2050
    assert NESTED in ask(double.url, "/api/chat", say(truncate=False)).error
    assert ask(double.url, "/api/chat", say()).json()["prompt_eval_count"] < 20
    assert double.injected == {"overflow": 2}


def test_generation_goes_on_past_the_context_unless_shift_is_off(double: OllamaDouble) -> None:
    double.reply = lambda body: "x" * 4 * 600
    small = {"num_ctx": 256}
    shifted = ask(double.url, "/api/chat", say(options=small)).json()
    assert (shifted["eval_count"], shifted["done_reason"]) == (600, "stop")
    stopped = ask(double.url, "/api/chat", say(options=small, shift=False)).json()
    assert stopped["prompt_eval_count"] + stopped["eval_count"] == 256
    assert stopped["done_reason"] == "length"
    double.reply = lambda body: "x" * 4 * 3000
    assert ask(double.url, "/api/chat", say(options=small)).json()["eval_count"] == 2560
