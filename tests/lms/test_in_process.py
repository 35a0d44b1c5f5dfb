from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from dspy import lm15
from dspy.lm15 import Config, Message, Request, Response

from corpus.errors import TrainingError
from finetune.config import ScratchConfig
from finetune.scratch import make_student
from lms.in_process import WORKER, InProcessEngine

TEXTS = ["The kettle was still warm when Ada came back from the yard.", "Who moved the ladder?", "She waited."] * 20
QUESTIONS = [f"Who moved ladder {n}? " + "The kettle was warm. " * (n % 4) for n in range(8)]
CANDIDATES = ['{"option": "She waited."', '{"option": "Ada came back from the yard."', '{"option": "Who moved it?"']
ASK = [{"role": "user", "content": "Who was warm?"}]


@pytest.fixture(scope="session")
def student(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny student with random weights."""
    folder = tmp_path_factory.mktemp("student")
    config = ScratchConfig(vocabulary=320, hidden=32, layers=2, heads=2, init_std=0.5)  # wide, so that answers differ
    make_student(TEXTS, config, max_length=256, seed=1, folder=folder)
    return folder


@pytest.fixture(scope="session")
def engine(student: Path) -> Iterator[InProcessEngine]:
    with InProcessEngine(str(student), max_batch=4) as engine:
        yield engine


def ask(engine: InProcessEngine, text: str, max_tokens: int = 8, temperature: float | None = 0.0) -> Response:
    config = Config(max_tokens=max_tokens, temperature=temperature)
    return engine.complete(Request(model="in-process/x", messages=(Message.user(text),), config=config))


def greedy_ids(engine: InProcessEngine, text: str, length: int) -> tuple[list[int], list[int]]:
    """Prompt and answer tokens of greedy decoding, one full forward pass per token."""
    prompt = engine.tokenizer.apply_chat_template(
        [{"role": "user", "content": text}], add_generation_prompt=True, tokenize=False
    )
    ids = engine.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    start = len(ids)
    with torch.inference_mode():
        for _ in range(length):
            ids.append(int(engine.model(torch.tensor([ids], device=engine.model.device)).logits[0, -1].argmax()))
    return ids[:start], ids[start:]


def plain_score(engine: InProcessEngine, candidates: list[str]) -> list[float]:
    """Mean log-probability after the common prefix, each whole sequence run by itself."""
    prompt = engine.tokenizer.apply_chat_template(ASK, add_generation_prompt=True, tokenize=False)
    head = engine.tokenizer(prompt, add_special_tokens=False)["input_ids"]
    tails = [engine.tokenizer(text, add_special_tokens=False)["input_ids"] for text in candidates]
    shared = 0
    while len({tuple(tail[: shared + 1]) for tail in tails}) == 1 and shared < min(map(len, tails)) - 1:
        shared += 1
    scores = []
    for tail in tails:
        ids = torch.tensor([head + tail], device=engine.model.device)
        with torch.inference_mode():
            logprobs = torch.log_softmax(engine.model(ids).logits[0].float(), dim=-1)
        places = range(len(head) + shared, ids.shape[1])
        scores.append(sum(float(logprobs[n - 1, ids[0, n]]) for n in places) / len(places))
    return scores


def test_threads_get_the_answers_they_would_get_alone(engine: InProcessEngine) -> None:
    alone = [ask(engine, question) for question in QUESTIONS]
    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        together = list(pool.map(lambda question: ask(engine, question), QUESTIONS))
    assert len({answer.message.text for answer in alone}) > 1
    assert [a.message.text for a in together] == [a.message.text for a in alone]
    assert [(a.finish_reason, a.usage) for a in together] == [(a.finish_reason, a.usage) for a in alone]


def test_a_request_keeps_its_own_limit_in_a_batch_with_longer_ones(engine: InProcessEngine) -> None:
    barrier = threading.Barrier(4)

    def at_once(limit: int) -> Response:
        barrier.wait()
        return ask(engine, QUESTIONS[0], limit)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(at_once, (2, 24, 5, 24)))
    assert [answer.usage.output_tokens for answer in answers[::2]] == [2, 5]
    assert {answer.finish_reason for answer in answers[::2]} == {"length"}
    assert answers[1].message.text.startswith(answers[0].message.text)


def test_the_answer_is_greedy(engine: InProcessEngine) -> None:
    prompt, expected = greedy_ids(engine, "Who was warm?", 6)
    answer = ask(engine, "Who was warm?", max_tokens=6)
    assert answer.message.text == engine.tokenizer.decode(expected, skip_special_tokens=True)
    assert (answer.usage.input_tokens, answer.usage.output_tokens) == (len(prompt), 6)


def test_an_answer_ends_before_the_end_token(student: Path) -> None:
    with InProcessEngine(str(student)) as engine:
        _, ids = greedy_ids(engine, "Who?", 8)
        end = next(n for n, token in enumerate(ids) if n and token not in ids[:n])
        engine.tokenizer.eos_token = engine.tokenizer.convert_ids_to_tokens(ids[end])
        stopped = ask(engine, "Who?", max_tokens=8)
        cut = ask(engine, "Who?", max_tokens=end)
    assert (stopped.finish_reason, stopped.usage.output_tokens) == ("stop", end)
    assert (cut.finish_reason, cut.message.text) == ("length", stopped.message.text)


@pytest.mark.parametrize("candidates", [CANDIDATES, CANDIDATES[:1], ["a", "a b"], ["She waited.", "Ada"]])
def test_scores_are_mean_log_probabilities_after_the_common_prefix(
    engine: InProcessEngine, candidates: list[str]
) -> None:
    assert engine.score(ASK, candidates) == pytest.approx(plain_score(engine, candidates), abs=1e-4)


def test_a_total_score_does_not_favour_an_answer_whose_end_its_beginning_gives_away(engine: InProcessEngine) -> None:
    short, long = "Joy", "Joy and joy and joy and joy"
    total_short, total_long = engine.score(ASK, [short, long], per_token=False)
    assert total_short > total_long, "more words are never likelier in total"
    means = engine.score(ASK, CANDIDATES)
    totals = engine.score(ASK, CANDIDATES, per_token=False)
    assert all(total <= mean + 1e-6 for mean, total in zip(means, totals, strict=True))


def test_scores_do_not_depend_on_the_company(engine: InProcessEngine) -> None:
    forward, backward = engine.score(ASK, CANDIDATES), engine.score(ASK, CANDIDATES[::-1])
    assert forward == pytest.approx(backward[::-1], abs=1e-4)
    assert len(set(forward)) == 3


def test_a_temperature_is_refused(engine: InProcessEngine) -> None:
    with pytest.raises(lm15.UnsupportedFeatureError, match="use temperature 0"):
        ask(engine, "Who?", temperature=0.7)


def test_messages_that_the_chat_template_refuses_are_refused_and_the_engine_goes_on(student: Path) -> None:
    with InProcessEngine(str(student)) as engine:
        template = engine.tokenizer.chat_template
        engine.tokenizer.chat_template = "{{ raise_exception('no such role') }}"
        with pytest.raises(lm15.InvalidRequestError, match="no such role"):
            ask(engine, "Who?")
        engine.tokenizer.chat_template = template
        assert ask(engine, "Who?").usage.output_tokens > 0


def test_the_worker_ends_with_the_context(student: Path) -> None:
    before = set(threading.enumerate())
    with InProcessEngine(str(student)):
        (worker,) = {thread for thread in set(threading.enumerate()) - before if thread.name == WORKER}
    assert not worker.is_alive()


@pytest.mark.parametrize("content", [None, "config.json"])
def test_a_missing_checkpoint_is_told_in_one_line(tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "none"
    if content:
        folder.mkdir()
        (folder / content).write_text("{}", encoding="utf-8")
    with pytest.raises(TrainingError) as caught:
        InProcessEngine(str(folder))
    message = str(caught.value)
    assert str(folder) in message
    assert "cannot be loaded" in message
    assert "\n" not in message
