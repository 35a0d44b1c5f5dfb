from __future__ import annotations

import json
from typing import Any

import dspy
import pytest
from dspy.utils.exceptions import AdapterParseError, LMInvalidRequestError

from corpus.records import Moment, Plan
from corpus.taxonomy import find_emotion_words, load_taxonomy
from lms.build import build_lm
from lms.scripted.engine import ScriptedEngine
from lms.scripted.mistakes import DEFAULT_RATES, MISTAKES
from lms.spec import ModelSpec
from signatures.items import WriteApplicationItem, WriteUnderstandingItem
from signatures.session import OpenAsClient, RespondAsTherapist, SuperviseSession, WriteBackground

COMPLAINT = dspy.InputField(desc="what was wrong")
CALLS, RATE = 300, 0.3


def teacher(**mistakes: float) -> dspy.LM:
    return build_lm(ModelSpec(model="scripted/counsel", mistakes=mistakes))


def ask(
    lm: dspy.LM, signature: type[dspy.Signature], seed: int = 1, complaint: str = "", **inputs: str
) -> dspy.Prediction:
    if complaint:
        signature = signature.append("complaint", COMPLAINT, str)
        inputs["complaint"] = complaint
    with dspy.context(lm=lm):
        return dspy.Predict(signature)(config={"seed": seed}, **inputs)


def converter_inputs(moment: Moment) -> dict[str, str]:
    inputs = {"background": "A life.", "excerpt": "CLIENT: It happened.", "moment": moment.brief()}
    return inputs | ({"emotion_names": ", ".join(load_taxonomy().emotions)} if moment.task == "EU" else {})


def all_asks(plan: Plan) -> list[tuple[type[dspy.Signature], dict[str, str]]]:
    eu, ea = (next(m for m in plan.moments if m.task == task) for task in ("EU", "EA"))
    client = f"{plan.client.name} ({plan.client.pronouns})"
    moments = "\n\n".join(moment.brief() for moment in plan.moments)
    talk = "CLIENT: I dropped the keys twice.\nTHERAPIST: And then?\nCLIENT: I went home on foot."
    return [
        (
            WriteBackground,
            {"persona": plan.persona.persona, "client": client, "theme": plan.theme.theme, "moments": moments},
        ),
        (OpenAsClient, {"client": client, "background": "A life.", "manner": plan.manner, "moment": eu.brief()}),
        (RespondAsTherapist, {"phase": "meaning: explore beliefs", "recent_turns": talk}),
        (SuperviseSession, {"planned": f"persona: about {eu.subject.name}, with {eu.other.name}", "transcript": talk}),
        (WriteUnderstandingItem, converter_inputs(eu)),
        (WriteApplicationItem, converter_inputs(ea)),
    ]


def made(mistake: str, answer: dspy.Prediction, flawless: dspy.Prediction) -> bool:
    if mistake == "names_emotion":
        return bool(find_emotion_words(answer.scenario))
    if mistake == "twin_distractor":
        return bool(answer.wrong_causes[0] != flawless.wrong_causes[0])
    return bool(answer.explanation != flawless.explanation)


def test_every_role_is_answered_in_full_through_both_adapters(adapter: dspy.Adapter, plans: list[Plan]) -> None:
    for signature, inputs in all_asks(plans[0]):
        with dspy.context(adapter=adapter):
            answer = ask(teacher(), signature, **inputs)
        for name, field in signature.output_fields.items():
            assert isinstance(answer[name], field.annotation if isinstance(field.annotation, type) else list), name
            assert answer[name] or field.annotation is bool, name


def test_an_answer_depends_on_seed_and_prompt_alone(plans: list[Plan]) -> None:
    def answers(adapter: dspy.Adapter, seed: int) -> list[dict[str, Any]]:
        with dspy.context(adapter=adapter):
            return [ask(teacher(), signature, seed, **inputs).toDict() for signature, inputs in all_asks(plans[0])]

    first = answers(dspy.ChatAdapter(), 1)
    assert answers(dspy.ChatAdapter(), 1) == first
    assert answers(dspy.JSONAdapter(), 1) == first
    other = answers(dspy.ChatAdapter(), 2)
    assert [other[role]["background" if role == 0 else "message"] for role in (0, 1, 2)] != [
        first[role]["background" if role == 0 else "message"] for role in (0, 1, 2)
    ]
    assert other[4:] == first[4:]  # an item is a function of its moment


def test_an_unknown_ask_is_refused_with_its_fields_and_a_way_out() -> None:
    with pytest.raises(LMInvalidRequestError) as caught:
        ask(teacher(), dspy.Signature("poem -> rhyme, metre"), poem="Roses are red")
    assert "does not know an ask with inputs ['poem'] and outputs ['rhyme', 'metre']" in str(caught.value)
    assert "name another model in the recipe" in str(caught.value)


def test_an_unknown_label_is_refused_by_name(plans: list[Plan]) -> None:
    moment = next(moment for moment in plans[0].moments if moment.task == "EU")
    with pytest.raises(LMInvalidRequestError, match=r"no event for .* / Hunger"):
        ask(teacher(), WriteUnderstandingItem, **converter_inputs(moment.model_copy(update={"aim": "Hunger"})))


@pytest.mark.parametrize("mistake", ["names_emotion", "twin_distractor", "generic_explanation"])
def test_an_item_mistake_comes_at_its_rate_and_not_after_a_complaint(mistake: str, plans: list[Plan]) -> None:
    inputs = converter_inputs(next(moment for moment in plans[0].moments if moment.task == "EU"))
    flawless = ask(teacher(), WriteUnderstandingItem, **inputs)
    sometimes, always = teacher(**{mistake: RATE}), teacher(**{mistake: 1.0})
    answers = [ask(sometimes, WriteUnderstandingItem, seed, **inputs) for seed in range(CALLS)]
    share = sum(made(mistake, answer, flawless) for answer in answers) / CALLS
    assert RATE - 0.08 < share < RATE + 0.08
    assert made(mistake, ask(always, WriteUnderstandingItem, **inputs), flawless)
    mended = ask(always, WriteUnderstandingItem, complaint="it was no good", **inputs)
    assert mended.toDict() == flawless.toDict()


def test_the_therapist_repeats_at_its_rate_and_not_after_a_complaint() -> None:
    talk = {
        "phase": "meaning: explore",
        "recent_turns": "CLIENT: I left early.\nTHERAPIST: Where did you go?\nCLIENT: Home.",
    }
    sometimes, always = teacher(repeats_turn=RATE), teacher(repeats_turn=1.0)
    said = [ask(sometimes, RespondAsTherapist, seed, **talk).message for seed in range(CALLS)]
    assert RATE - 0.08 < said.count("Where did you go?") / CALLS < RATE + 0.08
    assert ask(always, RespondAsTherapist, **talk).message == "Where did you go?"
    assert ask(always, RespondAsTherapist, complaint="repeated turn", **talk).message != "Where did you go?"


def test_a_broken_format_leaves_a_field_out_and_not_after_a_complaint(adapter: dspy.Adapter, plans: list[Plan]) -> None:
    for signature, inputs in all_asks(plans[0]):
        with dspy.context(adapter=adapter):
            with pytest.raises(AdapterParseError):
                ask(teacher(breaks_format=1.0), signature, **inputs)
            mended = ask(teacher(breaks_format=1.0), signature, complaint="unreadable answer", **inputs)
        assert set(mended.keys()) == set(signature.output_fields)


def test_the_default_teacher_errs_in_every_named_way_and_rarely() -> None:
    assert set(DEFAULT_RATES) == set(MISTAKES)
    assert all(0 < rate <= 0.05 for rate in DEFAULT_RATES.values())
    assert build_lm(ModelSpec(model="scripted/counsel")).engine.mistakes.rates == DEFAULT_RATES


def test_an_engine_survives_saving() -> None:
    state = json.loads(json.dumps(ScriptedEngine({"names_emotion": 0.5}, latency=0.25).dump_state()))
    assert state == {"mistakes": {"names_emotion": 0.5}, "latency": 0.25}
    assert ScriptedEngine.load_state(state).dump_state() == state
