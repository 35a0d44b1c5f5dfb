"""Recipes: wrong ones are refused in one line that names file, line, key, and the nearest valid name."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.errors import RecipeError
from runs.recipe import apply_override, flatten, is_operational, load_recipe

SHIPPED = sorted((Path(__file__).resolve().parents[2] / "recipes").glob("*.yaml"))
GOOD = "name: x\nlms:\n  teacher: {model: scripted/counsel}\n"


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_recipes_are_valid_and_headed_by_their_command(path: Path) -> None:
    assert load_recipe(path).name == path.stem
    assert re.match(rf"# emoreason (run|compile) recipes/{path.name}\b", path.read_text())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD + "plan:\n  sesions: 3\n", r"r.yaml, line 5: unknown key plan.sesions; did you mean sessions\?"),
        (GOOD + "trian: {}\n", r"unknown key trian; did you mean train\?"),
        ("name: x\nlms:\n  teacher: {model: scripted/counsel, temprature: 1}\n", r"did you mean temperature\?"),
        ("name: x\nlms:\n  techer: {model: scripted/counsel}\n", r"lms.techer: no such role; did you mean teacher\?"),
        ("name: x\nlms: {}\n", "lms.teacher is missing"),
        ("lms:\n  teacher: {model: scripted/counsel}\n", "name is missing"),
        (GOOD + "plan: {sessions: 0}\n", "line 4: plan.sessions: Input should be greater than or equal to 1"),
        (GOOD + "plan: {sessions: 3}\nplan: {sessions: 4}\n", "line 5: plan was set on line 4 already"),
        (GOOD + "plan: {moments: [8, 6]}\n", "plan.moments: write .fewest, most."),
        (GOOD + "plan: {method: madness}\n", r"line 4: plan\.method: "),
        (GOOD + "plan: {method: {mads: 1, madness: 1}}\n", r"line 4: plan\.method(\.madness)?: "),
        (GOOD + "plan: {method: {mads: much}}\n", r"line 4: plan\.method(\.mads)?: "),
        (GOOD + "plan: {method: {mads: -1}}\n", r"line 4: plan\.method: shares are numbers from 0 up"),
        (GOOD + "plan:\n  weights: {faux_pass: 2}\n", r"plan\.weights\.faux_pass: no such category.*faux_pas"),
        (GOOD + "plan:\n  weights: {persona: -1}\n", r"plan\.weights\.persona: -1"),
        (GOOD + "plan: {moments: [6, 15]}\n", "at most 14 moments"),
        (GOOD + "train: {method: lora}\n", "method lora needs a trained base"),
        (GOOD + "train: {scratch: {hidden: 30, heads: 4}}\n", "multiple of scratch.heads"),
        (GOOD + "plan: {personas: nowhere.jsonl}\n", "plan.personas: nowhere.jsonl is not a file"),
        (GOOD + "exam: {emobench: nowhere}\n", "exam.emobench: nowhere is not a folder"),
        (GOOD + "curate: {eu_words: [90, 30]}\n", "curate.eu_words"),
        (GOOD + "plan: [1\n", "line 5: not valid YAML"),
        ("- a\n- b\n", "a recipe is a mapping"),
        ("name: x\nlms: {teacher: {model: !!python/name:os.system x}}\n", "not valid YAML"),
        ("name: 'a/b'\nlms: {teacher: {model: scripted/counsel}}\n", "line 1: name"),
        ("name: x\nlms: {teacher: {model: scripted/counsel, mistakes: {names_emotion: 2}}}\n", "shares from 0 to 1"),
        ("name: x\nlms: {teacher: {model: scripted}}\n", "lms.teacher.model"),
        (
            "name: x\nlms: {teacher: {model: scripted/x, prices: {input: 1, output: 2, inptu: 3}}}\n",
            r"did you mean input\?",
        ),
        (GOOD + "limits: {call: 3}\n", r"line 4: unknown key limits.call; did you mean calls\?"),
        (GOOD + "limits: {calls: 0}\n", "line 4: limits.calls"),
    ],
)
def test_a_wrong_recipe_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message) as caught:
        load_recipe(write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_a_missing_or_binary_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        load_recipe(tmp_path / "none.yaml")
    (tmp_path / "bin.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecipeError, match="not UTF-8"):
        load_recipe(tmp_path / "bin.yaml")


def test_overrides_win_and_are_checked(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    recipe = load_recipe(path, ["plan.sessions=9", "lms.teacher.model=ollama_chat/qwen3:8b", "exam.modes=[generate]"])
    assert (recipe.plan.sessions, recipe.teacher.model, recipe.exam.modes) == (9, "ollama_chat/qwen3:8b", ("generate",))
    for wrong, message in [
        ("plan.sessions", "write key.path=value"),
        ("plan.sesions=3", "did you mean sessions"),
        ("name.x=3", "not a section"),
        ("plan.sessions=[", "not a YAML value"),
        ("plan.sessions=many", "plan.sessions: Input should be a valid integer"),
    ]:
        with pytest.raises(RecipeError, match=message):
            load_recipe(path, [wrong])


@settings(max_examples=60, deadline=None)
@given(
    key=st.lists(st.from_regex(r"[a-z]{1,6}", fullmatch=True), min_size=1, max_size=4),
    value=st.integers() | st.booleans() | st.from_regex(r"[a-z]{1,8}", fullmatch=True),
)
def test_an_override_sets_exactly_its_key(key: list[str], value: object) -> None:
    data: dict[str, object] = {}
    apply_override(data, f"{'.'.join(key)}={value}")
    for part in key:
        assert list(data) == [part]
        data = data[part]  # type: ignore[assignment]
    import yaml

    assert data == yaml.safe_load(str(value))


def test_what_decides_how_a_run_goes_may_change_and_what_decides_its_answers_may_not(tmp_path: Path) -> None:
    prices = "lms.teacher.prices={input: 1, output: 2}"
    keys = flatten(load_recipe(write(tmp_path, GOOD), [prices]))
    later = {key for key in keys if key.startswith(("compile.", "rounds."))}  # say nothing of the run itself
    assert {key for key in keys if is_operational(key)} == later | {
        "generate.concurrency", "generate.cache", "exam.batch_size", "exam.judge_explanations", "exam.orders",
        "train.threads", "train.tracker",
        "limits.calls", "limits.tokens", "limits.money", "limits.minutes", "analyse.samples", "analyse.limit",
        "curate.min_kept", "curate.min_yield",
        *(f"lms.teacher.{name}" for name in (
            "base_url", "api_key_env", "num_ctx", "max_tokens", "keep_alive", "timeout", "retries", "patience",
            "concurrency", "prices.input", "prices.output",
        )),
    }  # fmt: skip


def test_orders_are_for_written_answers(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert load_recipe(path).exam.orders == 1
    assert load_recipe(path, ["exam.orders=4"]).exam.orders == 4
    with pytest.raises(RecipeError, match=r"r\.yaml: exam\.orders: likelihood shows no options .*; add `generate`"):
        load_recipe(path, ["exam.orders=4", "exam.modes=[likelihood]"])


def test_a_cache_is_a_folder(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    assert load_recipe(path, [f"generate.cache={tmp_path}"]).generate.cache == tmp_path
    with pytest.raises(RecipeError, match=r"generate.cache: .*r.yaml is a file"):
        load_recipe(path, [f"generate.cache={path}"])


def test_a_role_without_a_model_of_its_own_has_the_teachers(tmp_path: Path) -> None:
    recipe = load_recipe(write(tmp_path, GOOD), ["lms.client.model=ollama_chat/gemma3:12b"])
    assert recipe.roles["client"].model == "ollama_chat/gemma3:12b"
    assert {spec.model for role, spec in recipe.roles.items() if role != "client"} == {"scripted/counsel"}


def test_a_money_limit_needs_the_prices_of_hosted_models_only(tmp_path: Path) -> None:
    path = write(tmp_path, GOOD)
    load_recipe(path, ["limits.money=5", "lms.client.model=ollama_chat/gemma3:12b"])
    with pytest.raises(RecipeError, match=r"limits.money needs lms.client.prices"):
        load_recipe(path, ["limits.money=5", "lms.client.model=openai/gpt-x"])
    load_recipe(path, ["limits.money=5", "lms.client={model: openai/gpt-x, prices: {input: 1, output: 2}}"])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("programs.items=out/nowhere", "programs.items: out/nowhere is not there; `emoreason programs` lists"),
        ("curate.seen=[nowhere.jsonl]", "curate.seen: nowhere.jsonl is not a file"),
        ("train.with_items=[nowhere.jsonl]", "train.with_items: nowhere.jsonl is not a file"),
        ("exam.also={r1: nowhere.jsonl}", "exam.also.r1: nowhere.jsonl is not a file"),
        ("name=programs", "name: out/programs holds compiled programs"),
        ("compile.optimizer=gapa", "compile.optimizer: 'gapa' is no optimizer; name one of labeled, bootstrap"),
        ("compile.optimizer=[gepa, 3]", "compile.optimizer: 3 is no optimizer"),
        ("compile.optimizer=[]", "compile.optimizer: '' is no optimizer; name one of labeled, bootstrap"),
        ("compile.weights={items: {leek: 1}}", "compile.weights.items.leek: Input should be"),
        ("compile.weights={items: {leak: 2}}", "compile.weights.items: weights are shares from 0 to 1"),
    ],
)
def test_what_a_recipe_says_of_programs_rounds_and_compiling_is_checked(
    tmp_path: Path, setting: str, message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        load_recipe(write(tmp_path, GOOD), [setting])


def test_a_compiled_exam_prompt_needs_written_answers(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"programs.exam: .*add `generate` to exam.modes"):
        load_recipe(write(tmp_path, GOOD), ["programs.exam=best", "exam.modes=[likelihood]"])
