from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dspy
import pytest
from dspy import lm15

from programs.asking import ATTEMPTS, Asker, AskFailed
from signatures.session import RespondAsTherapist

TALK = {
    "phase": "meaning: explore",
    "care": "nothing in particular",
    "recent_turns": "CLIENT: I left early.\nTHERAPIST: And?\nCLIENT: I went home.",
}
THERAPIST = dspy.Predict(RespondAsTherapist)
Played = Callable[[Callable[[Any, dict[str, Any]], Any]], dspy.LM]


def test_an_acceptable_answer_is_asked_for_once(played: Played) -> None:
    lm = played(lambda prompt, values: values)
    ask = Asker(seed=1)
    with dspy.context(lm=lm):
        assert ask("therapist", THERAPIST, check=lambda answer: "", **TALK).message
    assert (ask.calls, ask.retries, len(lm.engine.prompts)) == (1, 0, 1)
    assert ask.costs == {"calls": 1, "retries": 0, "complaints": {}}
    assert "complaint" not in lm.engine.prompts[0].inputs


def test_a_complaint_stands_in_the_next_prompt_beside_the_same_inputs(played: Played) -> None:
    lm = played(lambda prompt, values: {"message": f"answer {prompt.inputs.get('complaint', 'first')}"})
    ask = Asker(seed=1)
    with dspy.context(lm=lm):
        answer = ask(
            "therapist", THERAPIST, check=lambda a: "too plain: add warmth" if "first" in a.message else "", **TALK
        )
    assert answer.message == "answer too plain: add warmth"
    assert (ask.calls, ask.retries) == (2, 1)
    assert lm.engine.prompts[1].inputs == {**lm.engine.prompts[0].inputs, "complaint": "too plain: add warmth"}
    assert "complaint" not in THERAPIST.signature.fields


def test_the_last_complaint_counts(played: Played) -> None:
    lm = played(lambda prompt, values: {"message": str(len(lm.engine.prompts))})
    with dspy.context(lm=lm), pytest.raises(AskFailed) as caught:
        Asker(seed=1)("therapist", THERAPIST, check=lambda answer: f"bad number: {answer.message}", **TALK)
    assert [prompt.inputs.get("complaint") for prompt in lm.engine.prompts] == [
        None, "bad number: 1", "bad number: 2", "bad number: 3",
    ]  # fmt: skip
    assert caught.value.reason == "therapist: bad number"
    assert str(caught.value) == "therapist: bad number: 4"
    assert caught.value.costs == {"calls": 4, "retries": 4, "complaints": {"therapist: bad number": 4}}


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), dspy.JSONAdapter()])
def test_unreadable_answers_are_asked_for_again_and_counted_under_one_reason(
    played: Played, adapter: dspy.Adapter
) -> None:
    lm = played(lambda prompt, values: f"I would rather not, {len(lm.engine.prompts)}")
    ask = Asker(seed=1)
    with dspy.context(lm=lm, adapter=adapter), pytest.raises(AskFailed) as caught:
        ask("therapist", THERAPIST, **TALK)
    assert caught.value.reason == "therapist: unreadable answer"
    assert len(str(caught.value).splitlines()) == 1
    assert ask.calls == ATTEMPTS == 4
    assert len({prompt.seed for prompt in lm.engine.prompts}) == ATTEMPTS


def test_a_model_that_is_out_of_reach_is_not_a_bad_answer(played: Played) -> None:
    def breaks(prompt: Any, values: dict[str, Any]) -> str:
        raise dspy.lm15.TransportError("no route")

    ask = Asker(seed=1)
    with dspy.context(lm=played(breaks)), pytest.raises(dspy.LMError, match="no route"):
        ask("therapist", THERAPIST, **TALK)
    assert ask.calls == 1


def test_every_call_has_its_own_seed_and_the_same_ones_again(played: Played) -> None:
    def seeds(seed: int) -> list[int]:
        lm = played(lambda prompt, values: values)
        ask = Asker(seed)
        with dspy.context(lm=lm):
            for _ in range(5):
                ask("therapist", THERAPIST, **TALK)
        return [prompt.seed for prompt in lm.engine.prompts]

    assert len(set(seeds(1))) == 5
    assert seeds(1) == seeds(1)
    assert not set(seeds(1)) & set(seeds(2))


def test_complaints_are_counted_by_role_and_reason_over_the_whole_session(played: Played) -> None:
    complaints = iter(["too plain: add warmth", "", "too long: 99 words", "too plain: again", "", ""])
    lm = played(lambda prompt, values: values)
    ask = Asker(seed=1)
    with dspy.context(lm=lm):
        for role in ("therapist", "therapist", "judge"):
            ask(role, THERAPIST, check=lambda answer: next(complaints), **TALK)
    assert ask.costs == {
        "calls": 6, "retries": 3, "complaints": {"therapist: too plain": 2, "therapist: too long": 1},
    }  # fmt: skip


def test_costs_of_a_failure_are_those_of_the_session_so_far(played: Played) -> None:
    ask = Asker(seed=1)
    with dspy.context(lm=played(lambda prompt, values: values)):
        ask("therapist", THERAPIST, **TALK)
        with pytest.raises(AskFailed) as caught:
            ask("judge", THERAPIST, check=lambda answer: "never good", **TALK)
        ask("therapist", THERAPIST, **TALK)
    assert caught.value.reason == "judge: never good"
    assert caught.value.costs == {
        "calls": 1 + ATTEMPTS, "retries": ATTEMPTS, "complaints": {"judge: never good": ATTEMPTS},
    }  # fmt: skip


# Answers that the engine did not hand over


def withhold(code: str, times: int) -> Callable[[Any, dict[str, Any]], Any]:
    """A player whose first answers are withheld with a code, as `lms.resilient` does."""
    count = 0

    def play(prompt: Any, values: dict[str, Any]) -> Any:
        nonlocal count
        count += 1
        if count <= times:
            raise lm15.ProviderError("not whole", provider_code=code)
        return values

    return play


@pytest.mark.parametrize(
    ("code", "reason", "told"),
    [("truncated", "answer cut", "fewer words"), ("filtered", "answer filtered", "offends no rule")],
)
@pytest.mark.parametrize("adapter", [dspy.ChatAdapter(), dspy.JSONAdapter()])
def test_an_answer_that_was_cut_or_withheld_is_asked_for_differently(
    played: Played, code: str, reason: str, told: str, adapter: dspy.Adapter
) -> None:
    lm = played(withhold(code, 1))
    ask = Asker(seed=1)
    with dspy.context(lm=lm, adapter=adapter):
        assert ask("therapist", THERAPIST, **TALK).message
    first, second = lm.engine.prompts
    assert "complaint" not in first.inputs
    assert told in second.inputs["complaint"]
    assert first.seed != second.seed
    assert ask.costs == {"calls": 2, "retries": 1, "complaints": {f"therapist: {reason}": 1}}


def test_an_answer_that_is_cut_each_time_is_a_failure_of_the_role(played: Played) -> None:
    lm = played(withhold("truncated", 99))
    with dspy.context(lm=lm), pytest.raises(AskFailed) as caught:
        Asker(seed=1)("therapist", THERAPIST, **TALK)
    assert caught.value.reason == "therapist: answer cut"
    assert caught.value.costs["complaints"] == {"therapist: answer cut": ATTEMPTS}
    assert len(lm.engine.prompts) == ATTEMPTS


@pytest.mark.parametrize(
    "error",
    [
        lm15.ProviderError("unknown trouble"),
        lm15.ProviderError("unknown trouble", provider_code="unfinished"),
        lm15.AuthError("wrong key", provider_code="invalid_api_key"),
        lm15.ContextLengthError("prompt too long"),
        lm15.RateLimitError("slow down"),
        lm15.ConfigurationError("a limit is reached"),
    ],
)
def test_what_no_other_words_would_mend_is_raised(played: Played, error: lm15.LM15Error) -> None:
    def breaks(prompt: Any, values: dict[str, Any]) -> str:
        raise error

    ask = Asker(seed=1)
    with dspy.context(lm=played(breaks)), pytest.raises(dspy.LMError):
        ask("therapist", THERAPIST, **TALK)
    assert ask.costs == {"calls": 1, "retries": 0, "complaints": {}}


def test_reasons_may_differ_from_attempt_to_attempt(played: Played) -> None:
    answers = iter(["no form at all", "cut", {"message": "plain"}, {"message": "plainer"}])

    def play(prompt: Any, values: dict[str, Any]) -> Any:
        answer = next(answers)
        if answer == "cut":
            raise lm15.ProviderError("not whole", provider_code="truncated")
        return answer

    ask = Asker(seed=1)
    with dspy.context(lm=played(play)), pytest.raises(AskFailed) as caught:
        ask("therapist", THERAPIST, check=lambda answer: "too plain: add warmth", **TALK)
    assert caught.value.reason == "therapist: too plain"
    assert ask.complaints == {
        "therapist: unreadable answer": 1, "therapist: answer cut": 1, "therapist: too plain": 2,
    }  # fmt: skip


# Who is asked, and in which form


class Item(dspy.Signature):
    """Write an item."""

    moment: str = dspy.InputField()
    cause: str = dspy.OutputField()
    wrong_causes: list[str] = dspy.OutputField()
    explanation: str = dspy.OutputField()


def complaint_about(answer: str, adapter: dspy.Adapter) -> str:
    """What the model is told of an answer."""
    lm = dspy.LM("said/x", engine=Saying(answer), cache=False, num_retries=0)
    with dspy.context(lm=lm, adapter=adapter), pytest.raises(AskFailed) as caught:
        Asker(seed=1)("converter", dspy.Predict(Item), moment="A moment.")
    told = str(caught.value).removeprefix("converter: ")
    assert told in lm.engine.texts[1]
    assert len(told.splitlines()) == 1
    return told


class Saying:
    """Says the same whatever it is asked."""

    supported_params = frozenset({"temperature", "max_tokens", "seed"})

    def __init__(self, answer: str):
        self.answer, self.texts = answer, list[str]()

    def complete(self, request: lm15.Request) -> lm15.Response:
        self.texts.append(request.messages[-1].text or "")
        message = lm15.Message.assistant([lm15.TextPart(self.answer)])
        return lm15.Response(id=None, model="x", message=message, finish_reason="stop", usage=lm15.Usage())


CHAT = dspy.ChatAdapter(use_json_adapter_fallback=False)


@pytest.mark.parametrize(
    ("answer", "adapter", "missing"),
    [
        ("[[ ## cause ## ]]\nA door.\n\n[[ ## completed ## ]]", CHAT, "wrong_causes, explanation"),
        ('[[ ## wrong_causes ## ]]\n["a"]\n\n[[ ## cause ## ]]\nb', CHAT, "explanation"),
        ("I would rather not.", CHAT, "cause, wrong_causes, explanation"),
        ('{"cause": "A door.", "wrong_causes": ["a"]}', dspy.JSONAdapter(), "explanation"),
        ("I would rather not.", dspy.JSONAdapter(), "cause, wrong_causes, explanation"),
    ],
)
def test_the_complaint_names_the_fields_that_are_missing(answer: str, adapter: dspy.Adapter, missing: str) -> None:
    assert complaint_about(answer, adapter).endswith(f": {missing}")


@pytest.mark.parametrize(
    ("answer", "adapter"),
    [
        ("[[ ## cause ## ]]\nx\n\n[[ ## wrong_causes ## ]]\n7\n\n[[ ## explanation ## ]]\ny", CHAT),
        ('{"cause": "x", "wrong_causes": 7, "explanation": "y"}', dspy.JSONAdapter()),
    ],
)
def test_the_complaint_names_a_field_of_the_wrong_type(answer: str, adapter: dspy.Adapter) -> None:
    told = complaint_about(answer, adapter)
    assert told.startswith("unreadable answer: ")
    assert "wrong_causes" in told


def test_a_long_answer_is_not_repeated_in_the_complaint() -> None:
    answer = "[[ ## wrong_causes ## ]]\n" + "word, " * 3000
    assert len(complaint_about(answer, CHAT)) < 400


@pytest.mark.parametrize("text", ["word " * 2500, "[" * 1100, "{" * 1100, "[" * 1100 + "]" * 1100])
@pytest.mark.parametrize(
    ("before", "adapter"),
    [
        ("[[ ## cause ## ]]\nx\n\n[[ ## wrong_causes ## ]]\n", CHAT),
        ('{"cause": "x", "wrong_causes": ', dspy.JSONAdapter()),
        ("", dspy.JSONAdapter()),
    ],
)
def test_an_answer_without_end_is_unreadable_and_no_end_of_the_run(
    before: str, adapter: dspy.Adapter, text: str
) -> None:
    """DSPy's parsers give up on these with errors of all kinds, MemoryError among them."""
    assert complaint_about(before + text, adapter).startswith("unreadable answer: ")


@pytest.mark.parametrize("error", [ValueError("a bug"), TypeError("a bug"), KeyError("a bug")])
def test_a_bug_in_a_check_is_not_taken_for_a_bad_answer(played: Played, error: Exception) -> None:
    def check(answer: dspy.Prediction) -> str:
        raise error

    with dspy.context(lm=played(lambda prompt, values: values)), pytest.raises(type(error), match="a bug"):
        Asker(seed=1)("therapist", THERAPIST, check=check, **TALK)


def test_each_role_has_its_own_model_and_its_own_form(played: Played) -> None:
    chat, other = played(lambda prompt, values: values), played(lambda prompt, values: values)
    ask = Asker(seed=1)
    roles, adapters = {"client": other}, {"client": dspy.JSONAdapter()}
    with dspy.context(lm=chat, roles=roles, adapters=adapters):
        ask("therapist", THERAPIST, **TALK)
        ask("client", THERAPIST, **TALK)
        ask("therapist", THERAPIST, **TALK)
    assert [prompt.style for prompt in chat.engine.prompts] == ["chat", "chat"]
    assert [prompt.style for prompt in other.engine.prompts] == ["json"]


def test_a_role_without_its_own_takes_those_of_the_context(played: Played) -> None:
    lm = played(lambda prompt, values: values)
    with dspy.context(lm=lm, roles={"client": None}, adapters={"judge": CHAT}, adapter=dspy.JSONAdapter()):
        assert Asker(seed=1)("client", THERAPIST, **TALK).message
    assert [prompt.style for prompt in lm.engine.prompts] == ["json"]


def test_the_form_of_one_role_does_not_outlast_its_call(played: Played) -> None:
    with dspy.context(lm=played(lambda prompt, values: values), adapters={"client": dspy.JSONAdapter()}):
        before = dspy.settings.adapter
        Asker(seed=1)("client", THERAPIST, **TALK)
        assert dspy.settings.adapter is before


# Optimizers that want other answers


class Noting:
    """Notes the requests to an engine."""

    supported_params = frozenset({"temperature", "max_tokens", "seed"})

    def __init__(self, engine: Any):
        self.engine, self.requests = engine, list[lm15.Request]()

    def complete(self, request: lm15.Request) -> lm15.Response:
        self.requests.append(request)
        response: lm15.Response = self.engine.complete(request)
        return response


def noting(played: Played, temperature: float = 0.3) -> dspy.LM:
    engine = Noting(played(lambda prompt, values: values).engine)
    return dspy.LM("noted/x", engine=engine, cache=False, num_retries=0, temperature=temperature)


def asked(own: dspy.LM, predictor: dspy.Predict = THERAPIST, **context: Any) -> tuple[int, float]:
    """Ask once, and return the seed and the temperature with which it was."""
    with dspy.context(**{"lm": own} | context):
        Asker(seed=1)("therapist", predictor, **TALK)
    config = own.engine.requests[-1].config
    return config.seed, config.temperature


def test_a_rollout_has_a_seed_and_a_temperature_of_its_own(played: Played) -> None:
    lm = noting(played)
    plain = asked(lm)
    first, second = (asked(lm, lm=lm.copy(rollout_id=number, temperature=1.0)) for number in (1, 2))
    assert plain[1] == 0.3
    assert first[1] == second[1] == 1.0
    assert len({plain[0], first[0], second[0]}) == 3
    assert asked(lm, lm=lm.copy(rollout_id=1, temperature=1.0)) == first


@pytest.mark.parametrize("rollout", [None, 0])
def test_a_copy_without_a_rollout_changes_nothing(played: Played, rollout: int | None) -> None:
    """SIMBA's first copy is the program as it is."""
    lm = noting(played)
    assert asked(lm, lm=lm.copy(rollout_id=rollout, temperature=1.0), roles={"therapist": lm}) == asked(lm)


@pytest.mark.parametrize("bound", [False, True])
def test_a_rollout_of_another_model_is_one_of_the_roles_own(played: Played, bound: bool) -> None:
    """Optimizers copy the context's model, in its settings or bound to the predictors; the role has its own."""
    own, other = noting(played), noting(played)
    copied = other.copy(rollout_id=1, temperature=1.0)
    predictor = dspy.Predict(RespondAsTherapist)
    predictor.lm = copied if bound else None
    found = asked(own, predictor, lm=other if bound else copied, roles={"therapist": own})
    assert found == asked(own, lm=own.copy(rollout_id=1, temperature=1.0))
    assert not other.engine.requests


def test_a_model_that_is_bound_without_a_rollout_is_not_asked(played: Played) -> None:
    own, other = noting(played), noting(played)
    predictor = dspy.Predict(RespondAsTherapist)
    predictor.lm = other
    asked(own, predictor, roles={"therapist": own})
    assert not other.engine.requests


def test_only_answers_that_were_accepted_are_in_the_trace(played: Played) -> None:
    complaints = iter(["too plain: add warmth", "too plain: again", ""])
    with dspy.context(lm=played(lambda prompt, values: values), trace=[]):
        answer = Asker(seed=1)("therapist", THERAPIST, check=lambda answer: next(complaints), **TALK)
        ((_, given, written),) = dspy.settings.trace
    assert written is answer
    assert given["complaint"] == "too plain: again"


def test_answers_before_it_stay_in_the_trace(played: Played) -> None:
    complaints = iter(["", "too plain: add warmth", "too plain: 2", "too plain: 3", "too plain: 4"])
    ask = Asker(seed=1)
    with dspy.context(lm=played(lambda prompt, values: values), trace=[]):
        first = ask("therapist", THERAPIST, check=lambda answer: next(complaints), **TALK)
        with pytest.raises(AskFailed):
            ask("therapist", THERAPIST, check=lambda answer: next(complaints), **TALK)
        assert [written for *_, written in dspy.settings.trace] == [first]


@pytest.mark.parametrize("trace", [None, []])
def test_without_a_trace_a_rejected_answer_is_asked_for_again_all_the_same(played: Played, trace: Any) -> None:
    complaints = iter(["too plain: add warmth", ""])
    with dspy.context(lm=played(lambda prompt, values: values), trace=trace, disable_history=trace is None):
        Asker(seed=1)("therapist", THERAPIST, check=lambda answer: next(complaints), **TALK)
