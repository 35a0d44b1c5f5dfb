"""A panel answers the items of a run: journal, resume, failures, and what is written and said."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy import lm15
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from rich.console import Console

from corpus.assemble import assemble_items
from corpus.errors import LimitError, RecipeError, RunError, TeacherError
from corpus.records import ApplicationItem, Plan, Session, Turn, UnderstandingItem
from eval.item_analysis import ItemAnalysis
from lms.faults import CUT
from lms.scripted.engine import ScriptedEngine
from lms.spec import ModelSpec
from programs.converter import ItemConverter
from runs.folder import Run, open_run
from runs.recipe import load_recipe
from runs.stages.analyse import analyse, analyse_items
from signatures.chat_adapter import ChatAdapter

Items = list[UnderstandingItem | ApplicationItem]
Answer = Callable[[str], str]  # the prompt → what the model writes, or raises


class PlayedEngine:
    """Writes what a function of the prompt says; notes the seeds that it is asked with."""

    supported_params = frozenset({"temperature", "max_tokens", "seed"})

    def __init__(self, answer: Answer):
        self.answer = answer
        self.seeds: list[int] = []

    def complete(self, request: Request) -> Response:
        self.seeds.append(request.config.seed or 0)
        message = Message.assistant([TextPart(self.answer(request.messages[-1].text or ""))])
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=Usage())


def first_option(prompt: str) -> str:
    return '{"answer_q1": "A", "answer_q2": "A"}' if "answer_q1" in prompt else '{"answer": "A"}'


def fail(error: Exception) -> Answer:
    def answer(prompt: str) -> str:
        raise error

    return answer


@pytest.fixture(scope="module")
def items(plans: list[Plan]) -> Items:
    """The items of two plans, as the scripted teacher writes them without mistakes."""
    lm = dspy.LM("scripted/counsel", engine=ScriptedEngine({}), cache=False)
    drafts = []
    with dspy.context(lm=lm, roles={}, adapter=ChatAdapter(), trace=[], disable_history=True):
        for plan in plans[:2]:
            told = tuple(Turn(speaker="CLIENT", text="…", moment=moment.id) for moment in plan.moments)
            drafts += ItemConverter()(
                session=Session(id=plan.id, plan=plan, background="…", turns=told, looks=())
            ).drafts
    return assemble_items(sorted(drafts, key=lambda draft: draft.id), 0)


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Engines by the name of the model; the scripted teacher for every other."""
    played: dict[str, Any] = {}
    monkeypatch.setattr(
        "lms.build.Models._build",
        lambda models, spec, stack: (played.get(spec.name, ScriptedEngine({})), spec.model, ""),
    )
    return played


@pytest.fixture
def run(tiny_recipe: Path, tmp_path: Path) -> Iterator[Run]:
    with open_run(tmp_path / "out", load_recipe(tiny_recipe)) as opened:
        yield opened


def spec(name: str) -> ModelSpec:
    return ModelSpec(model=f"scripted/{name}", retries=0)


PANEL = {"strong": spec("strong"), "other": spec("other"), "weak": spec("weak")}


def ask(run: Run, items: Items, panel: dict[str, ModelSpec], samples: int = 2) -> tuple[dict[str, Any], str]:
    console = Console(file=StringIO(), width=140)
    result = analyse_items(run, items, panel, samples, console)
    assert isinstance(console.file, StringIO)
    return result, console.file.getvalue()


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_panel_is_asked_and_analysed(run: Run, items: Items, engines: dict[str, Any]) -> None:
    engines["weak"] = weak = PlayedEngine(first_option)
    result, printed = ask(run, items, PANEL)
    assert (result["items"], result["answers"], result["examinees"]) == (len(items), 6 * len(items), 6)
    assert result["failed"] == {}
    assert {row["model"] for row in result["models"][:2]} == {"strong", "other"}
    assert result["models"][0]["right"] > 0.8 > 0.4 > result["models"][2]["right"]
    assert len(set(weak.seeds)) == 2, "each sample has a seed of its own"
    written = [ItemAnalysis.model_validate(row) for row in rows(run.path / "data" / "analysis.jsonl")]
    assert [analysis.id for analysis in written] == [item.qid for item in items]
    assert Counter(flag for analysis in written for flag in analysis.flags) == result["flags"]
    # What the strong get right and the weak does not tells them apart; what all get right tells nothing.
    split = [analysis for analysis in written if analysis.difficulty == 4 / 6]
    assert split
    assert all(analysis.discrimination is not None and analysis.discrimination > 0.5 for analysis in split)
    assert all(analysis.discrimination is None for analysis in written if analysis.difficulty == 1)
    for said in ("Panel: percent right", "Items with a flag", "distractor never chosen", "from 6 examinees", "hint"):
        assert said in printed


def test_journal_rows_tell_item_model_sample_and_options(run: Run, items: Items, engines: dict[str, Any]) -> None:
    engines["weak"] = PlayedEngine(first_option)
    ask(run, items, {"weak": spec("weak")}, samples=1)
    by_qid = {item.qid: item for item in items}
    for row in rows(run.journal_path("panel")):
        item = by_qid[row["item"]]
        assert row["id"] == f"{item.qid}/weak/0"
        assert row["picks"] == [choices[0] for choices, _ in item.questions]
    spending = json.loads((run.path / "manifest.json").read_text(encoding="utf-8"))["spending"]
    assert spending["analyse"]["weak"]["calls"] == len(items)


def test_what_was_answered_is_not_asked_again(run: Run, items: Items, engines: dict[str, Any]) -> None:
    engines["weak"] = first = PlayedEngine(first_option)
    before, _ = ask(run, items[:5], {"weak": spec("weak")})
    engines["weak"] = second = PlayedEngine(first_option)
    ask(run, items[:6], {"weak": spec("weak")}, samples=3)
    assert (len(first.seeds), len(second.seeds)) == (10, 5 + 3)
    engines["weak"] = PlayedEngine(fail(AssertionError("asked again")))
    again, _ = ask(run, items[:5], {"weak": spec("weak")})
    assert again == before


def test_answers_of_another_model_under_the_same_name_do_not_count(
    run: Run, items: Items, engines: dict[str, Any]
) -> None:
    engines["weak"], engines["mute"] = PlayedEngine(first_option), PlayedEngine(lambda prompt: "I would rather not.")
    ask(run, items, {"one": spec("weak")})
    result, _ = ask(run, items, {"one": spec("mute")})
    assert result["answers"] == 2 * len(items)
    assert (result["models"][0]["unread"], result["models"][0]["right"]) == (1, 0)


def test_answers_to_other_options_are_asked_again(run: Run, items: Items, engines: dict[str, Any]) -> None:
    engines["weak"] = PlayedEngine(first_option)
    item = next(item for item in items if isinstance(item, ApplicationItem))
    ask(run, [item], {"weak": spec("weak")}, samples=1)
    rewritten = item.model_copy(update={"choices": ("one", "two", "three", item.label)})
    if item.label == item.choices[0]:
        rewritten = rewritten.model_copy(update={"choices": ("one", "two", "three", "four"), "label": "four"})
    engines["weak"] = asked = PlayedEngine(first_option)
    result, _ = ask(run, [rewritten], {"weak": spec("weak")}, samples=1)
    assert len(asked.seeds) == 1
    assert result["models"][0]["answers"] == 1


def test_failed_answers_are_counted_and_asked_again(run: Run, items: Items, engines: dict[str, Any]) -> None:
    broken = items[2].scenario[:40]

    def answer(prompt: str) -> str:
        if broken in prompt:
            raise lm15.ServerError("out of order")
        return first_option(prompt)

    engines["weak"] = PlayedEngine(answer)
    result, _ = ask(run, items, {"weak": spec("weak")}, samples=1)
    assert result["failed"] == {"weak: server error": 1}
    assert result["answers"] == len(items) - 1
    engines["weak"] = mended = PlayedEngine(first_option)
    result, _ = ask(run, items, {"weak": spec("weak")}, samples=1)
    assert (result["failed"], result["answers"], len(mended.seeds)) == ({}, len(items), 1)


def test_an_answer_that_is_cut_is_one_that_cannot_be_read(run: Run, items: Items, engines: dict[str, Any]) -> None:
    engines["weak"] = PlayedEngine(fail(lm15.ProviderError("cut", provider_code=CUT)))
    result, _ = ask(run, items, {"weak": spec("weak")}, samples=1)
    assert result["failed"] == {}
    assert (result["models"][0]["answers"], result["models"][0]["unread"]) == (len(items), 1)
    assert all(row["reason"] == "weak: answer cut" for row in rows(run.journal_path("panel")))


def test_a_model_that_is_gone_ends_the_stage_and_what_others_answered_is_kept(
    run: Run, items: Items, engines: dict[str, Any]
) -> None:
    engines["gone"] = PlayedEngine(fail(lm15.ServerError("out of order")))
    with pytest.raises(TeacherError, match=r"8 units of work in a row"):
        # Twice each, so that eight fail in a row even after late answers of the model before.
        ask(run, items, {"strong": spec("strong"), "gone": spec("gone")}, samples=2)
    kept = rows(run.journal_path("panel"))
    assert sum(row["ok"] for row in kept) == 2 * len(items)
    result, _ = ask(run, items, {"strong": spec("strong")}, samples=2)
    assert result["answers"] == 2 * len(items)


def test_few_items_that_nobody_answers_are_an_error(run: Run, items: Items, engines: dict[str, Any]) -> None:
    engines["gone"] = PlayedEngine(fail(lm15.ServerError("out of order")))
    with pytest.raises(RunError, match=r"nothing was answered \(gone: server error\)"):
        ask(run, items[:3], {"gone": spec("gone")}, samples=1)


def test_a_limit_of_the_recipe_holds_for_the_panel_too(
    tiny_recipe: Path, tmp_path: Path, items: Items, engines: dict[str, Any]
) -> None:
    recipe = load_recipe(tiny_recipe, ["limits.calls=5"])
    with open_run(tmp_path / "out", recipe) as limited:
        with pytest.raises(LimitError, match=r"limits\.calls = 5 is reached"):
            ask(limited, items, PANEL)
        assert sum(row["ok"] for row in rows(limited.journal_path("panel"))) == 5


def test_few_examinees_are_said_to_be_too_few(run: Run, items: Items, engines: dict[str, Any]) -> None:
    _, printed = ask(run, items, {"strong": spec("strong")})
    assert "2 examinees are too few, 6 are the least" in printed


def test_an_empty_panel_shows_the_lines_to_write(run: Run) -> None:
    run.finish("curate", 0, {})
    with pytest.raises(RecipeError, match=r"`panel:` and, indented, `  small: \{model: ollama_chat/qwen3:1\.7b\}`"):
        analyse(run, Console(file=StringIO()))


def test_the_recipe_says_whom_to_ask_how_often_and_how_many_items(
    tiny_recipe: Path, tmp_path: Path, items: Items, engines: dict[str, Any]
) -> None:
    overrides = ["panel.a.model=scripted/a", "panel.b.model=scripted/b", "analyse.samples=3", "analyse.limit=2"]
    with open_run(tmp_path / "out", load_recipe(tiny_recipe, overrides)) as opened:
        opened.finish("curate", 0, {})
        opened.items_path.parent.mkdir()
        lines = (json.dumps({"split": "train", **item.model_dump(mode="json", by_alias=True)}) for item in items)
        opened.items_path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        result = analyse(opened, Console(file=StringIO()))
    assert (result["items"], result["examinees"], result["answers"]) == (4, 6, 24)
