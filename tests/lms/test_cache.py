"""Answers that DSPy keeps: asked for once, found again by whoever asks the same, lost one at a time at the most."""

from __future__ import annotations

import errno
import json
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import RunError
from lms.build import Models, fingerprint
from lms.cache import ANSWERS, AnswerCache, use_cache
from lms.spec import ModelSpec


class Counting:
    """An engine that answers with its name and how many calls it has had."""

    supported_params = frozenset({"temperature", "max_tokens", "seed", "top_p"})

    def __init__(self, name: str = "e", finish: Any = "stop"):
        self.name, self.finish, self.calls = name, finish, 0

    def complete(self, request: Request) -> Response:
        self.calls += 1
        text = f"{self.name}-{self.calls}: {request.messages[-1].text}"
        usage = Usage(input_tokens=10, output_tokens=2)
        message = Message.assistant([TextPart(text)])
        return Response(id=None, model="m", message=message, finish_reason=self.finish, usage=usage)


def lm_of(engine: Any, model: str = "ollama_chat/m#1", **kwargs: Any) -> dspy.LM:
    return dspy.LM(model, engine=engine, cache=True, num_retries=0, **{"temperature": 0.8, "seed": 1, **kwargs})


@pytest.fixture
def engine() -> Counting:
    return Counting()


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where DSPy would make a cache if somebody asked it for one; nobody does."""
    home = tmp_path_factory.mktemp("home") / "dspy_cache"
    monkeypatch.setenv("DSPY_CACHEDIR", str(home))
    monkeypatch.delitem(vars(dspy), "cache", raising=False)
    yield home
    assert not home.exists()
    assert "cache" not in vars(dspy)


# What is the same call


def test_the_same_call_twice_is_asked_once(engine: Counting, tmp_path: Path) -> None:
    with use_cache(tmp_path):
        lm = lm_of(engine)
        assert lm("?") == lm("?") == ["e-1: ?"]
        assert lm_of(engine)("?") == ["e-1: ?"]
    assert engine.calls == 1


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"temperature": 0.7}, {"rollout_id": 1}, {"max_tokens": 99}, {"top_p": 0.5}]
)
def test_another_setting_is_another_call(engine: Counting, tmp_path: Path, other: dict[str, Any]) -> None:
    with use_cache(tmp_path):
        first, second = lm_of(engine)("?"), lm_of(engine)("?", **other)
        assert first != second
        assert lm_of(engine)("?", **other) == second
        assert lm_of(engine, **other)("?") == second
        assert lm_of(engine).copy(**other)("?") == second  # as DSPy's optimizers draw their rollouts
    assert engine.calls == 2


def test_another_question_or_model_is_another_call(engine: Counting, tmp_path: Path) -> None:
    with use_cache(tmp_path):
        answers = [lm_of(engine, model)(text)[0] for model in ("ollama_chat/m#1", "ollama_chat/m#2") for text in "?!"]
    assert len(set(answers)) == 4


def test_a_model_that_keeps_nothing_asks_each_time(engine: Counting, tmp_path: Path) -> None:
    with use_cache(tmp_path):
        lm = dspy.LM("ollama_chat/m", engine=engine, cache=False)
        assert lm("?") != lm("?")
    assert (tmp_path / ANSWERS).read_bytes() == b""


def test_a_whole_program_is_played_back(engine: Counting, tmp_path: Path) -> None:
    engine.complete = answer_in_markers(engine)  # type: ignore[method-assign]
    program = dspy.Predict("question -> answer")
    with use_cache(tmp_path), dspy.context(lm=lm_of(engine), adapter=dspy.ChatAdapter()):
        first = program(question="Wo?", config={"seed": 5})
        assert program(question="Wo?", config={"seed": 5}).answer == first.answer == "Überall 🙂 1"
        assert program(question="Wo?", config={"seed": 6}).answer == "Überall 🙂 2"
    assert engine.calls == 2


def answer_in_markers(engine: Counting) -> Callable[[Request], Response]:
    def complete(request: Request) -> Response:
        engine.calls += 1
        text = f"[[ ## answer ## ]]\nÜberall 🙂 {engine.calls}\n\n[[ ## completed ## ]]"
        message = Message.assistant([TextPart(text)])
        return Response(id=None, model="m", message=message, finish_reason="stop", usage=Usage())

    return complete


# Whose answers


SPECS = [
    {"base_url": "http://127.0.0.1:1/v1"},
    {"base_url": "http://127.0.0.1:2/v1"},
    {"base_url": "http://127.0.0.1:1/v1", "extra": {"min_p": 0.1}},
    {"base_url": "http://127.0.0.1:1/v1", "structured": "schema"},
    {"base_url": "http://127.0.0.1:1/v1", "think": False},
]


def build(fields: dict[str, Any], engine: Counting, seed: int = 1) -> dspy.LM:
    """The LM of a spec, with a stand-in for its server."""
    with Models({"teacher": ModelSpec(model="hosted_vllm/m", seed=seed, **fields)}, cached=True) as models:
        lm = models.lms["teacher"]
        lm.engine.engine = engine
        lm.engine.gate = type(lm.engine.gate)("m", 4, 10, print)  # the first is stopped with its models
    return lm


def test_servers_and_settings_do_not_share_answers_though_names_are_equal(engine: Counting, tmp_path: Path) -> None:
    with use_cache(tmp_path):
        answers = [build(fields, engine)("?")[0] for fields in SPECS]
        assert len(set(answers)) == len(SPECS) == engine.calls
        assert [build(fields, engine)("?")[0] for fields in SPECS] == answers
    assert engine.calls == len(SPECS)


@pytest.mark.parametrize(
    "other",
    [{"timeout": 3}, {"retries": 1}, {"patience": 1}, {"concurrency": 2}, {"prices": {"input": 1, "output": 1}}],
)
def test_how_a_model_is_called_makes_no_other_model_of_it(
    engine: Counting, tmp_path: Path, other: dict[str, Any]
) -> None:
    with use_cache(tmp_path):
        assert build(SPECS[0], engine)("?") == build(SPECS[0] | other, engine)("?")
    assert engine.calls == 1


def test_other_weights_under_the_same_name_are_another_model(engine: Counting, tmp_path: Path) -> None:
    spec = ModelSpec(model="ollama_chat/m")
    names = [f"{spec.model}#{fingerprint(spec, weights)}" for weights in ("sha256:1", "sha256:2", "")]
    assert len(set(names)) == 3
    with use_cache(tmp_path):
        answers = [lm_of(engine, name)("?")[0] for name in names]
    assert len(set(answers)) == 3


def test_a_fingerprint_is_the_same_in_each_process_and_for_each_way_to_write_an_address() -> None:
    spec = ModelSpec(model="ollama_chat/m", base_url="http://127.0.0.1:11434/")
    assert fingerprint(spec, "w") == fingerprint(
        ModelSpec(model="ollama_chat/m", base_url="http://127.0.0.1:11434"), "w"
    )
    assert fingerprint(ModelSpec.model_validate_json(spec.model_dump_json()), "w") == fingerprint(spec, "w")


def test_an_answer_that_was_cut_is_not_kept(tmp_path: Path) -> None:
    engine = Counting(finish="length")
    with use_cache(tmp_path):
        for _ in range(2):
            with pytest.raises(dspy.LMProviderError, match="raise max_tokens"):
                build(SPECS[0], engine)("?")
    assert engine.calls == 2


def test_an_answer_that_is_found_again_is_not_spent_again(engine: Counting, tmp_path: Path) -> None:
    with use_cache(tmp_path):
        build(SPECS[0], engine)("?")
        lm = build(SPECS[0], engine)
        lm("?")
        assert lm.engine.ledger.total.calls == 0


# The file


def test_answers_outlive_their_process(engine: Counting, tmp_path: Path) -> None:
    for _ in range(3):
        with use_cache(tmp_path):
            assert lm_of(engine)("Wo? 🙂\n") == ["e-1: Wo? 🙂\n"]
    assert engine.calls == 1


def test_two_processes_share_a_folder(engine: Counting, tmp_path: Path) -> None:
    request, other = {"request": 1}, {"request": 2}
    with AnswerCache(tmp_path) as ours, AnswerCache(tmp_path) as theirs:
        ours.put(request, "ours")
        theirs.put(other, "theirs")
        ours.put({"request": 3}, "x" * 1000)
        assert (ours.get(request), theirs.get(other)) == ("ours", "theirs")
        assert theirs.get(request) is None  # asked again at the worst
    with AnswerCache(tmp_path) as later:
        assert (later.get(request), later.get(other), len(later)) == ("ours", "theirs", 3)
        assert later.cache_key(request) in later
        assert later.cache_key({"request": 4}) not in later


def test_what_another_process_is_writing_is_not_cut_off(tmp_path: Path) -> None:
    path = tmp_path / ANSWERS
    path.write_bytes(b'{"key": "0')
    with AnswerCache(tmp_path) as cache:
        cache.put({"request": 1}, "ours")
        assert path.read_bytes().startswith(b'{"key": "0\n{"key": "')
        assert cache.get({"request": 1}) == "ours"


def test_a_later_answer_to_the_same_request_counts(tmp_path: Path) -> None:
    with AnswerCache(tmp_path) as cache:
        cache.put({"request": 1}, "first")
        cache.put({"request": 1}, "second")
        assert cache.get({"request": 1}) == "second"
    with AnswerCache(tmp_path) as cache:
        assert cache.get({"request": 1}) == "second"


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_torn_anywhere_only_the_torn_answers_are_asked_for_again(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path, questions, engine = Path(folder) / ANSWERS, ["one", "zwei ü", "three 🙂"], Counting()
        with use_cache(Path(folder)):
            answers = [lm_of(engine)(text) for text in questions]
        lines = path.read_bytes().splitlines(keepends=True)
        cuts = [data.draw(st.integers(0, len(line)), label="bytes left") for line in lines]
        # In the middle a torn line was ended by whoever wrote next, at the end it was not.
        left = [line[:cut].rstrip(b"\n") + b"\n" * (cut > 0) for line, cut in zip(lines, cuts, strict=True)]
        if cuts[-1] < len(lines[-1]):
            left[-1] = lines[-1][: cuts[-1]]
        path.write_bytes(b"".join(left))
        torn = sum(cut < len(line) - 1 for line, cut in zip(lines, cuts, strict=True)) + (
            cuts[-1] == len(lines[-1]) - 1
        )
        for asked in (torn, 0):
            before = engine.calls
            with use_cache(Path(folder)):
                again = [lm_of(engine)(text) for text in questions]
            assert engine.calls - before == asked
        whole = [cut >= len(line) - 1 for line, cut in zip(lines[:-1], cuts, strict=False)]
        assert [new for new, kept in zip(again, whole, strict=False) if kept] == [
            old for old, kept in zip(answers, whole, strict=False) if kept
        ]


@settings(max_examples=100, deadline=None)
@given(
    garbage=st.lists(st.binary(max_size=120).map(lambda raw: raw.replace(b"\n", b" ")), max_size=4),
    kept=st.sampled_from([0, 9, 40, 75, 90]),
)
def test_lines_that_are_no_answers_are_passed_over(garbage: list[bytes], kept: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = Counting()
        with use_cache(Path(folder)):
            lm_of(engine)("?")
        path = Path(folder) / ANSWERS
        line = path.read_bytes()
        bad = b"".join(line[:kept] + raw + b"\n" for raw in garbage)
        for text in (bad + line, line + bad):
            path.write_bytes(text)
            with use_cache(Path(folder)):
                assert lm_of(engine)("?")[0].endswith(": ?")
        path.write_bytes(bad + line)
        with use_cache(Path(folder)):
            assert lm_of(engine)("?") == ["e-1: ?"]


def test_a_torn_answer_does_not_hide_the_same_answer_that_is_whole(engine: Counting, tmp_path: Path) -> None:
    """Two threads asked the same, and the run was killed while the second answer was written."""
    with use_cache(tmp_path):
        lm_of(engine)("?")
    path = tmp_path / ANSWERS
    line = path.read_bytes()
    path.write_bytes(line + line[:120] + b"\n")
    with use_cache(tmp_path):
        assert lm_of(engine)("?") == ["e-1: ?"]
    assert engine.calls == 1


def test_nothing_is_pickled(engine: Counting, tmp_path: Path) -> None:
    with use_cache(tmp_path):
        lm_of(engine)("?")
    assert [path.name for path in tmp_path.iterdir()] == [ANSWERS]
    (row,) = (json.loads(line) for line in (tmp_path / ANSWERS).read_text().splitlines())
    assert set(row) == {"key", "answer"}
    assert len(row["key"]) == 64
    assert row["answer"]["outputs"] == ["e-1: ?"]


def test_an_answer_is_in_the_file_before_it_is_used(engine: Counting, tmp_path: Path) -> None:
    with use_cache(tmp_path):
        lm_of(engine)("?")
        assert (tmp_path / ANSWERS).read_bytes().endswith(b"}\n")


def test_half_an_emoji_in_an_answer_is_kept(tmp_path: Path) -> None:
    with AnswerCache(tmp_path) as cache:
        cache.put({"request": 1}, {"text": "half \ud83d"})
        assert cache.get({"request": 1}) == {"text": "half \ud83d"}


def test_many_threads_ask_and_each_gets_its_answer(engine: Counting, tmp_path: Path) -> None:
    wrong = []
    with use_cache(tmp_path):

        def work(first: int) -> None:
            for number in [*range(first, 40, 8), *range(40)]:
                (answer,) = lm_of(engine)(f"question {number}")
                if not answer.endswith(f": question {number}"):
                    wrong.append(answer)

        threads = [threading.Thread(target=work, args=(first,)) for first in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        before = engine.calls
        for number in range(40):
            lm_of(engine)(f"question {number}")
    assert not wrong
    assert engine.calls == before


def test_a_full_disk_is_told_in_one_line(engine: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with use_cache(tmp_path):
        monkeypatch.setattr(os, "write", refuse)
        with pytest.raises(RunError, match=r"answers\.jsonl: the disk is full"):
            lm_of(engine)("?")


# DSPy's own cache


def test_dspys_own_cache_is_neither_made_nor_changed(engine: Counting, tmp_path: Path, home: Path) -> None:
    assert vars(dspy).get("cache") is None
    with use_cache(tmp_path):
        assert isinstance(dspy.cache, AnswerCache)
        lm_of(engine)("?")
    assert vars(dspy).get("cache") is None
    with use_cache(None):
        assert vars(dspy).get("cache") is None
    with pytest.raises(ValueError, match="a bug"), use_cache(tmp_path):
        raise ValueError("a bug")
    assert vars(dspy).get("cache") is None
    assert not home.exists()


def test_a_cache_that_was_there_is_there_again(
    engine: Counting, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = dspy.clients.cache.Cache(False, True, None)
    with monkeypatch.context() as patch:
        patch.setitem(vars(dspy), "cache", own)
        with use_cache(tmp_path):
            with use_cache(tmp_path / "inner"):
                lm_of(engine)("?")
            lm_of(engine)("?")
        assert dspy.cache is own
        assert not own.memory_cache
    assert engine.calls == 2
