"""The longest prompts that a recipe sends (runs/longest_prompts.py), as they are measured before a run."""

from __future__ import annotations

from io import StringIO
from pathlib import Path

import dspy
import pytest
from dspy.lm15 import Message, Request
from rich.console import Console

from lms.resilient import ResilientEngine
from programs.writer import SessionWriter
from runs.longest_prompts import find_longest_prompts, size_of
from runs.pipeline import run_stages
from runs.recipe import load_recipe
from tests.runs.compiled import instruct, put_away

FLAWLESS = "lms.teacher={model: scripted/counsel, mistakes: {}}"
CONCISE = {"background", "dialogue", "converter", "judge"}
MADS = {"background", "client", "therapist", "supervisor", "converter", "judge"}


def test_the_size_of_a_request_is_its_bytes_of_text() -> None:
    turns = (Message.user("naïve"), Message.assistant("ok"))
    assert size_of(Request("m", turns, system="Über")) == 5 + 6 + 2
    assert size_of(Request("m", (Message.user(""),))) == 0


@pytest.mark.parametrize("structured", ["none", "schema"])
def test_no_prompt_of_a_runs_first_sessions_is_longer(
    structured: str, tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = f"{{model: scripted/counsel, mistakes: {{}}, structured: {structured}}}"
    recipe = load_recipe(
        tiny_recipe,
        ["plan.sessions=4", "plan.method={mads: 0.5, concise: 0.5}", f"lms.teacher={teacher}", "verify.votes=1"],
    )
    longest = {role: size_of(request) for role, request in find_longest_prompts(recipe).items()}
    sent: dict[str, int] = {}
    complete = ResilientEngine.complete

    def note(engine: ResilientEngine, request: Request) -> object:
        sent[engine.role] = max(sent.get(engine.role, 0), size_of(request))
        return complete(engine, request)

    monkeypatch.setattr(ResilientEngine, "complete", note)
    run_stages(recipe, tmp_path / "out", Console(file=StringIO()), ("generate", "verify"))
    assert set(sent) == set(longest), "roles that are asked"
    assert {role: size for role, size in sent.items() if size > longest[role]} == {}
    assert min(longest.values()) > 1000


@pytest.mark.parametrize(("method", "roles"), [("concise", CONCISE), ("mads", MADS)])
def test_roles_that_the_method_does_not_use_are_left_out(method: str, roles: set[str], tiny_recipe: Path) -> None:
    recipe = load_recipe(tiny_recipe, ["plan.sessions=1", f"plan.method={method}"])
    assert set(find_longest_prompts(recipe)) == roles


def test_formats_follow_structured_role_by_role(tiny_recipe: Path) -> None:
    settings = ["plan.sessions=1", "plan.method=concise", FLAWLESS]
    settings += ["lms.dialogue={model: openai/gpt-x, structured: json}"]
    settings += ["lms.converter={model: ollama_chat/m, structured: schema}"]
    found = find_longest_prompts(load_recipe(tiny_recipe, settings))
    kinds = {role: (request.config.response_format or {}).get("type") for role, request in found.items()}
    assert kinds == {"background": None, "dialogue": "json_object", "converter": "json_schema", "judge": None}
    for role, request in found.items():
        assert ("[[ ## completed ## ]]" in str(request.system)) == (kinds[role] is None)
        assert ("Outputs will be a JSON object" in str(request.system)) == (kinds[role] is not None)


def test_measuring_asks_nobody_and_leaves_no_trace(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object) -> None:
        pytest.fail("a connection was opened")

    monkeypatch.setattr("socket.socket.connect", refuse)
    before = (dspy.settings.lm, dspy.settings.adapter, dict(vars(dspy)).get("cache"))
    recipe = load_recipe(tiny_recipe, ["plan.sessions=2", "lms.teacher={model: ollama_chat/qwen3:8b}"])
    first, second = find_longest_prompts(recipe), find_longest_prompts(recipe)
    assert first == second
    assert (dspy.settings.lm, dspy.settings.adapter, dict(vars(dspy)).get("cache")) == before


def test_a_session_that_fails_is_one_less_to_measure(tiny_recipe: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from programs.asking import Asker, AskFailed
    from programs.concise import ConciseSession

    forward, plans = ConciseSession.forward, []

    def fail_at_first(self: ConciseSession, plan: object) -> object:
        plans.append(plan)
        if len(plans) == 1:
            raise AskFailed("dialogue", "unreadable answer: …", Asker(1))
        return forward(self, plan=plan)

    monkeypatch.setattr(ConciseSession, "forward", fail_at_first)
    recipe = load_recipe(tiny_recipe, ["plan.sessions=2", "plan.method=concise"])
    assert set(find_longest_prompts(recipe)) == CONCISE
    assert len(plans) == 2


def test_compiled_programs_are_measured_as_they_will_be_sent(
    tiny_recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = ["plan.sessions=1", "plan.method=concise", FLAWLESS]
    plain = find_longest_prompts(load_recipe(tiny_recipe, settings))
    words = "Take your time. " * 40
    put_away("session", instruct(SessionWriter(["concise"]), words.strip()), "session-gepa-1")
    compiled = find_longest_prompts(load_recipe(tiny_recipe, [*settings, "programs.session=best"]))
    longer = {role: size_of(compiled[role]) - size_of(plain[role]) for role in plain}
    assert set(longer) == CONCISE
    assert {role for role, bytes_more in longer.items() if bytes_more > 0.9 * len(words)} == {"background", "dialogue"}
