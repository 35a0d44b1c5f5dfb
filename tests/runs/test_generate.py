"""Generation: both methods, costs, further rounds for what is lacking, and a teacher that fails halfway."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from io import StringIO
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml
from dspy import lm15
from dspy.lm15 import Message, Request, Response, TextPart, Usage
from rich.console import Console

from corpus.errors import RecipeError, RunError, TeacherError
from corpus.quotas import shares_of
from corpus.records import Session
from lms.scripted.engine import find_writer
from lms.scripted.mistakes import Mistakes
from lms.scripted.prompt import Prompt
from programs.converter import ItemConverter
from runs.folder import Run, read_run
from runs.pipeline import run_stages
from runs.recipe import load_recipe
from runs.written import read_drafts, read_sessions
from tests.runs.compiled import instruct, put_away

MIXED = {"mads": 0.7, "concise": 0.3}
FEW_CELLS = {"complex_emotions": 0, "personal_beliefs_and_experiences": 0, "perspective_taking": 0, "faux_pas": 2}
TOKENS_IN, TOKENS_OUT = 100, 10
Player = Callable[[Prompt, dict[str, Any]], dict[str, Any]]
Write = Callable[..., Path]


class PlayedTeacher:
    """The scripted teacher without mistakes, whose answers `play` may change or refuse; notes all prompts."""

    supported_params = frozenset({"temperature", "max_tokens", "seed"})

    def __init__(self) -> None:
        self.play: Player = lambda prompt, values: values
        self.prompts: list[Prompt] = []

    def complete(self, request: Request) -> Response:
        prompt = Prompt.read(request)
        self.prompts.append(prompt)
        values = find_writer(prompt)(prompt, Mistakes({}))
        text = prompt.write(self.play(prompt, {name: values[name] for name in prompt.outputs}))
        usage = Usage(input_tokens=TOKENS_IN, output_tokens=TOKENS_OUT)
        message = Message.assistant([TextPart(text)])
        return Response(id=None, model=request.model, message=message, finish_reason="stop", usage=usage)


def put_in_place(engine: PlayedTeacher, monkeypatch: pytest.MonkeyPatch) -> PlayedTeacher:
    monkeypatch.setattr("lms.build.Models._build", lambda models, spec, stack: (engine, spec.model, ""))
    return engine


@pytest.fixture
def teacher(monkeypatch: pytest.MonkeyPatch) -> PlayedTeacher:
    """Takes the place of every recipe's teacher."""
    return put_in_place(PlayedTeacher(), monkeypatch)


@pytest.fixture(scope="session")
def write() -> Write:
    """``write(folder, plan, **teacher)``: a recipe for the scripted teacher, without mistakes unless told."""

    def recipe(folder: Path, plan: dict[str, Any], **teacher: Any) -> Path:
        path = folder / "recipe.yaml"
        spec = {"model": "scripted/counsel", "mistakes": {}, "retries": 0, **teacher}
        recipe = {"name": "g", "seed": 5, "lms": {"teacher": spec}, "plan": plan, "exam": {"emobench": None}}
        path.write_text(yaml.safe_dump(recipe))
        return path

    return recipe


def run(recipe: Path, *overrides: str, stages: tuple[str, ...] = ("generate",)) -> tuple[Run, str]:
    """Run stages in the folder beside the recipe; returns the run and what was printed."""
    console, out = Console(file=StringIO()), recipe.parent / "out"
    run_stages(load_recipe(recipe, list(overrides)), out, console, stages)
    assert isinstance(console.file, StringIO)
    return read_run(out), console.file.getvalue()


def rows(run: Run, journal: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in run.journal_path(journal).read_text(encoding="utf-8").splitlines()]


def announced(printed: str) -> list[int]:
    """How many sessions each further round was said to have."""
    return [int(count) for count in re.findall(r"generate: (\d+) sessions more for what is lacking", printed)]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory, write: Write) -> Run:
    """Ten sessions of both methods by a teacher with its usual mistakes, curated."""
    path = write(tmp_path_factory.mktemp("mixed"), {"sessions": 10, "method": MIXED}, mistakes=None)
    return run(path, stages=("generate", "verify", "curate"))[0]


def test_both_methods_come_by_their_shares(mixed: Run) -> None:
    sessions = list(read_sessions(mixed))[:10]
    assert Counter(session.plan.method for session in sessions) == {"mads": 7, "concise": 3}
    for session in sessions:
        assert bool(session.looks) == (session.plan.method == "mads")
        assert len(session.turns) == 10 or session.plan.method == "mads"
    assert mixed.require("generate")["methods"] == Counter(s.plan.method for s in read_sessions(mixed))


def test_sessions_of_both_methods_end_in_drafts_of_their_moments(mixed: Run) -> None:
    sessions = {session.id: session for session in read_sessions(mixed)}
    for row in rows(mixed, "drafts"):
        written = [draft["id"] for draft in row["drafts"]]
        assert written
        assert {*written, *row["failures"]} == {moment.id for moment in sessions[row["id"]].plan.moments}
    assert {draft.session for draft in read_drafts(mixed)} == set(sessions)
    assert {draft.teacher for draft in read_drafts(mixed)} == {"scripted/counsel"}


def test_rows_tell_calls_and_why_answers_were_not_accepted(mixed: Run) -> None:
    held, converted = rows(mixed, "sessions"), rows(mixed, "drafts")
    assert all(row["ok"] for row in held)
    for row in held:
        session = Session.model_validate(row["session"])
        messages = len(session.turns) if session.plan.method == "mads" else 1
        assert row["calls"] - row["retries"] == 1 + messages + len(session.looks)
    for row in converted:
        assert row["calls"] - row["retries"] == len(row["drafts"])
        assert row["retries"] == sum(row["complaints"].values())
    summary = mixed.require("generate")
    for name in ("calls", "retries"):
        assert summary[name] == sum(row[name] for row in held + converted) > 0
    assert summary["complaints"] == sum((Counter(row["complaints"]) for row in held + converted), Counter())


def test_the_manifest_tells_what_each_role_cost(mixed: Run) -> None:
    manifest = json.loads((mixed.path / "manifest.json").read_text(encoding="utf-8"))
    spending, summary = manifest["spending"], mixed.require("generate")
    roles = spending["generate"]
    assert set(roles) == {"background", "client", "therapist", "supervisor", "dialogue", "converter"}
    assert all(role["input_tokens"] > role["output_tokens"] > 0 for role in roles.values())
    for name in ("calls", "input_tokens", "output_tokens"):
        assert spending["total"][name] == sum(
            role[name] for stage in ("generate", "verify") for role in spending[stage].values()
        )
        assert summary["spent"][name] == sum(role[name] for role in roles.values())
    assert spending["total"]["calls"] == len(mixed.calls_path.read_text("utf-8").splitlines())
    assert summary["spent"]["calls"] == summary["calls"]


@pytest.mark.parametrize(
    ("said", "counts"),
    [("concise", {"concise": 4}), ("mads", {"mads": 4}), ("{mads: 0.25, concise: 0.75}", {"mads": 1, "concise": 3})],
)
def test_the_method_can_be_set_on_the_command_line(
    said: str, counts: dict[str, int], write: Write, teacher: PlayedTeacher, tmp_path: Path
) -> None:
    made, _ = run(write(tmp_path, {"sessions": 4, "method": MIXED}), f"plan.method={said}")
    assert made.require("generate")["methods"] == counts
    assert made.require("generate")["sessions"] == 4


def test_the_data_card_is_written_beside_the_items_and_warns(mixed: Run) -> None:
    card = (mixed.path / "data" / "README.md").read_text(encoding="utf-8")
    for said in ("synthetic", "not therapy", "not advice"):
        assert said in card
    methods, kept = mixed.require("generate")["methods"], mixed.require("curate")["kept"]
    assert f"{kept} multiple-choice items" in card
    assert f"mads {methods['mads']}, concise {methods['concise']}" in card
    assert kept == len(mixed.items_path.read_text(encoding="utf-8").splitlines())


def spoil(sub_category: str, of: int = 1) -> Player:
    """Names an emotion in every scenario of a sub-category, or in one of so many."""

    def play(prompt: Prompt, values: dict[str, Any]) -> dict[str, Any]:
        about = f"sub-category: {sub_category}" in prompt.inputs.get("moment", "")
        if "scenario" in values and about and prompt.seed % of == 0:
            values["scenario"] += " Everyone could see the anger."
        return values

    return play


@pytest.mark.parametrize("sessions", [1, 2, 9])
@pytest.mark.parametrize("method", ["mads", MIXED])
def test_a_run_without_failures_plans_nothing_more(
    sessions: int, method: Any, write: Write, teacher: PlayedTeacher, tmp_path: Path
) -> None:
    made, printed = run(write(tmp_path, {"sessions": sessions, "method": method}))
    assert {row["id"] for row in rows(made, "sessions")} == {f"s5-{number:05d}" for number in range(sessions)}
    summary = made.require("generate")
    assert summary["sessions"] == sessions
    assert sum(summary["sound"].values()) == summary["drafts"] == summary["moments"]
    assert not announced(printed)


@pytest.fixture(scope="module")
def spoiled(write: Write, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, str]:
    """A run of 40 sessions whose teacher spoils every item of one sub-category."""
    path = write(tmp_path_factory.mktemp("spoiled"), {"sessions": 40, "method": "concise", "moments": [4, 6]})
    with pytest.MonkeyPatch.context() as monkeypatch:
        put_in_place(PlayedTeacher(), monkeypatch).play = spoil("false_belief")
        return run(path)


def test_further_rounds_plan_only_what_is_lacking(spoiled: tuple[Run, str]) -> None:
    made, printed = spoiled
    further = [session for session in read_sessions(made) if session.id >= "s5-00040"]
    assert {moment.cell for session in further for moment in session.plan.moments} == {"false_belief"}
    assert re.findall(r"lacking: (\S+) \d+$", printed, re.MULTILINE) == ["false_belief"] * len(announced(printed))
    assert made.require("generate")["sound"].get("false_belief", 0) == 0


def test_there_are_at_most_three_further_rounds(spoiled: tuple[Run, str]) -> None:
    made, printed = spoiled
    assert len(announced(printed)) == 3
    assert made.require("generate")["sessions"] == 40 + sum(announced(printed)), "what is announced is held"


def test_what_is_lacking_does_not_grow_by_being_planned_again(spoiled: tuple[Run, str]) -> None:
    _, printed = spoiled
    lacking = re.findall(r"lacking: false_belief (\d+)$", printed, re.MULTILINE)
    assert len(set(lacking)) == 1, "the quota moved, though nothing was written"


def test_with_enough_sessions_the_spread_ends_within_five_percent(write: Write, tmp_path: Path) -> None:
    seed = 1
    plan = {"sessions": 120, "method": "concise", "moments": [2, 8], "weights": FEW_CELLS}
    made, printed = run(write(tmp_path, plan, mistakes={"names_emotion": 0.6}), f"seed={seed}")
    assert announced(printed), "the mistakes left nothing lacking; the test shows nothing"
    planned = Counter(
        moment.cell
        for session in read_sessions(made)
        if session.id < f"s{seed}-00120"
        for moment in session.plan.moments
    )
    sound = Counter(made.require("generate")["sound"])
    for task in ("EU", "EA"):
        shares = {cell: share for cell, share in shares_of(planned).items() if ("/" in cell) == (task == "EA")}
        total = sum(sound[cell] for cell in shares)
        short = {cell: sound[cell] / (share * total) for cell, share in shares.items()}
        assert min(short.values()) >= 0.94, short  # less than a session would bring may stay lacking
        assert max(short.values()) <= 1.5, short


def test_rounds_and_drafts_do_not_depend_on_concurrency(write: Write, teacher: PlayedTeacher, tmp_path: Path) -> None:
    teacher.play = spoil("faux_pas", of=2)
    drafts = []
    for concurrency in (1, 8):
        folder = tmp_path / str(concurrency)
        folder.mkdir()
        path = write(folder, {"sessions": 12, "method": MIXED, "moments": [3, 6], "weights": FEW_CELLS})
        made, printed = run(path, f"generate.concurrency={concurrency}")
        assert announced(printed)
        drafts.append(sorted(read_drafts(made), key=lambda draft: draft.id))
    assert drafts[0] == drafts[1]


def down(asks: set[str], error: Exception) -> Player:
    """Refuses prompts that want one of the output fields."""

    def play(prompt: Prompt, values: dict[str, Any]) -> dict[str, Any]:
        if asks & set(prompt.outputs):
            raise error
        return values

    return play


CONVERTER = {"scenario"}
BUSY = lm15.ServerError("the server is busy", provider="played")
REFUSED = lm15.AuthError("the key is wrong", provider="played")


@pytest.mark.parametrize(("error", "said"), [(BUSY, "the server is busy"), (REFUSED, "the key is wrong")])
def test_a_held_session_waits_for_its_conversion_and_is_not_asked_for_again(
    error: Exception, said: str, write: Write, teacher: PlayedTeacher, tmp_path: Path
) -> None:
    path = write(tmp_path, {"sessions": 10, "method": MIXED})
    teacher.play = down(CONVERTER, error)
    with pytest.raises(TeacherError, match=said):
        run(path)
    made = read_run(tmp_path / "out")
    held = rows(made, "sessions")
    assert held
    assert all(row["ok"] for row in held)
    assert not any(row.get("ok", True) for row in rows(made, "drafts"))

    teacher.play, teacher.prompts = lambda prompt, values: values, []
    made, _ = run(path)
    assert rows(made, "sessions")[: len(held)] == held
    ids = [row["id"] for row in rows(made, "sessions")]
    converted = [row for row in rows(made, "drafts") if row.get("ok", True)]
    assert len(ids) == len(set(ids)) == len(converted) == made.require("generate")["sessions"] == 10
    asked = Counter("converter" if CONVERTER & set(prompt.outputs) else "session" for prompt in teacher.prompts)
    assert asked["session"] == sum(row["calls"] for row in rows(made, "sessions")[len(held) :])
    assert asked["converter"] == sum(row["calls"] for row in converted)


def test_a_run_whose_conversions_failed_says_so(write: Write, teacher: PlayedTeacher, tmp_path: Path) -> None:
    teacher.play = down(CONVERTER, BUSY)
    made, _ = run(write(tmp_path, {"sessions": 3}))
    summary = made.require("generate")
    assert summary["sessions"] == 3
    assert summary["drafts"] == 0
    told = {**summary["failed_sessions"], **summary["unwritten"]}
    assert set(told) == {"teacher: server error"}, "three sessions brought nothing, unsaid"


def test_a_failed_session_is_tried_again_when_the_stage_goes_on(
    write: Write, teacher: PlayedTeacher, tmp_path: Path
) -> None:
    path = write(tmp_path, {"sessions": 9, "method": "concise"})
    teacher.play = down({"messages"}, BUSY)
    with pytest.raises(TeacherError, match=r"8 units of work in a row.*run the same command again"):
        run(path, "generate.concurrency=1")
    assert [row["ok"] for row in rows(read_run(tmp_path / "out"), "sessions")] == [False] * 8
    teacher.play = lambda prompt, values: values
    made, _ = run(path)
    summary = made.require("generate")
    assert (summary["sessions"], summary["failed_sessions"]) == (9, {})


def test_a_few_sessions_without_a_teacher_do_not_stop_the_stage(
    write: Write, teacher: PlayedTeacher, tmp_path: Path
) -> None:
    asked = count(1)

    def play(prompt: Prompt, values: dict[str, Any]) -> dict[str, Any]:
        if "case" in values and next(asked) % 5:
            raise BUSY
        return values

    teacher.play = play
    made, _ = run(write(tmp_path, {"sessions": 20, "method": "concise"}), "generate.concurrency=1")
    summary = made.require("generate")
    first = [row for row in rows(made, "sessions") if row["id"] < "s5-00020"]
    assert Counter(row["ok"] for row in first) == {True: 4, False: 16}
    assert sum(summary["failed_sessions"].values()) >= 16
    assert set(summary["failed_sessions"]) == {"teacher: server error"}


def test_the_advice_that_a_refused_plan_gives_can_be_followed(
    write: Write, teacher: PlayedTeacher, tmp_path: Path
) -> None:
    personas = tmp_path / "personas.jsonl"
    personas.write_text("".join(json.dumps({"persona": f"A baker from street {n}."}) + "\n" for n in range(2)))
    path = write(tmp_path, {"sessions": 7, "personas": str(personas), "persona_uses": 3})
    with pytest.raises(RecipeError, match=r"plan.sessions is 7.*lower plan.sessions to 6"):
        run(path)
    made, _ = run(path, "plan.sessions=6")
    assert made.require("generate")["sessions"] == 6


def test_when_every_session_fails_the_commonest_reason_is_told(
    write: Write, teacher: PlayedTeacher, tmp_path: Path
) -> None:
    teacher.play = lambda prompt, values: {**values, "case": "Too short."} if "case" in values else values
    with pytest.raises(RunError, match="none of 3 sessions could be finished; 3 times: background: case length"):
        run(write(tmp_path, {"sessions": 3, "method": "concise"}))


def test_the_cost_counts_every_call_that_the_teacher_answered(
    write: Write, teacher: PlayedTeacher, tmp_path: Path
) -> None:
    def play(prompt: Prompt, values: dict[str, Any]) -> dict[str, Any]:
        if "case" in values and prompt.seed % 3 == 0 and "complaint" not in prompt.inputs:
            values["case"] = "Too short."
        return values

    teacher.play = play
    made, _ = run(write(tmp_path, {"sessions": 6, "method": MIXED}))
    summary = made.require("generate")
    assert summary["calls"] == len(teacher.prompts)
    assert summary["spent"]["calls"] == len(teacher.prompts)
    assert summary["spent"]["input_tokens"] == TOKENS_IN * len(teacher.prompts)
    assert summary["spent"]["output_tokens"] == TOKENS_OUT * len(teacher.prompts)
    assert summary["retries"] == sum("complaint" in prompt.inputs for prompt in teacher.prompts)


def test_answers_that_cannot_be_read_are_counted_as_calls_too(
    write: Write, teacher: PlayedTeacher, tmp_path: Path
) -> None:
    def play(prompt: Prompt, values: dict[str, Any]) -> dict[str, Any]:
        if "scenario" in values and "complaint" not in prompt.inputs:
            values.popitem()
        return values

    teacher.play = play
    made, _ = run(write(tmp_path, {"sessions": 2, "method": "concise"}))
    assert made.require("generate")["drafts"] > 0
    assert made.require("generate")["calls"] == len(teacher.prompts)


def test_a_session_that_was_lost_costs_what_it_took(write: Write, teacher: PlayedTeacher, tmp_path: Path) -> None:
    lost = {"s5-00001"}

    def play(prompt: Prompt, values: dict[str, Any]) -> dict[str, Any]:
        if "messages" in values and any(f"moment: {plan_id}-" in prompt.inputs["moments"] for plan_id in lost):
            values["messages"] = values["messages"][:4]
        return values

    teacher.play = play
    made, _ = run(write(tmp_path, {"sessions": 4, "method": "concise"}))
    summary = made.require("generate")
    assert summary["failed_sessions"] == {"dialogue: wrong count": 1}
    assert summary["calls"] == len(teacher.prompts)


def test_a_run_that_goes_on_keeps_the_prompts_it_began_with(
    write: Write, teacher: PlayedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    put_away("items", instruct(ItemConverter(), "Look twice."), "items-gepa-1", quality=0.8)
    path = write(tmp_path, {"sessions": 3, "method": "concise"})
    teacher.play = down(CONVERTER, REFUSED)
    with pytest.raises(TeacherError):
        run(path, "programs.items=best")
    put_away("items", instruct(ItemConverter(), "Look three times."), "items-gepa-2", quality=0.95)
    teacher.play = lambda prompt, values: values
    made, _ = run(path, "programs.items=best")
    assert made.require("generate")["sessions"] == 3
    asked = [prompt.instructions for prompt in teacher.prompts if CONVERTER & set(prompt.outputs)]
    assert asked
    assert all(text.startswith("Look twice.") for text in asked)
    assert made.manifest["programs"]["items"]["name"] == "items-gepa-1"


def test_a_program_that_cannot_be_used_is_refused_before_any_call(
    write: Write, teacher: PlayedTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=r"programs.exam: 'no-such' is neither"):
        run(write(tmp_path, {"sessions": 2}), "programs.exam=no-such")
    assert teacher.prompts == []
