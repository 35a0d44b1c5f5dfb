"""The search: every optimizer finds something, keeps within its budget, and never hides that a model is dead."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy import lm15
from dspy.lm15 import Request, Response

from corpus.assemble import assemble_items
from corpus.errors import LimitError, RecipeError, TeacherError
from eval.exam import Exam
from lms.limits import LimitsConfig
from optimizers.attempt import Attempt
from optimizers.cases import ExamCase, ItemCase
from optimizers.config import OPTIMIZERS, OptimizerName
from optimizers.metric import Metric
from optimizers.quality.exam import ExamQuality
from optimizers.scoring import mean_quality, score
from optimizers.search import Found, search
from optimizers.strategies import STRATEGIES, Fit
from programs.converter import ItemConverter
from signatures.items import WriteApplicationItem, WriteUnderstandingItem
from tests.optimizers.handmade import compiled_items
from tests.optimizers.searching import CALLS, DEMOS, DEV, SEED, Babbling, Bench, Faulty, bench, refuse, texts_of

CALLS_OF: dict[str, int] = {"simba": 71}  # the fewest that it takes
SEED_OF: dict[str, int] = {"simba": 4}  # it chooses by the cases to learn from, which is not always for the better
PROPOSERS: tuple[OptimizerName, ...] = ("mipro", "gepa", "simba", "copro", "infer-rules")
AT_ONCE: list[tuple[OptimizerName, int]] = [*((name, 4) for name in OPTIMIZERS), ("mipro", 1), ("gepa", 1)]
PLAIN = texts_of(ItemConverter())


@dataclass
class Trial:
    """What a search came to, and a second one, the same but with four threads."""

    name: OptimizerName
    found: Found
    again: Found
    fit: Fit
    tried: int
    proposals: int
    best: list[float]
    quality: float
    roles: set[str]


@pytest.fixture(scope="session", params=OPTIMIZERS)
def trial(
    request: pytest.FixtureRequest, item_cases: list[ItemCase], tmp_path_factory: pytest.TempPathFactory
) -> Trial:
    """Run one optimizer twice."""
    name: OptimizerName = request.param
    calls, seed = CALLS_OF.get(name, CALLS), SEED_OF.get(name, SEED)
    folder = tmp_path_factory.mktemp(name)
    with bench(folder) as one:
        found = one.search(item_cases, name, calls=calls, seed=seed)
        tried, proposals, roles = one.tried[0] - DEV, one.calls.get("reflection", 0), set(one.calls)
        ground = one.ground(item_cases)
        attempt = Attempt(found.program, one.watch)
        quality = mean_quality(score(attempt, ground.dev, one.metric, 1))
    with bench(folder) as two:
        again = two.search(item_cases, name, calls=calls, seed=seed, threads=4)
    fit = STRATEGIES[name].fit(ground.sizes, calls)
    return Trial(name, found, again, fit, tried, proposals, one.best, quality, roles)


def test_the_program_found_is_never_worse_and_as_good_as_is_told(trial: Trial) -> None:
    (step,) = trial.found.steps
    assert step.optimizer == trial.name
    assert step.before <= step.after == pytest.approx(trial.quality)
    assert not trial.found.stopped


def test_a_search_keeps_to_what_was_said_beforehand(trial: Trial) -> None:
    assert 0 < trial.tried <= trial.fit.cases <= CALLS_OF.get(trial.name, CALLS)
    assert trial.proposals <= trial.fit.proposals
    assert bool(trial.proposals) == (trial.name in PROPOSERS)
    assert trial.found.steps[0].knobs == trial.fit.knobs


def test_the_same_seed_finds_the_same_program_with_one_thread_and_with_four(trial: Trial) -> None:
    assert texts_of(trial.found.program) == texts_of(trial.again.program)
    assert trial.found.steps == trial.again.steps


def test_each_optimizer_changes_what_it_is_for(trial: Trial) -> None:
    changed = texts_of(trial.found.program)
    instructions = any(changed[name][0] != PLAIN[name][0] for name in PLAIN)
    demos = any(changed[name][1] for name in PLAIN)
    assert (instructions, demos) == {
        "labeled": (False, True), "bootstrap": (False, True), "random-search": (False, True),
        "gepa": (True, False), "copro": (True, False), "infer-rules": (True, True),
    }.get(trial.name, (instructions, demos))  # fmt: skip
    assert instructions or demos
    assert trial.found.steps[0].after > trial.found.steps[0].before
    assert all(len(shown) <= DEMOS for _, shown in changed.values())


def test_the_program_found_is_fit_to_be_saved_and_compiled_again(trial: Trial) -> None:
    program = trial.found.program
    assert isinstance(program, ItemConverter)
    assert not getattr(program, "_compiled", False)
    assert all(predictor.lm is None for predictor in program.predictors())
    assert len(Attempt(program, None).named_predictors()) == len(PLAIN)  # type: ignore[arg-type]
    for predictor, ours in zip(program.predictors(), (WriteUnderstandingItem, WriteApplicationItem), strict=True):
        assert predictor.signature is not ours
    assert texts_of(ItemConverter()) == PLAIN


def test_the_best_quality_so_far_never_falls(trial: Trial) -> None:
    assert all(before <= after for before, after in pairwise(trial.best))
    assert trial.best[-1] == pytest.approx(trial.found.steps[-1].after)


def test_only_the_roles_own_models_are_asked(trial: Trial) -> None:
    """SIMBA and bootstrapping set copies of the context's model, the teacher."""
    assert trial.roles <= {"converter", "reflection"}


# Chains


def test_each_optimizer_of_a_chain_goes_on_from_the_one_before_it(searching: Bench, item_cases: list[ItemCase]) -> None:
    found = searching.search(item_cases, "bootstrap", "gepa", calls=2 * 40)
    first, second = found.steps
    assert [step.optimizer for step in found.steps] == ["bootstrap", "gepa"]
    assert first.after == second.before <= second.after
    assert searching.tried[0] - DEV <= sum(
        STRATEGIES[step.optimizer].fit(searching.ground(item_cases).sizes, 40).cases for step in found.steps
    )
    texts = texts_of(found.program)
    assert any(demos for _, demos in texts.values())


def test_a_search_goes_on_from_a_compiled_program(searching: Bench, item_cases: list[ItemCase]) -> None:
    """A program that is good already is what is returned, as it was."""
    start = compiled_items(
        "Never name the emotion in the scenario. The explanation must quote the cue from the scenario. "
        "A wrong answer must not be the right one in other words. The right answer must have the length of the others."
    )
    start.write_understanding.signature = start.write_understanding.signature.with_instructions(
        start.write_application.signature.instructions
    )
    found = search(searching.ground(item_cases), ["labeled"], 20, start)
    assert found.steps[0].before == found.steps[0].after == 1.0
    assert texts_of(found.program) == texts_of(start)
    assert found.program is not start


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_too_few_metric_calls_are_refused_before_the_optimizer_begins(
    searching: Bench, item_cases: list[ItemCase], name: OptimizerName
) -> None:
    with pytest.raises(RecipeError, match=rf"compile: {name} needs at least \d+ metric calls, and 5 are left"):
        STRATEGIES[name].fit(searching.ground(item_cases).sizes, 5)
    assert not searching.calls


# Models that do not answer


@pytest.mark.parametrize(("name", "threads"), AT_ONCE)
def test_a_writer_that_is_dead_is_an_error_and_no_program(
    searching: Bench, item_cases: list[ItemCase], name: OptimizerName, threads: int
) -> None:
    engine = searching.spoil("converter", lambda number: True)
    with pytest.raises(TeacherError, match=r"8 of 8 without an answer"):
        searching.search(item_cases, name, calls=CALLS_OF.get(name, CALLS), threads=threads)
    assert len(engine.requests) <= 8 + threads


@pytest.mark.parametrize(("name", "threads"), AT_ONCE)
def test_a_writer_that_dies_underway_is_an_error_and_no_program(
    searching: Bench, item_cases: list[ItemCase], name: OptimizerName, threads: int
) -> None:
    engine = searching.spoil("converter", lambda number: number > 9)
    with pytest.raises(TeacherError, match=r"\d+ of \d+ without an answer"):
        searching.search(item_cases, name, calls=CALLS_OF.get(name, CALLS), threads=threads)
    assert len(engine.requests) <= 9 + 3 + threads


@pytest.mark.parametrize("name", ["bootstrap", "gepa", "simba"])
def test_a_writer_that_fails_now_and_again_too_often_is_an_error(
    searching: Bench, item_cases: list[ItemCase], name: OptimizerName
) -> None:
    searching.spoil("converter", lambda number: number % 10 in (3, 6, 9))
    with pytest.raises(TeacherError, match="without an answer"):
        searching.search(item_cases, name, calls=CALLS_OF.get(name, CALLS))


@pytest.mark.parametrize("name", ["random-search", "gepa"])
def test_failures_below_the_limit_do_not_end_a_search(
    searching: Bench, item_cases: list[ItemCase], name: OptimizerName
) -> None:
    searching.spoil("converter", lambda number: number % 16 == 0)
    found = searching.search(item_cases, name, calls=CALLS_OF.get(name, CALLS))
    assert found.steps[0].before <= found.steps[0].after
    assert searching.watch.failed
    assert not searching.watch.halted


@pytest.mark.parametrize("name", ["bootstrap", "gepa", "simba"])
def test_a_judge_that_is_dead_is_an_error_and_no_program(
    tmp_path: Path, item_cases: list[ItemCase], name: OptimizerName
) -> None:
    with bench(tmp_path, judge=True) as judged:
        judged.spoil("judge", lambda number: True)
        with pytest.raises(TeacherError, match="without an answer"):
            judged.search(item_cases, name, calls=CALLS_OF.get(name, CALLS))


@pytest.mark.parametrize("name", PROPOSERS)
def test_a_reflection_model_that_is_dead_is_an_error_and_no_program(
    searching: Bench, item_cases: list[ItemCase], name: OptimizerName
) -> None:
    engine = searching.spoil("reflection", lambda number: True)
    with pytest.raises(TeacherError, match=r"the reflection model proposed nothing .*it broke down") as caught:
        searching.search(item_cases, name, calls=CALLS_OF.get(name, CALLS))
    assert 1 <= len(engine.requests) <= 6
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["mipro", "gepa", "copro"])
def test_a_reflection_model_that_refuses_its_key_is_named_as_such(
    searching: Bench, item_cases: list[ItemCase], name: OptimizerName
) -> None:
    searching.spoil("reflection", lambda number: True, refuse)
    with pytest.raises(TeacherError, match="key refused"):
        searching.search(item_cases, name, calls=CALLS_OF.get(name, CALLS))


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_refused_key_ends_a_search_at_once(searching: Bench, item_cases: list[ItemCase], name: OptimizerName) -> None:
    engine = searching.spoil("converter", lambda number: number >= 7, refuse)
    with pytest.raises(TeacherError, match="key refused"):
        searching.search(item_cases, name, calls=CALLS_OF.get(name, CALLS))
    assert len(engine.requests) == 7


@pytest.mark.parametrize("name", ["copro", "infer-rules", "mipro"])
def test_proposals_that_cannot_be_read_are_an_error_that_names_the_model(
    searching: Bench, item_cases: list[ItemCase], name: OptimizerName
) -> None:
    searching.spoil("reflection").engine = Babbling()
    with pytest.raises(TeacherError, match="the reflection model proposed nothing") as caught:
        searching.search(item_cases, name)
    assert len(str(caught.value).splitlines()) == 1


def test_a_prompt_that_grew_too_long_is_the_candidates_fault(searching: Bench, item_cases: list[ItemCase]) -> None:
    """Demonstrations may be more than a small model can read; the search goes on with programs that are shorter."""
    engine = searching.spoil("converter")
    plain = engine.engine

    class Narrow:
        def complete(self, request: Request) -> Response:
            if len(request.messages) > 1:  # demonstrations are messages of their own
                raise lm15.ContextLengthError("prompt too long")
            return plain.complete(request)

    engine.engine = Narrow()
    found = searching.search(item_cases, "random-search")
    assert texts_of(found.program) == PLAIN
    assert found.steps[0].before == found.steps[0].after > 0
    assert not searching.watch.failed


def test_a_prompt_that_was_too_long_from_the_start_is_an_error(searching: Bench, item_cases: list[ItemCase]) -> None:
    searching.spoil("converter", lambda number: True, lambda: lm15.ContextLengthError("prompt too long"))
    with pytest.raises(TeacherError, match="8 of 8 without an answer"):
        searching.search(item_cases, "gepa")


# Budgets


@pytest.mark.parametrize(
    ("name", "limit", "threads"),
    [
        ("labeled", 8, 4), ("bootstrap", 9, 4), ("random-search", 31, 4), ("mipro", 48, 4), ("gepa", 30, 4),
        ("simba", 40, 4), ("copro", 7, 4), ("infer-rules", 27, 4), ("gepa", 30, 1),
    ],
)  # fmt: skip
def test_a_budget_that_ends_underway_leaves_the_best_so_far(
    tmp_path: Path, item_cases: list[ItemCase], name: OptimizerName, limit: int, threads: int
) -> None:
    with bench(tmp_path, LimitsConfig(calls=limit)) as made:
        found = made.search(item_cases, name, calls=CALLS_OF.get(name, CALLS), threads=threads)
        assert found.stopped == f"limits.calls = {limit} is reached"
        assert made.models.ledger.total.calls <= limit
        (step,) = found.steps
        assert step.after == max([step.before, *made.best])
        if name in ("random-search", "mipro", "infer-rules"):
            assert step.after > step.before
        # What comes next has a limit of its own, and nothing is under way any more.
        calls = made.models.ledger.total.calls
        made.models.ledger.limits = LimitsConfig()
        ground = made.ground(item_cases)
        scored = score(Attempt(found.program, made.watch), ground.dev, made.metric, 1)
        assert mean_quality(scored) == pytest.approx(step.after)
        assert made.models.ledger.total.calls <= calls + 4 * DEV


def test_a_budget_that_ends_in_the_first_step_of_a_chain_ends_the_chain(
    tmp_path: Path, item_cases: list[ItemCase]
) -> None:
    with bench(tmp_path, LimitsConfig(calls=9)) as made:
        found = made.search(item_cases, "bootstrap", "gepa", calls=80)
    assert [step.optimizer for step in found.steps] == ["bootstrap"]
    assert found.stopped


def test_a_budget_that_ends_before_the_search_is_an_error(tmp_path: Path, item_cases: list[ItemCase]) -> None:
    with bench(tmp_path, LimitsConfig(calls=3)) as made, pytest.raises(LimitError, match=r"limits\.calls = 3"):
        made.search(item_cases, "gepa")


# What is written, and what is left as it was


def test_what_optimizers_print_goes_into_the_log(
    searching: Bench, item_cases: list[ItemCase], capfd: pytest.CaptureFixture[str]
) -> None:
    searching.search(item_cases, "bootstrap")
    shown = capfd.readouterr()
    assert (shown.out, shown.err) == ("", "")
    assert "Bootstrapped" in searching.log.read_text()


def test_the_context_is_as_before(searching: Bench, item_cases: list[ItemCase]) -> None:
    before: Any = (dspy.settings.callbacks, dspy.settings.lm, dspy.settings.trace)
    searching.search(item_cases, "bootstrap", calls=6)
    assert (dspy.settings.callbacks, dspy.settings.lm, dspy.settings.trace) == before


def test_labels_are_the_asks_of_cases_that_passed(searching: Bench, item_cases: list[ItemCase]) -> None:
    found = searching.search(item_cases, "labeled", demos=16)
    for name, (_, demos) in texts_of(found.program).items():
        ground = searching.ground(item_cases)
        task = "EU" if name == "write_understanding" else "EA"
        moments = {case.moment.brief() for case in ground.train if case.moment.task == task}  # type: ignore[union-attr]
        assert {demo["moment"] for demo in demos} <= moments
        assert len({demo["moment"] for demo in demos}) == len(demos)


@pytest.fixture
def faulty(searching: Bench) -> Faulty:
    """The writer's engine, which notes what it is asked."""
    return searching.spoil("converter")


@pytest.mark.parametrize("name", ["bootstrap", "simba", "infer-rules"])
def test_an_exam_which_names_no_role_is_taken_by_the_model_of_the_context(
    searching: Bench, item_cases: list[ItemCase], name: OptimizerName
) -> None:
    """And by no model that an optimizer has for other ends."""
    drafts = [case.run(ItemConverter())[0] for case in item_cases]
    cases = [ExamCase(item) for item in assemble_items(drafts, seed=1)]
    written = searching.calls
    metric = Metric(ExamQuality({}), 0.9, searching.watch)
    ground = replace(searching.ground(cases), make=lambda: Exam("generate", "json"), metric=metric)
    search(ground, [name], CALLS_OF.get(name, CALLS), ground.make())
    fit = STRATEGIES[name].fit(ground.sizes, CALLS_OF.get(name, CALLS))
    assert 0 < searching.calls["teacher"] <= DEV + fit.cases
    assert searching.calls.get("reflection", 0) <= fit.proposals
    assert searching.calls["converter"] == written["converter"]


def test_bootstrapping_asks_with_the_seeds_of_scoring_so_that_answers_are_found_again(
    searching: Bench, faulty: Faulty, item_cases: list[ItemCase]
) -> None:
    searching.search(item_cases, "bootstrap")
    searching.search(item_cases, "bootstrap")
    half = len(faulty.requests) // 2
    assert [r.config.seed for r in faulty.requests[:half]] == [r.config.seed for r in faulty.requests[half:]]


def test_simba_samples_with_other_seeds_of_the_roles_own_model(
    searching: Bench, faulty: Faulty, item_cases: list[ItemCase]
) -> None:
    searching.search(item_cases, "simba", calls=CALLS_OF["simba"])
    sampled = [request for request in faulty.requests if request.config.temperature == 1.0]
    assert len({request.config.seed for request in sampled}) >= 12  # two further rollouts of six cases
    assert set(searching.calls) <= {"converter", "reflection"}
