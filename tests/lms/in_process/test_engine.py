from __future__ import annotations

import copy
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import dspy
import pytest
import torch
from dspy import lm15
from dspy.lm15 import Config, ImagePart, Message, Request, Response, TextPart

from corpus.errors import ModelError
from lms.in_process.checkpoint import Checkpoint
from lms.in_process.engine import WORKER, InProcessEngine
from lms.in_process.job import Answer, Job, Ranking, Scores, Step
from lms.in_process.shelf import Shelf
from tests.lms.in_process.test_checkpoint import ASK, QUESTIONS, greedy_ids, prompt_of


def ask(engine: InProcessEngine, text: str, max_tokens: int | None = 8, **settings: Any) -> Response:
    config = Config(**{"max_tokens": max_tokens, "temperature": 0.0} | settings)
    return engine.complete(Request(model="in-process/x", messages=(Message.user(text),), config=config))


def at_once(engine: InProcessEngine, settings: list[dict[str, Any]]) -> list[Response | lm15.LM15Error]:
    """The outcomes of requests that are made by as many threads in the same moment."""
    barrier = threading.Barrier(len(settings))

    def run(setting: dict[str, Any]) -> Response | lm15.LM15Error:
        barrier.wait()
        try:
            return ask(engine, **setting)
        except lm15.LM15Error as error:
            return error

    with ThreadPoolExecutor(len(settings)) as pool:
        return list(pool.map(run, settings))


def texts(answers: list[Any]) -> list[str]:
    return [answer.message.text for answer in answers]


def test_threads_get_the_answers_they_would_get_alone(engine: InProcessEngine) -> None:
    alone = [ask(engine, question) for question in QUESTIONS]
    with ThreadPoolExecutor(len(QUESTIONS)) as pool:
        together = list(pool.map(lambda question: ask(engine, question), QUESTIONS))
    assert len({answer.message.text for answer in alone}) > 1
    assert [a.message.text for a in together] == [a.message.text for a in alone]
    assert [(a.finish_reason, a.usage) for a in together] == [(a.finish_reason, a.usage) for a in alone]


def test_a_request_keeps_its_own_limit_in_a_batch_with_longer_ones(engine: InProcessEngine) -> None:
    answers = at_once(engine, [{"text": QUESTIONS[0], "max_tokens": limit} for limit in (2, 24, 5, 24)])
    assert [answer.usage.output_tokens for answer in answers[::2]] == [2, 5]
    assert {answer.finish_reason for answer in answers[::2]} == {"length"}
    assert answers[1].message.text.startswith(answers[0].message.text)


def test_the_answer_is_greedy(engine: InProcessEngine, checkpoint: Checkpoint) -> None:
    prompt = prompt_of(checkpoint, "Who was warm?")
    for temperature in (0.0, None):
        answer = ask(engine, "Who was warm?", max_tokens=6, temperature=temperature)
        assert answer.message.text == checkpoint.chat.decode(greedy_ids(checkpoint, prompt, 6))
        assert (answer.usage.input_tokens, answer.usage.output_tokens) == (len(prompt), 6)


def test_an_answer_ends_before_the_end_token(student: Path, checkpoint: Checkpoint) -> None:
    ids = greedy_ids(checkpoint, prompt_of(checkpoint, "Who?"), 8)
    end = next(n for n, token in enumerate(ids) if n and token not in ids[:n])
    with InProcessEngine(str(student)) as engine:
        engine.chat.tokenizer.eos_token = engine.chat.tokenizer.convert_ids_to_tokens(ids[end])
        stopped = ask(engine, "Who?", max_tokens=8)
        limited = ask(engine, "Who?", max_tokens=end)
    assert (stopped.finish_reason, stopped.usage.output_tokens) == ("stop", end)
    assert (limited.finish_reason, limited.message.text) == ("length", stopped.message.text)


def test_texts_are_ranked_for_many_threads_in_batches(
    engine: InProcessEngine, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = (Step(("She waited.", "Ada came back.", "Who?")), Step((" Then", " Never again"), per_token=False))
    sizes: list[int] = []
    ranking = Checkpoint.rank

    def note(self: Checkpoint, rankings: Sequence[Ranking], most_rows: int) -> list[Scores]:
        sizes.append(len(rankings))
        return ranking(self, rankings, most_rows)

    monkeypatch.setattr(Checkpoint, "rank", note)
    with ThreadPoolExecutor(8) as pool:
        asked = [[{"role": "user", "content": text}] for text in QUESTIONS]
        writes = [pool.submit(ask, engine, text) for text in QUESTIONS[:2]]
        found = list(pool.map(lambda messages: engine.rank(messages, steps), asked))
    assert sorted(sizes) != [1] * len(QUESTIONS)
    assert sum(sizes) == len(QUESTIONS)
    assert max(sizes) <= engine.max_batch
    assert all(write.result().message.text for write in writes), "answers are written beside"
    for text, scores in zip(QUESTIONS, found, strict=True):
        (alone,) = ranking(checkpoint, [Ranking(prompt_of(checkpoint, text), steps, room=16)], 8)
        assert [own == pytest.approx(its, abs=1e-4) for own, its in zip(scores, alone, strict=True)] == [True, True]


def test_a_ranking_that_does_not_fit_the_context_is_refused(engine: InProcessEngine) -> None:
    with pytest.raises(lm15.ContextLengthError, match="prompt tokens and texts of"):
        engine.rank(ASK, [Step(("She waited. " * 900, "Who?"))])


def test_a_seed_gives_the_same_text_alone_and_in_company(engine: InProcessEngine) -> None:
    settings: list[dict[str, Any]] = [
        {"text": QUESTIONS[1], "temperature": 0.9, "seed": 5, "max_tokens": 16},
        {"text": QUESTIONS[2], "temperature": 0.0},
        {"text": QUESTIONS[3], "temperature": 1.4, "seed": 6, "top_p": 0.8, "max_tokens": 24},
        {"text": QUESTIONS[1], "temperature": 0.9, "seed": 7, "top_k": 40, "max_tokens": 16},
    ]
    alone = texts([ask(engine, **setting) for setting in settings])
    for order in ((0, 1, 2, 3), (3, 1, 0, 2), (2, 0)):
        assert texts(at_once(engine, [settings[n] for n in order])) == [alone[n] for n in order]
    assert alone[0] != alone[3]
    assert texts([ask(engine, **settings[0] | {"seed": 8})]) != alone[:1]


def test_without_a_seed_answers_differ(engine: InProcessEngine) -> None:
    assert len(set(texts([ask(engine, "Who?", temperature=1.0) for _ in range(4)]))) > 1


def test_top_k_1_is_greedy(engine: InProcessEngine) -> None:
    assert texts([ask(engine, "Who?", temperature=1.5, top_k=1)]) == texts([ask(engine, "Who?")])


def test_text_is_cut_before_a_stop_string(engine: InProcessEngine) -> None:
    whole = ask(engine, "Who moved the ladder?", max_tokens=24)
    stop = whole.message.text[6:9]
    answer = ask(engine, "Who moved the ladder?", max_tokens=24, stop=("never there", stop))
    assert answer.message.text == whole.message.text[: whole.message.text.index(stop)]
    assert answer.finish_reason == "stop"
    assert answer.usage.output_tokens < whole.usage.output_tokens


def test_only_the_request_that_does_not_fit_the_context_is_refused(student: Path) -> None:
    with InProcessEngine(str(student), num_ctx=64) as engine:
        used = ask(engine, "Who?", max_tokens=1).usage.input_tokens
        settings: list[dict[str, Any]] = [{"text": "Who?", "max_tokens": limit} for limit in (64 - used, 65 - used)]
        fits, refused = at_once(engine, settings)
    assert isinstance(fits, Response)
    assert isinstance(refused, lm15.ContextLengthError)
    for said in (f"{used} prompt tokens", f"max_tokens {65 - used}", "more than 64", "num_ctx: 64", "limit: 2048"):
        assert said in str(refused)


def test_the_model_has_a_limit_of_its_own(student: Path) -> None:
    with InProcessEngine(str(student), num_ctx=100_000) as engine, pytest.raises(lm15.ContextLengthError, match="2048"):
        ask(engine, "Who?", max_tokens=2048)
    with InProcessEngine(str(student)) as engine, pytest.raises(lm15.ContextLengthError, match="num_ctx: not set"):
        ask(engine, "Who was warm? " * 700, max_tokens=None)


@pytest.mark.parametrize("name", ["qwen2", "gemma"])
def test_the_system_text_reaches_the_model(architectures: dict[str, Path], name: str) -> None:
    with InProcessEngine(str(architectures[name])) as engine:
        chat = engine.chat
        request = Request(model="m", messages=(Message.user("Who?"),), config=Config(max_tokens=4))
        plain = engine.complete(request)
        told = engine.complete(replace(request, system=(TextPart("Be brief."), TextPart("Be kind."))))
        system = "Be brief.\nBe kind."
        expected = (
            f"<user>{system}\n\nWho?<|end|><model>"
            if name == "gemma"
            else f"<system>{system}<|end|><user>Who?<|end|><assistant>"
        )
        assert told.usage.input_tokens == len(chat.encode(expected)) > plain.usage.input_tokens
        assert told.message.text != plain.message.text


def test_dspy_programs_run_on_it_and_their_copies_share_it(architectures: dict[str, Path]) -> None:
    with InProcessEngine(str(architectures["gemma"])) as engine:
        assert copy.deepcopy(engine) is engine
        lm = dspy.LM("in-process/gemma", engine=engine, cache=False, temperature=0.8, max_tokens=12, seed=3, top_p=0.9)
        program = dspy.Predict("question -> answer")
        program.set_lm(lm)
        assert program.deepcopy().lm.engine is engine
        request = Request(model="in-process/gemma", system="Be brief.", messages=(Message.user("Who?"),))
        assert lm(request).message.text == lm(request).message.text != ""
        with pytest.raises(dspy.ContextWindowExceededError):
            lm("Who was warm? " * 700)


def test_what_is_not_text_is_refused(engine: InProcessEngine) -> None:
    picture = Message.user([TextPart("Who is this?"), ImagePart(url="https://example.org/ada.png")])
    with pytest.raises(lm15.UnsupportedFeatureError, match="text alone"):
        engine.complete(Request(model="m", messages=(picture,)))


def test_messages_that_the_chat_template_refuses_are_refused_and_the_engine_goes_on(student: Path) -> None:
    with InProcessEngine(str(student)) as engine:
        template = engine.chat.tokenizer.chat_template
        engine.chat.tokenizer.chat_template = "{{ raise_exception('no such role') }}"
        with pytest.raises(lm15.InvalidRequestError, match="no such role"):
            ask(engine, "Who?")
        engine.chat.tokenizer.chat_template = template
        assert ask(engine, "Who?").usage.output_tokens > 0


def test_a_checkpoint_without_a_chat_template_is_refused_when_asked(student: Path, tmp_path: Path) -> None:
    folder = tmp_path / "base"
    shutil.copytree(student, folder)
    (folder / "chat_template.jinja").unlink()
    with InProcessEngine(str(folder)) as engine, pytest.raises(lm15.InvalidRequestError, match="no chat template"):
        ask(engine, "Who?")


def full_above(most: int, sizes: list[int], kind: type[RuntimeError] = torch.OutOfMemoryError) -> Any:
    """A `Checkpoint.generate` that fails for batches of more than `most`, and notes what it was given."""
    generate = Checkpoint.generate

    def limited(self: Checkpoint, jobs: list[Job]) -> list[Answer]:
        sizes.append(len(jobs))
        if len(jobs) > most:
            raise kind("out of memory: tried to allocate 20 GiB")
        return generate(self, jobs)

    return limited


def test_a_batch_that_takes_too_much_memory_is_run_in_halves(student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    with InProcessEngine(str(student)) as engine:
        alone = texts([ask(engine, question) for question in QUESTIONS])
        monkeypatch.setattr(Checkpoint, "generate", full_above(2, sizes))
        jobs = [Job(engine.chat.encode(engine.chat.render([{"role": "user", "content": q}])), 8) for q in QUESTIONS]
        outcomes = engine._outcomes(jobs)
    assert [outcome.text for outcome in outcomes] == alone
    assert sizes == [8, 4, 2, 2, 4, 2, 2]


def test_a_request_too_large_by_itself_fails_and_the_engine_goes_on(
    student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with InProcessEngine(str(student)) as engine:
        with monkeypatch.context() as patch:
            patch.setattr(Checkpoint, "generate", full_above(0, []))
            with pytest.raises(lm15.ServerError, match="out of memory for a single request, lower max_tokens"):
                ask(engine, "Who?")
        assert ask(engine, "Who?").usage.output_tokens > 0


def test_another_failure_of_torch_fails_its_batch_and_the_engine_goes_on(
    student: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    with InProcessEngine(str(student)) as engine:
        with monkeypatch.context() as patch:
            patch.setattr(Checkpoint, "generate", full_above(1, sizes, RuntimeError))
            jobs = [Job(prompt, 4) for prompt in ([4, 5], [6])]
            assert [type(outcome) for outcome in engine._outcomes(jobs)] == [lm15.ServerError] * 2
        assert sizes == [2]
        engine.chat.tokenizer.add_tokens(["Unheard"])  # a token that the model has no embedding for
        with pytest.raises(lm15.ServerError, match="index out of range"):
            ask(engine, "Unheard")
        assert ask(engine, "Who?").usage.output_tokens > 0


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_unforeseen_error_leaves_nobody_waiting(student: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Checkpoint, jobs: list[Job]) -> list[Answer]:
        raise TypeError("a mistake in the code of a model")

    with InProcessEngine(str(student), max_batch=1) as engine:
        monkeypatch.setattr(Checkpoint, "generate", broken)
        kinds = {type(outcome) for outcome in at_once(engine, [{"text": "Who?"}] * 4)}
        assert kinds <= {lm15.ServerError, lm15.NotConfiguredError}
        with pytest.raises(lm15.NotConfiguredError, match="is closed"):
            ask(engine, "Who?")


def test_engines_share_a_shelf_and_give_way_to_each_other(student: Path, architectures: dict[str, Path]) -> None:
    shelf = Shelf(most=1)
    paths = [str(student), str(architectures["qwen2"])]
    with InProcessEngine(paths[0], shelf) as first, InProcessEngine(paths[1], shelf) as second:
        assert shelf.loaded == paths[1:]
        engines = [first, second] * 6
        with ThreadPoolExecutor(4) as pool:
            shared = texts(list(pool.map(lambda engine: ask(engine, "Who?"), engines)))
        assert len(set(shared[::2])) == len(set(shared[1::2])) == 1
        assert len(shelf.loaded) == 1
    assert len(shelf.loaded) == 1, "a shelf that is shared is left as it is"


def test_an_unloaded_checkpoint_is_loaded_again_when_asked(student: Path, tmp_path: Path) -> None:
    folder = tmp_path / "student"
    shutil.copytree(student, folder)
    with InProcessEngine(str(folder)) as engine:
        before = texts([ask(engine, "Who?")])
        engine.unload()
        assert engine.shelf.loaded == []
        assert texts([ask(engine, "Who?")]) == before
        engine.unload()
        shutil.rmtree(folder)
        with pytest.raises(lm15.UnsupportedModelError, match="cannot be loaded"):
            ask(engine, "Who?")


def test_the_worker_ends_with_the_context(student: Path) -> None:
    before = set(threading.enumerate())
    with InProcessEngine(str(student)) as engine:
        (worker,) = {thread for thread in set(threading.enumerate()) - before if thread.name == WORKER}
    assert not worker.is_alive()
    assert engine.shelf.loaded == []
    engine.close()
    with pytest.raises(lm15.NotConfiguredError, match="is closed"):
        ask(engine, "Who?")


@pytest.mark.parametrize("content", [None, "config.json"])
def test_a_missing_checkpoint_is_told_in_one_line(tmp_path: Path, content: str | None) -> None:
    folder = tmp_path / "none"
    if content:
        folder.mkdir()
        (folder / content).write_text("{}", encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        InProcessEngine(str(folder))
    message = str(caught.value)
    assert str(folder) in message
    assert "cannot be loaded" in message
    assert "\n" not in message


def test_the_module_does_not_import_torch() -> None:
    code = "import lms.in_process.engine, sys; print({'torch', 'transformers', 'peft'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_a_request_that_names_another_checkpoint_is_answered_by_it(
    student: Path, architectures: dict[str, Path]
) -> None:
    other = str(architectures["qwen2"])
    names = ["in-process/x", f"transformers/{other}", f"transformers/{other}#0123456789ab", f"transformers/{student}"]

    def complete(name: str) -> Response:
        request = Request(model=name, messages=(Message.user("Who?"),), config=Config(max_tokens=8, temperature=0.0))
        return engine.complete(request)

    with InProcessEngine(other) as engine:
        expected = complete("in-process/x").message.text
    with InProcessEngine(str(student)) as engine, ThreadPoolExecutor(len(names)) as pool:
        own, tuned, again, named = [answer.message.text for answer in pool.map(complete, names)]
        assert tuned == again == expected
        assert own == named != tuned
        assert set(engine.shelf.loaded) == {str(student), other}
        for _ in range(2):
            engine.unload(names[2])
            assert engine.shelf.loaded == [str(student)]
        for _ in range(2):
            engine.load(names[1])
            assert set(engine.shelf.loaded) == {str(student), other}
        with pytest.raises(lm15.UnsupportedModelError, match="cannot be loaded"):
            complete(f"transformers/{student}/nowhere")
        with pytest.raises(ModelError, match="cannot be loaded"):
            engine.load(f"transformers/{student}/nowhere")
    assert engine.shelf.loaded == []


def test_an_engine_is_rebuilt_from_its_state(student: Path) -> None:
    with InProcessEngine(str(student), max_batch=3, num_ctx=128) as engine:
        before, state = texts([ask(engine, "Who?")]), engine.dump_state()
    with InProcessEngine.load_state(state) as again:
        assert (again.max_batch, again.num_ctx) == (3, 128)
        assert texts([ask(again, "Who?")]) == before
