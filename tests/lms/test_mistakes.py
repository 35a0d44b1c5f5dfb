from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import dspy
import pytest
from dspy.lm15 import Config, Message, Request, TextPart

import signatures.exam
import signatures.items
import signatures.judging
import signatures.session
from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Moment, Plan
from corpus.taxonomy import load_taxonomy, split_label
from lms.scripted.faults import SYNONYMS
from lms.scripted.mistakes import DEFAULT_RATES, FLOOR, KINDS, Mistakes, effective_rate, heeded
from lms.scripted.names import MISTAKES, Mistake
from lms.scripted.prompt import Prompt
from lms.scripted.speakers import respond_as_therapist, speak_as_client, write_dialogue
from lms.scripted.writers import write_application, write_understanding
from signatures.chat_adapter import ChatAdapter
from signatures.items import WriteApplicationItem, WriteUnderstandingItem
from signatures.judging import CLIENT_FAULTS, EXPLANATION_FAULTS, ITEM_FAULTS, THERAPIST_FAULTS
from signatures.session import ContinueAsClient, RespondAsTherapist, WriteDialogue

CALLS = 2000
ADAPTERS = (dspy.ChatAdapter, ChatAdapter, dspy.JSONAdapter)
GROUPS = ((*ITEM_FAULTS, *EXPLANATION_FAULTS), tuple(CLIENT_FAULTS), tuple(THERAPIST_FAULTS))

WORDINGS: list[tuple[Mistake, str]] = [
    ("names_emotion", "Avoid naming the emotion in the scenario; let behaviour and body language convey it."),
    ("names_emotion", "Do not state what the person feels; show it through actions instead."),
    ("near_synonym", "Avoid distractor emotions that are near-synonyms of the correct emotion."),
    ("near_synonym", "Make sure that the incorrect emotions are clearly distinct in meaning from the correct one."),
    ("twin_distractor", "Never include a distractor that merely paraphrases the correct answer."),
    ("twin_distractor", "Ensure that only one option is correct and that no wrong option is equivalent to it."),
    ("long_key", "Ensure that the correct answer is not noticeably longer than the distractors."),
    ("long_key", "All options must be of similar length."),
    ("absurd_distractor", "All distractors should be plausible to a reader who missed one detail."),
    ("absurd_distractor", "Avoid ridiculous or obviously wrong options."),
    ("generic_explanation", "The explanation must refer to concrete details of the scenario."),
    ("generic_explanation", "Do not write generic explanations that could fit any question."),
    ("contradicts_key", "Ensure that the conclusion of the explanation matches the correct answer."),
    ("contradicts_key", "The explanation must never argue for one of the wrong options."),
    ("foreign_fact", "The explanation should rely only on what the scenario tells and never invent details."),
    ("foreign_fact", "Do not introduce facts into the explanation that are not mentioned in the scenario."),
    ("names_feeling", "Avoid having the client name their feelings; describe what happened instead."),
    ("names_feeling", "The client should never say outright which emotion they feel."),
    ("speaks_for_both", "Write only what the client says and never add lines for the therapist."),
    ("speaks_for_both", "Do not include the therapist's reply in the message."),
    ("repeats_turn", "Avoid repeating a previous question or message."),
    ("repeats_turn", "Ensure that every response is new and does not duplicate anything from earlier turns."),
    ("closed_question", "Ask only open-ended questions and avoid those that can be answered with yes or no."),
    ("closed_question", "Do not ask closed questions such as: Did you sleep well?"),
    ("early_advice", "Do not offer advice or solutions while the client is still telling the story."),
    ("early_advice", "Avoid telling the client what they should do."),
    ("breaks_format", "Ensure that all output fields are present in the answer."),
    ("breaks_format", "Never omit a required field."),
]  # fmt: skip

UNRELATED = [
    "Always write in British English.",
    "Never exceed ninety words in the scenario.",
    "Make sure that names are spelled as they are given.",
    "You must keep to the past tense throughout.",
    "Avoid stock stories such as exam nerves.",
    "Always keep a warm and respectful tone.",
    "Never use bullet points in a message.",
    "The explanation must be four to six sentences long.",
    "You should draw on the client's culture and family.",
    "The `emotion` field must name the planned emotion to the letter.",
    "Always use emotion names from the given list.",
    "Always use simple words in all options.",
    "Take your time, and think step by step.",
]

HINTS = [  # of the matter, but without a rule
    "What is felt shows in an act, a tone, or a posture.",
    "The wrong answers are plausible.",
    "The therapist asks open questions.",
]


def synonym_moment() -> Moment:
    """An EU moment whose emotion has a near-synonym, so that every item mistake can be made in it."""
    moments = (m for plan in make_plans(PlanConfig(sessions=40), seed=11) for m in plan.moments if m.task == "EU")
    return next(m for m in moments if any(name in pair for name in split_label(m.aim) for pair in SYNONYMS))


MOMENT = synonym_moment()
TALK = "CLIENT: I left early.\nTHERAPIST: Where did you go?\nCLIENT: Home, on foot, in the rain."
ITEM_INPUTS = {
    "background": "A life.", "excerpt": TALK, "moment": MOMENT.brief(),
    "emotion_names": ", ".join(load_taxonomy().emotions),
}  # fmt: skip
CLIENT_INPUTS = {
    "client": "Mira (she)", "background": "A life.", "manner": "plain", "stage": "torn: says two things",
    "recent_turns": TALK, "moment": MOMENT.brief(),
}  # fmt: skip
THERAPIST_INPUTS = {"phase": "meaning: explore beliefs", "care": "nothing in particular", "recent_turns": TALK}


def ask_of(mistake: Mistake) -> tuple[type[dspy.Signature], dict[str, str], Any]:
    """Signature, inputs, and writer of an ask in which the mistake can be made."""
    if mistake in CLIENT_FAULTS:
        return ContinueAsClient, CLIENT_INPUTS, speak_as_client
    if mistake in THERAPIST_FAULTS:
        return RespondAsTherapist, THERAPIST_INPUTS, respond_as_therapist
    return WriteUnderstandingItem, ITEM_INPUTS, write_understanding


def prompt_of(
    signature: type[dspy.Signature],
    inputs: Mapping[str, str],
    *,
    rule: str = "",
    demos: tuple[Mapping[str, Any], ...] = (),
    adapter: type[dspy.Adapter] = dspy.ChatAdapter,
    seed: int | None = None,
) -> Prompt:
    """The prompt of a call, rendered by an adapter and read as the engine reads it; ``rule`` ends the instructions."""
    signature = signature.with_instructions(f"{signature.instructions}\n\n- {rule}" if rule else signature.instructions)
    rendered = adapter().format(signature, [dict(demo) for demo in demos], dict(inputs))
    messages = [
        Message.user(m["content"]) if m["role"] == "user" else Message.assistant([TextPart(m["content"])])
        for m in rendered[1:]
    ]
    config = Config(seed=seed) if seed is not None else Config()
    return Prompt.read(
        Request(model="scripted/x", system=rendered[0]["content"], messages=tuple(messages), config=config)
    )


def left(mistake: Mistake, rate: float = 1.0, **how: Any) -> float:
    """What is left of a rate in a prompt."""
    signature, inputs, _ = ask_of(mistake)
    return effective_rate(mistake, rate, prompt_of(signature, inputs, **how))


def answer_with(mistake: Mistake, rate: float, seed: int = 1) -> dict[str, Any]:
    """Inputs and outputs of one answer, as a demonstration shows them."""
    signature, inputs, write = ask_of(mistake)
    return inputs | write(prompt_of(signature, inputs, seed=seed), Mistakes({mistake: rate}))


def shipped() -> list[type[dspy.Signature]]:
    modules = (signatures.session, signatures.items, signatures.judging, signatures.exam)
    found = {value for module in modules for value in vars(module).values() if isinstance(value, type)}
    return sorted((s for s in found if issubclass(s, dspy.Signature) and s.output_fields), key=str)


def test_every_mistake_has_a_rate_and_is_rare_by_default() -> None:
    assert set(KINDS) == set(DEFAULT_RATES) == set(MISTAKES)
    assert len(MISTAKES) == 14
    assert all(FLOOR < rate <= 0.08 for rate in DEFAULT_RATES.values())


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("rate", [0.3, 0.02])
def test_a_mistake_is_made_at_about_its_rate_over_seeds(mistake: Mistake, rate: float) -> None:
    mistakes = Mistakes({mistake: rate})
    made = sum(mistakes.makes(mistake, Prompt({}, (), "chat", seed)) for seed in range(CALLS))
    assert abs(made / CALLS - rate) < 4 * (rate * (1 - rate) / CALLS) ** 0.5


def test_a_mistake_is_made_at_about_its_rate_over_prompts_that_share_a_seed() -> None:
    """DSPy's optimizers ask the examples of a data set without a seed."""
    mistakes = Mistakes({"names_emotion": 0.3})
    made = sum(
        mistakes.makes("names_emotion", Prompt({"moment": f"moment: m{n}"}, (), "chat", 0)) for n in range(CALLS)
    )
    assert 0.27 < made / CALLS < 0.33


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_always_made_at_rate_one_and_never_at_rate_zero_or_unnamed(mistake: Mistake) -> None:
    prompts = [Prompt({}, (), "chat", seed) for seed in range(200)]
    assert all(Mistakes({mistake: 1.0}).makes(mistake, prompt) for prompt in prompts)
    for rates in ({mistake: 0.0}, {}, {other: 1.0 for other in MISTAKES if other != mistake}):
        assert not any(Mistakes(rates).makes(mistake, prompt) for prompt in prompts)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_same_seed_and_prompt_decide_the_same(mistake: Mistake) -> None:
    mistakes = Mistakes({mistake: 0.5})
    signature, inputs, _ = ask_of(mistake)
    first = [mistakes.makes(mistake, prompt_of(signature, inputs, seed=seed)) for seed in range(30)]
    assert first == [mistakes.makes(mistake, prompt_of(signature, inputs, seed=seed)) for seed in range(30)]
    assert len(set(first)) == 2


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_complaint_stops_every_mistake(mistake: Mistake) -> None:
    signature, inputs, _ = ask_of(mistake)
    complained = signature.append("complaint", dspy.InputField(), str)
    prompt = prompt_of(complained, inputs | {"complaint": "no good: mend it"})
    assert not Mistakes({mistake: 1.0}).makes(mistake, prompt)


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_its_own_rule_at_the_end_of_the_instructions_leaves_the_floor_of_a_mistake(
    mistake: Mistake, adapter: type[dspy.Adapter]
) -> None:
    assert left(mistake, adapter=adapter) == 1.0
    assert left(mistake, adapter=adapter, rule=KINDS[mistake].rule) == FLOOR
    assert left(mistake, FLOOR / 2, adapter=adapter, rule=KINDS[mistake].rule) == FLOOR / 2


@pytest.mark.parametrize("mistake", MISTAKES)
def test_what_is_left_at_the_floor_is_made_two_times_in_a_thousand(mistake: Mistake) -> None:
    mistakes, rule = Mistakes({mistake: 1.0}), KINDS[mistake].rule
    made = sum(mistakes.makes(mistake, Prompt({}, (), "chat", seed, rule)) for seed in range(CALLS))
    assert 0 < made < 4 * FLOOR * CALLS


@pytest.mark.parametrize(("mistake", "rule"), WORDINGS, ids=[rule for _, rule in WORDINGS])
def test_a_rule_in_other_words_is_heeded_too(mistake: Mistake, rule: str) -> None:
    assert left(mistake, rule=rule) == FLOOR


def test_two_other_wordings_are_tried_for_every_mistake() -> None:
    assert sorted(mistake for mistake, _ in WORDINGS) == sorted(2 * MISTAKES)


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_rule_speaks_of_no_other_mistake_that_the_same_answer_can_show(mistake: Mistake) -> None:
    group = next((group for group in GROUPS if mistake in group), (mistake,))
    assert set(group) & heeded(KINDS[mistake].rule) == {mistake}


@pytest.mark.parametrize("rule", [*UNRELATED, *HINTS])
def test_an_unrelated_rule_and_a_mere_hint_change_nothing(rule: str) -> None:
    assert heeded(rule) == frozenset()


def test_rules_are_heeded_together() -> None:
    told: list[Mistake] = ["absurd_distractor", "closed_question", "breaks_format"]
    assert heeded("Be good.\n\n" + "\n".join(f"- {KINDS[name].rule}" for name in told)) == set(told)


@pytest.mark.parametrize("signature", shipped(), ids=lambda signature: str(signature.__name__))
def test_the_shipped_instructions_leave_the_mistakes_to_an_optimizer(signature: type[dspy.Signature]) -> None:
    said = {"repeats_turn"} if signature is WriteDialogue else set()  # "No message repeats another."
    assert heeded(signature.instructions) == said


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_each_clean_demonstration_divides_the_rate_by_four_down_to_the_floor(
    mistake: Mistake, adapter: type[dspy.Adapter]
) -> None:
    clean = answer_with(mistake, 0.0)
    for count in (1, 2, 3):
        assert left(mistake, adapter=adapter, demos=(clean,) * count) == pytest.approx(0.25**count)
    assert left(mistake, adapter=adapter, demos=(clean,) * 8) == FLOOR
    assert left(mistake, FLOOR / 2, adapter=adapter, demos=(clean,)) == FLOOR / 2


@pytest.mark.parametrize("adapter", ADAPTERS)
@pytest.mark.parametrize("mistake", [name for name in MISTAKES if name != "breaks_format"])
def test_a_demonstration_that_shows_the_mistake_teaches_nothing(mistake: Mistake, adapter: type[dspy.Adapter]) -> None:
    clean, bad = answer_with(mistake, 0.0), answer_with(mistake, 1.0)
    assert left(mistake, adapter=adapter, demos=(bad,)) == 1.0
    assert left(mistake, adapter=adapter, demos=(clean, bad, clean)) == 1.0


def test_a_demonstration_is_judged_by_its_own_inputs() -> None:
    """A therapist's demonstration that repeats a turn of another session."""
    talk = "CLIENT: I stayed.\nTHERAPIST: Who else was there?\nCLIENT: Only Bo."
    bad = THERAPIST_INPUTS | {"recent_turns": talk, "message": "Who else was there?"}
    assert left("repeats_turn", demos=(bad,)) == 1.0


def test_a_demonstration_of_one_mistake_is_clean_of_the_others() -> None:
    assert left("foreign_fact", demos=(answer_with("absurd_distractor", 1.0),)) == 0.25


def test_all_mistakes_of_an_item_can_be_made_in_one_answer_and_none_is_made_unasked(plans: list[Plan]) -> None:
    every = Mistakes(dict.fromkeys(MISTAKES, 1.0))
    ea = next(moment for moment in plans[0].moments if moment.task == "EA")
    for signature, write, moment in (
        (WriteUnderstandingItem, write_understanding, MOMENT), (WriteApplicationItem, write_application, ea),
    ):  # fmt: skip
        inputs = {name: ITEM_INPUTS[name] for name in signature.input_fields} | {"moment": moment.brief()}
        prompt = prompt_of(signature, inputs)
        clean = write(prompt, Mistakes({}))
        assert clean == write(prompt, Mistakes(dict.fromkeys(MISTAKES, 0.0)))
        assert set(write(prompt, every)) == set(clean)
        assert write(prompt, every) != clean


def test_a_dialogue_is_made_with_every_mistake_at_once(plans: list[Plan]) -> None:
    plan = plans[0]
    inputs = {
        "client": "Mira (she)", "background": "A life.", "manner": "plain", "arc": "\n".join(plan.arc),
        "moments": "\n\n".join(moment.brief() for moment in plan.moments[:5]), "care": "nothing in particular",
    }  # fmt: skip
    messages = write_dialogue(prompt_of(WriteDialogue, inputs), Mistakes(dict.fromkeys(MISTAKES, 1.0)))["messages"]
    assert len(messages) == 10
