from __future__ import annotations

import copy
import json
from typing import Any, Literal, get_args, get_origin

import dspy
import pytest
from dspy.lm15 import Request, Response
from dspy.utils.exceptions import AdapterParseError, LMInvalidRequestError

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import ApplicationItem, Moment, Plan, UnderstandingItem
from corpus.taxonomy import find_emotion_words, load_taxonomy
from lms.build import build_lm
from lms.scripted.engine import ScriptedEngine
from lms.scripted.mistakes import DEFAULT_RATES, KINDS
from lms.scripted.names import MISTAKES
from lms.spec import ModelSpec
from signatures.chat_adapter import ChatAdapter
from signatures.exam import exam_inputs, exam_signature
from signatures.exam_adapter import ExamAdapter
from signatures.formats import LETTERS, AnswerFormat
from signatures.items import WriteApplicationItem, WriteUnderstandingItem
from signatures.judging import (
    CLIENT_FAULTS,
    ITEM_FAULTS,
    JudgeParaphrase,
    JudgeReasoning,
    JudgeSession,
    ReviewApplicationItem,
    ReviewExplanation,
    ReviewMessage,
    ReviewUnderstandingItem,
)
from signatures.session import (
    ContinueAsClient,
    OpenAsClient,
    RespondAsTherapist,
    SuperviseSession,
    WriteBackground,
    WriteCase,
    WriteDialogue,
)
from signatures.solving import GuessApplication, GuessUnderstanding, SolveApplication, SolveUnderstanding

Ask = tuple[type[dspy.Signature], dict[str, Any]]

ADAPTERS = (dspy.ChatAdapter, ChatAdapter, dspy.JSONAdapter)
SHOWN: tuple[AnswerFormat, ...] = ("letter", "reasoned", "option")
COMPLAINT = dspy.InputField(desc="what was wrong")
CALLS, RATE = 200, 0.3
TALK = "CLIENT: I dropped the keys twice.\nTHERAPIST: And then?\nCLIENT: I went home on foot."


def teacher(**mistakes: float) -> dspy.LM:
    return build_lm(ModelSpec(model="scripted/counsel", mistakes=mistakes))


def ask(
    lm: dspy.LM, signature: type[dspy.Signature], seed: int = 1, complaint: str = "", **inputs: Any
) -> dspy.Prediction:
    if complaint:
        signature = signature.append("complaint", COMPLAINT, str)
        inputs["complaint"] = complaint
    with dspy.context(lm=lm):
        return dspy.Predict(signature)(config={"seed": seed}, **inputs)


def converter_inputs(moment: Moment) -> dict[str, str]:
    inputs = {"background": "A life.", "excerpt": "CLIENT: It happened.", "moment": moment.brief()}
    return inputs | ({"emotion_names": ", ".join(load_taxonomy().emotions)} if moment.task == "EU" else {})


def session_asks(plan: Plan) -> list[Ask]:
    client = {"client": f"{plan.client.name} ({plan.client.pronouns})"}
    care = {"care": "nothing in particular"}
    moments = {"moments": "\n\n".join(moment.brief() for moment in plan.moments[:5])}
    who = {
        "persona": plan.persona.persona, "theme": plan.theme.description, "attributes": plan.attributes.brief(),
    } | client | moments | care  # fmt: skip
    role = {"background": "A life.", "manner": plan.attributes.manner} | client
    now = {"stage": plan.stage(1, 5), "moment": plan.moments[0].brief()}
    planned = f"persona: about {plan.moments[0].subject.name}, with {plan.moments[0].other.name}"
    return [
        (WriteBackground, who),
        (WriteCase, who),
        (OpenAsClient, role | now),
        (ContinueAsClient, role | now | {"recent_turns": TALK}),
        (ContinueAsClient, role | now | {"recent_turns": TALK, "moment": "none"}),
        (RespondAsTherapist, {"phase": "meaning: explore beliefs", "recent_turns": TALK} | care),
        (WriteDialogue, role | moments | care | {"arc": "\n".join(plan.arc)}),
        (SuperviseSession, {"planned": planned, "transcript": TALK}),
    ]


def item_asks(plan: Plan) -> list[Ask]:
    eu, ea = (next(m for m in plan.moments if m.task == task) for task in ("EU", "EA"))
    return [(WriteUnderstandingItem, converter_inputs(eu)), (WriteApplicationItem, converter_inputs(ea))]


def judging_asks(plan: Plan) -> list[Ask]:
    def rubric(faults: dict[str, str]) -> str:
        return "\n".join(f"{name}: {about}" for name, about in faults.items())

    asks: list[Ask] = []
    reviews = (ReviewUnderstandingItem, ReviewApplicationItem)
    for (signature, inputs), review in zip(item_asks(plan), reviews, strict=True):
        written = ask(teacher(), signature, **inputs).toDict()
        asks.append(
            (review, {name: written.get(name) for name in review.input_fields} | {"rubric": rubric(ITEM_FAULTS)})
        )
    message = {"speaker": "CLIENT", "recent_turns": TALK, "message": "I sat down.", "rubric": rubric(CLIENT_FAULTS)}
    lettered = dict.fromkeys(("emotion_choices", "cause_choices", "choices"), "A) I left early.\nB) I stayed on.")
    shown = {"scenario": "I left early.", "question": "What?", "question_1": "What?", "question_2": "Why?"} | lettered
    blind = (SolveUnderstanding, SolveApplication, GuessUnderstanding, GuessApplication)
    explained = {
        "scenario": written["scenario"], "question": "What would help?", "right_answer": written["best"],
        "wrong_answers": "\n".join(f"- {text}" for text in written["wrong"]), "explanation": written["explanation"],
    }  # fmt: skip
    return [
        *asks,
        (ReviewMessage, message),
        (ReviewExplanation, explained),
        (
            JudgeReasoning,
            {name: explained[name] for name in ("scenario", "question")}
            | {"reasoning": written["explanation"], "answer": written["best"]},
        ),
        (JudgeSession, {"transcript": TALK}),
        (JudgeParaphrase, {"scenario": "I left early.", "exam_scenario": "She stayed on."}),
        *((ask_, {name: shown[name] for name in ask_.input_fields}) for ask_ in blind),
    ]


def written_asks(plan: Plan) -> list[Ask]:
    return session_asks(plan) + item_asks(plan)


def items(plan: Plan) -> list[UnderstandingItem | ApplicationItem]:
    (write_eu, eu_inputs), (write_ea, ea_inputs) = item_asks(plan)
    eu, ea = ask(teacher(), write_eu, **eu_inputs), ask(teacher(), write_ea, **ea_inputs)
    return [
        UnderstandingItem(
            qid="1", scenario=eu.scenario, subject=eu.subject, coarse_category="c", finegrained_category="f",
            emotion_choices=(*eu.wrong_emotions, eu.emotion), emotion_label=eu.emotion,
            cause_choices=(*eu.wrong_causes[:2], eu.cause, eu.wrong_causes[2]), cause_label=eu.cause,
        ),
        ApplicationItem(
            qid="2", scenario=ea.scenario, subject=ea.subject, category="c", question_type="Action",
            choices=(ea.wrong[0], ea.best, *ea.wrong[1:]), label=ea.best,
        ),
    ]  # fmt: skip


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_ask_is_answered_in_full_through_every_adapter(adapter: type[dspy.Adapter], plans: list[Plan]) -> None:
    for signature, inputs in [*written_asks(plans[0]), *judging_asks(plans[0])]:
        assert set(inputs) == set(signature.input_fields)
        with dspy.context(adapter=adapter()):
            answer = ask(teacher(), signature, **inputs)
        assert set(answer.keys()) == set(signature.output_fields)
        for name, field in signature.output_fields.items():
            if get_origin(field.annotation) is Literal:
                assert answer[name] in get_args(field.annotation), name
                continue
            assert isinstance(answer[name], field.annotation if isinstance(field.annotation, type) else list), name
            assert answer[name] or name == "faults" or field.annotation is bool, name


@pytest.mark.parametrize("adapter", [*ADAPTERS, ExamAdapter])
@pytest.mark.parametrize("answer_format", SHOWN)
def test_an_exam_question_that_shows_its_options_is_answered_through_every_adapter(
    adapter: type[dspy.Adapter], answer_format: AnswerFormat, plans: list[Plan]
) -> None:
    for plan in plans[:4]:
        for item in items(plan):
            signature = exam_signature(item.task, answer_format)
            given = {name: value for name, value in exam_inputs(item).items() if name in signature.input_fields}
            with dspy.context(adapter=adapter()):
                answer = ask(teacher(), signature, **given).toDict()
            if adapter is ExamAdapter:
                (text,) = set(answer.values())
                answer = json.loads(text)
            assert list(answer) == list(signature.output_fields)
            texts = [answer[name] for name in ("emotion", "cause", "option") if name in answer]
            letters = [value for name, value in answer.items() if name.startswith("answer")]
            picks = [
                choices[LETTERS.index(letter)] for (choices, _), letter in zip(item.questions, letters, strict=True)
            ]
            assert texts in ([], picks)
            assert all(pick in answer.get("reasoning", pick) for pick in picks)


@pytest.mark.parametrize("answer_format", SHOWN)
def test_an_exam_question_is_answered_alike_through_the_adapters_of_dspy(
    answer_format: AnswerFormat, plans: list[Plan]
) -> None:
    for item in items(plans[1]):
        signature = exam_signature(item.task, answer_format)
        answers = []
        for adapter in ADAPTERS:
            with dspy.context(adapter=adapter()):
                answers.append(ask(teacher(), signature, **exam_inputs(item)).toDict())
        assert answers[0] == answers[1] == answers[2]


def test_an_answer_depends_on_seed_and_prompt_alone(plans: list[Plan]) -> None:
    def answers(adapter: dspy.Adapter, seed: int) -> list[dict[str, Any]]:
        with dspy.context(adapter=adapter):
            return [ask(teacher(), signature, seed, **inputs).toDict() for signature, inputs in written_asks(plans[0])]

    first = answers(dspy.ChatAdapter(), 1)
    assert answers(dspy.ChatAdapter(), 1) == first
    assert answers(ChatAdapter(), 1) == first
    assert answers(dspy.JSONAdapter(), 1) == first
    other = answers(dspy.ChatAdapter(), 2)
    assert all(a != b for a, b in zip(other[:7], first[:7], strict=True))
    assert other[7:] == first[7:]  # a supervisor judges, and an item is a function of its moment


def test_instructions_and_demonstrations_reach_the_teacher_through_every_adapter(plans: list[Plan]) -> None:
    signature, inputs = item_asks(plans[0])[0]
    clean = ask(teacher(), signature, **inputs).toDict()
    ruled = signature.with_instructions(f"{signature.instructions}\n\n- {KINDS['absurd_distractor'].rule}")
    for adapter in ADAPTERS:
        predict, taught = dspy.Predict(signature), dspy.Predict(signature)
        taught.demos = [dspy.Example(**inputs, **clean)] * 6
        lm = teacher(absurd_distractor=1.0)
        with dspy.context(lm=lm, adapter=adapter()):
            assert predict(config={"seed": 1}, **inputs).toDict() != clean
            assert dspy.Predict(ruled)(config={"seed": 1}, **inputs).toDict() == clean
            assert taught(config={"seed": 1}, **inputs).toDict() == clean


def test_an_unknown_ask_is_refused_with_its_fields_and_a_way_out() -> None:
    with pytest.raises(LMInvalidRequestError) as caught:
        ask(teacher(), dspy.Signature("poem -> rhyme, metre"), poem="Roses are red")
    assert "does not know an ask with inputs ['poem'] and outputs ['rhyme', 'metre']" in str(caught.value)
    assert "name another model in the recipe" in str(caught.value)


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter, ExamAdapter])
def test_an_exam_question_without_options_is_refused(adapter: type[dspy.Adapter], plans: list[Plan]) -> None:
    for item in items(plans[0]):
        signature = exam_signature(item.task, "open")
        given = {name: value for name, value in exam_inputs(item).items() if name in signature.input_fields}
        with dspy.context(adapter=adapter()), pytest.raises(LMInvalidRequestError, match="does not know an ask"):
            ask(teacher(), signature, **given)


def test_an_unknown_label_is_refused_by_name(plans: list[Plan]) -> None:
    moment = next(moment for moment in plans[0].moments if moment.task == "EU")
    with pytest.raises(LMInvalidRequestError, match=r"no event for .* / Hunger"):
        ask(teacher(), WriteUnderstandingItem, **converter_inputs(moment.model_copy(update={"aim": "Hunger"})))


@pytest.mark.parametrize("mistake", ["names_emotion", "twin_distractor", "generic_explanation", "absurd_distractor"])
def test_an_item_mistake_comes_at_its_rate_and_not_after_a_complaint(mistake: str, plans: list[Plan]) -> None:
    inputs = converter_inputs(next(moment for moment in plans[0].moments if moment.task == "EU"))
    flawless = ask(teacher(), WriteUnderstandingItem, **inputs).toDict()
    sometimes, always = teacher(**{mistake: RATE}), teacher(**{mistake: 1.0})
    made = [ask(sometimes, WriteUnderstandingItem, n, **inputs).toDict() != flawless for n in range(CALLS)]
    assert RATE - 0.12 < sum(made) / CALLS < RATE + 0.12
    wrong = ask(always, WriteUnderstandingItem, **inputs)
    assert wrong.toDict() != flawless
    assert bool(find_emotion_words(wrong.scenario)) is (mistake == "names_emotion")
    assert ask(always, WriteUnderstandingItem, complaint="it was no good", **inputs).toDict() == flawless


def test_the_therapist_repeats_at_its_rate_and_not_after_a_complaint() -> None:
    talk = {
        "phase": "meaning: explore",
        "care": "nothing in particular",
        "recent_turns": "CLIENT: I left early.\nTHERAPIST: Where did you go?\nCLIENT: Home.",
    }
    sometimes, always = teacher(repeats_turn=RATE), teacher(repeats_turn=1.0)
    said = [ask(sometimes, RespondAsTherapist, seed, **talk).message for seed in range(CALLS)]
    assert RATE - 0.12 < said.count("Where did you go?") / CALLS < RATE + 0.12
    assert ask(always, RespondAsTherapist, **talk).message == "Where did you go?"
    assert ask(always, RespondAsTherapist, complaint="repeated turn", **talk).message != "Where did you go?"


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_broken_format_leaves_a_field_out_and_not_after_a_complaint(
    adapter: type[dspy.Adapter], plans: list[Plan]
) -> None:
    for signature, inputs in [*written_asks(plans[0]), *judging_asks(plans[0])]:
        with dspy.context(adapter=adapter()):
            with pytest.raises(AdapterParseError):
                ask(teacher(breaks_format=1.0), signature, **inputs)
            mended = ask(teacher(breaks_format=1.0), signature, complaint="unreadable answer", **inputs)
        assert set(mended.keys()) == set(signature.output_fields)


def test_the_default_teacher_errs_in_every_named_way_and_rarely() -> None:
    assert set(DEFAULT_RATES) == set(MISTAKES)
    assert all(0 < rate <= 0.08 for rate in DEFAULT_RATES.values())
    assert build_lm(ModelSpec(model="scripted/counsel")).engine.engine.mistakes.rates == DEFAULT_RATES


def test_the_teacher_sees_the_rendered_request_and_nothing_else(plans: list[Plan]) -> None:
    """The same request, sent to another engine that never saw the call, is answered alike."""
    seen: list[tuple[Request, Response]] = []

    class Recorder(ScriptedEngine):
        def complete(self, request: Request) -> Response:
            seen.append((request, super().complete(request)))
            return seen[-1][1]

    lm = dspy.LM("scripted/x", engine=Recorder({}), cache=False)
    for signature, inputs in written_asks(plans[2]):
        ask(lm, signature, **inputs)
    fresh = ScriptedEngine({})
    assert len(seen) == len(written_asks(plans[2]))
    for request, answer in seen:
        assert fresh.complete(request).message == answer.message
        assert answer.usage.input_tokens > 0
        assert answer.usage.output_tokens > 0


def test_an_engine_survives_saving_and_is_shared_by_copies() -> None:
    engine = ScriptedEngine({"names_emotion": 0.5}, latency=0.25)
    state = json.loads(json.dumps(engine.dump_state()))
    assert state == {"mistakes": {"names_emotion": 0.5}, "latency": 0.25}
    assert ScriptedEngine.load_state(state).dump_state() == state
    assert copy.deepcopy(engine) is engine


def test_a_plan_of_either_method_and_any_narration_is_served() -> None:
    lm = teacher()
    for plan in make_plans(PlanConfig(sessions=8, method={"mads": 0.5, "concise": 0.5}), seed=21):
        for signature, inputs in [*session_asks(plan)[:2], session_asks(plan)[6]]:
            ask(lm, signature, **inputs)
        for moment in plan.moments:
            signature = WriteUnderstandingItem if moment.task == "EU" else WriteApplicationItem
            answer = ask(lm, signature, **converter_inputs(moment))
            told_by = {"first person": "I", "second person": "You"}.get(moment.narration)
            assert told_by in (None, answer.subject) or answer.subject == moment.other.name
