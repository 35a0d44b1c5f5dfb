from __future__ import annotations

import re
from itertools import chain

import pytest

from corpus.records import Moment, Plan
from corpus.safety import puts_safety_first, voices_risk
from corpus.taxonomy import find_emotion_words
from corpus.text import count_sentences
from lms.scripted.faults import SPOTS
from lms.scripted.mistakes import Mistakes
from lms.scripted.names import Mistake
from lms.scripted.phrases import phrases
from lms.scripted.prompt import Prompt
from lms.scripted.speakers import (
    MAX_BACKGROUND_WORDS,
    MAX_CASE_WORDS,
    MAX_QUOTE_WORDS,
    MAX_SENTENCES,
    MIN_BACKGROUND_WORDS,
    ROUNDS,
    respond_as_therapist,
    speak_as_client,
    supervise,
    write_background,
    write_case,
    write_dialogue,
)

FLAWLESS = Mistakes({})
STAGES = tuple(phrases().stages)
PHASES = ("facts and feelings: find out", "meaning: explore", "perspective: look at it")
SAID = "I put the letter back into the drawer and locked it."
RISK = "at risk: says that staying alive has become a question"


def prompt(seed: int = 0, **inputs: str) -> Prompt:
    return Prompt(inputs, (), "chat", seed)


def file_inputs(plan: Plan) -> dict[str, str]:
    """What the writer of a background or case is given."""
    return {
        "persona": plan.persona.persona,
        "client": f"{plan.client.name} ({plan.client.pronouns})",
        "theme": f"{plan.theme.theme}. {plan.theme.description}",
        "attributes": plan.attributes.brief(),
        "moments": "\n\n".join(moment.brief() for moment in plan.moments),
    }


def client_says(
    plan: Plan, moment: Moment | None, seed: int = 0, stage: str = "torn: both", heard: str = "THERAPIST: So?"
) -> str:
    inputs = {
        "client": f"{plan.client.name} ({plan.client.pronouns})",
        "stage": stage,
        "moment": moment.brief() if moment else "none",
    }
    if heard:
        inputs["recent_turns"] = heard
    return str(speak_as_client(prompt(seed, **inputs), FLAWLESS)["message"])


def therapist_says(
    said: str, phase: str, seed: int = 0, before: tuple[str, ...] = (), flaws: Mistakes = FLAWLESS
) -> str:
    turns = "\n".join([*(f"THERAPIST: {text}" for text in before), f"CLIENT: {said}"])
    return str(respond_as_therapist(prompt(seed, phase=phase, recent_turns=turns), flaws)["message"])


def dialogue(plan: Plan, flaws: Mistakes = FLAWLESS) -> list[str]:
    arc = "\n".join(plan.stage(number, ROUNDS) for number in range(1, ROUNDS + 1))
    return list(write_dialogue(prompt(plan.seed, **file_inputs(plan), arc=arc), flaws)["messages"])


def always(mistake: Mistake) -> Mistakes:
    return Mistakes({mistake: 1.0})


def names_in(text: str, plan: Plan) -> int:
    return sum(bool(re.search(rf"\b{moment.other.name}\b", text)) for moment in plan.moments)


def test_a_background_has_200_to_390_words(plans: list[Plan]) -> None:
    for plan in plans:
        written = write_background(prompt(plan.seed, **file_inputs(plan)), FLAWLESS)["background"]
        assert MIN_BACKGROUND_WORDS <= len(written.split()) <= MAX_BACKGROUND_WORDS


def test_a_background_holds_client_persona_theme_and_all_people(plans: list[Plan]) -> None:
    for plan in plans:
        written = write_background(prompt(plan.seed, **file_inputs(plan)), FLAWLESS)["background"]
        assert plan.client.name in written
        assert plan.theme.description in written
        assert plan.persona.persona[1:].rstrip(".") in written
        assert plan.attributes.conflict_domain in written
        assert plan.attributes.coping.lower() in written.lower()
        assert "{" not in written
        assert names_in(written, plan) >= len(plan.moments) - 1  # a setup may leave the other to what happens next


def test_a_background_tells_everybody_by_name(plans: list[Plan]) -> None:
    """Also where the item will be told as I or you."""
    for plan in plans:
        written = write_background(prompt(plan.seed, **file_inputs(plan)), FLAWLESS)["background"]
        assert not re.search(r"\b(?:I|me|my)\b", re.sub(r'"[^"]*"', "", written)), written


def test_a_case_has_at_most_160_words_and_names_the_client(concise_plans: list[Plan]) -> None:
    for plan in concise_plans:
        written = write_case(prompt(plan.seed, **file_inputs(plan)), FLAWLESS)["case"]
        assert 60 <= len(written.split()) <= MAX_CASE_WORDS
        assert plan.client.name in written
        assert names_in(written, plan) >= 2


@pytest.mark.parametrize("write", [write_background, write_case])
def test_another_seed_words_the_same_file_differently(write: object, plans: list[Plan]) -> None:
    assert callable(write)
    written = {str(write(prompt(seed, **file_inputs(plans[0])), FLAWLESS)) for seed in range(8)}
    assert len(written) == 8
    assert str(write(prompt(3, **file_inputs(plans[0])), FLAWLESS)) in written


def test_a_persona_that_is_a_noun_phrase_is_fitted_into_the_sentence(plans: list[Plan]) -> None:
    given = file_inputs(plans[0])
    for persona, wanted in (
        ("A baker in Nis who hums.", "a baker in Nis who hums"),
        ("The baker whose oven never cools.", "the baker whose oven never cools"),
        ("Bakes in Nis. Hums.", "Bakes in Nis. Hums."),
        ("I bake in Nis.", "I bake in Nis."),
    ):
        for seed in range(6):
            assert wanted in write_case(prompt(seed, **{**given, "persona": persona}), FLAWLESS)["case"]


def test_a_client_tells_their_own_story_as_i_and_that_of_others_by_name(plans: list[Plan]) -> None:
    for plan in plans:
        for number, moment in enumerate(plan.moments):
            message = client_says(plan, moment, number)
            own = moment.subject == plan.client
            assert bool(re.search(rf"\b{moment.subject.name}\b", message)) is not own, message
            assert re.search(rf"\b{moment.other.name}\b", message), message


def test_a_client_opens_with_a_greeting_an_event_and_a_doubt(plans: list[Plan]) -> None:
    for plan in plans:
        message = client_says(plan, plan.moments[0], plan.seed, heard="")
        assert message.startswith(phrases().client["greet"])
        assert message.endswith(phrases().client["doubt"])
        assert plan.moments[0].other.name in message


@pytest.mark.parametrize("stage", STAGES)
def test_a_client_speaks_from_the_stage_that_is_reached(stage: str, plans: list[Plan]) -> None:
    for plan in plans:
        message = client_says(plan, plan.moments[0], plan.seed, stage=f"{stage}: in some words")
        assert message.startswith(phrases().stages[stage])


def test_a_client_answers_in_at_most_three_sentences(plans: list[Plan]) -> None:
    for plan in plans:
        for number, moment in enumerate(plan.moments):
            for stage in STAGES:
                message = client_says(plan, moment, number, stage=f"{stage}: x")
                assert count_sentences(message) <= MAX_SENTENCES, message


def test_a_client_does_not_say_the_same_of_a_stage_twice(plans: list[Plan]) -> None:
    heard = "THERAPIST: So?"
    for number in range(len(phrases().stages["torn"])):
        message = client_says(plans[0], plans[0].moments[0], number, heard=heard)
        reaction = next(line for line in phrases().stages["torn"] if message.startswith(line))
        assert reaction not in heard
        heard += f"\nCLIENT: {message}"


def test_a_client_with_nothing_left_to_tell_brings_up_no_one(plans: list[Plan]) -> None:
    for seed in range(20):
        message = client_says(plans[0], None, seed, stage="steadier: brief")
        assert plans[0].client.name not in message
        assert names_in(message, plans[0]) == 0
        said = [line for line in phrases().stages["steadier"] if line in message]
        assert 1 < len(said) <= MAX_SENTENCES
        assert len(message) == sum(map(len, said)) + len(said) - 1


def test_a_client_at_risk_says_so_and_tells_nothing_else(plans: list[Plan]) -> None:
    for seed in range(20):
        message = client_says(plans[0], None, seed, stage=RISK)
        assert message in phrases().client["risk"]
        assert voices_risk(message)


def test_a_client_labels_no_feeling_unless_by_mistake(plans: list[Plan]) -> None:
    for plan in plans:
        moment = next(moment for moment in plan.moments if moment.task == "EU")
        inputs = {
            "client": f"{plan.client.name} (she)",
            "stage": "torn: x",
            "moment": moment.brief(),
            "recent_turns": "x",
        }
        clean = speak_as_client(prompt(**inputs), FLAWLESS)
        faulty = speak_as_client(prompt(**inputs), always("names_feeling"))
        assert find_emotion_words(clean["message"]) == []
        assert not SPOTS["names_feeling"]({}, clean)
        assert SPOTS["names_feeling"]({}, faulty)


def test_a_client_speaks_for_the_therapist_only_by_mistake(plans: list[Plan]) -> None:
    inputs = {"client": "Mira (she)", "stage": "torn: x", "moment": "none", "recent_turns": "THERAPIST: So?"}
    assert "THERAPIST" not in speak_as_client(prompt(**inputs), FLAWLESS)["message"]
    assert SPOTS["speaks_for_both"]({}, speak_as_client(prompt(**inputs), always("speaks_for_both")))


@pytest.mark.parametrize("phase", PHASES)
def test_the_therapist_quotes_the_client_and_asks_a_question_not_asked_before(phase: str) -> None:
    messages: list[str] = []
    for seed in range(6):
        message = therapist_says(SAID, phase, seed, tuple(messages))
        assert f"“{SAID}”" in message
        assert message.endswith("?")
        question = next(q for lines in phrases().therapist.values() for q in lines if message.endswith(q))
        assert not any(question in earlier for earlier in messages)
        messages.append(message)


@pytest.mark.parametrize(("phase", "kind"), list(zip(PHASES, ("facts", "meaning", "perspective"), strict=True)))
def test_the_question_belongs_to_the_phase(phase: str, kind: str) -> None:
    for seed in range(20):
        assert therapist_says(SAID, phase, seed).endswith(phrases().therapist[kind])


def test_a_long_sentence_is_quoted_in_part() -> None:
    said = "I " + "walked on and " * 20 + "came home."
    message = therapist_says(said, PHASES[0])
    quote = message.partition("“")[2].partition("”")[0]
    assert quote.endswith(" …")
    assert said.startswith(quote.removesuffix(" …"))
    assert len(quote.split()) == MAX_QUOTE_WORDS + 1


def test_a_quotation_does_not_break_off_inside_another() -> None:
    stock = phrases().stages["guarded"][0]
    said = f'{stock} "If this passes, I am off and I shall not come back to you," said Bo, "and you pay for it."'
    for seed in range(20):
        quote = therapist_says(said, PHASES[0], seed).partition("“")[2].partition("”")[0]
        assert quote.count('"') % 2 == 0, quote


def test_the_therapist_quotes_what_was_told_rather_than_a_stock_phrase() -> None:
    stock = phrases().stages["torn"][0]
    for seed in range(20):
        assert f"“{SAID}”" in therapist_says(f"{stock} {SAID}", PHASES[1], seed)


@pytest.mark.parametrize("said", phrases().client["risk"])
def test_the_therapist_puts_safety_first_when_life_is_at_risk(said: str) -> None:
    for seed in range(6):
        message = therapist_says(said, PHASES[2], seed)
        assert message in phrases().therapist["safety"]
        assert puts_safety_first(message)


def test_the_therapist_puts_safety_first_when_told_to() -> None:
    assert puts_safety_first(therapist_says(phrases().client["risk"][0], "safety: comes before anything else"))


def test_once_the_question_is_answered_the_next_hours_are_settled() -> None:
    held = phrases().client["held"][0]
    assert therapist_says(held, "safety: comes before anything else") in phrases().therapist["settled"]


def test_an_answer_at_risk_is_not_given_twice() -> None:
    said = phrases().client["risk"][0]
    before: list[str] = []
    for seed in range(len(phrases().therapist["safety"])):
        before.append(therapist_says(said, PHASES[2], seed, tuple(before)))
    assert len(set(before)) == len(before)


@pytest.mark.parametrize("mistake", ["closed_question", "early_advice"])
def test_a_faulty_question_is_asked_only_by_mistake(mistake: Mistake) -> None:
    for seed in range(10):
        assert not SPOTS[mistake]({}, {"message": therapist_says(SAID, PHASES[0], seed)})
        assert SPOTS[mistake]({}, {"message": therapist_says(SAID, PHASES[0], seed, flaws=always(mistake))})


def test_a_turn_is_repeated_only_by_mistake_and_never_at_risk() -> None:
    before = ("What happened?", "And then?")
    assert therapist_says(SAID, PHASES[0], before=before) not in before
    assert therapist_says(SAID, PHASES[0], before=before, flaws=always("repeats_turn")) == "And then?"
    risk = phrases().client["risk"][0]
    assert puts_safety_first(therapist_says(risk, PHASES[0], before=before, flaws=always("repeats_turn")))


def test_a_dialogue_has_five_rounds_and_tells_one_moment_in_each(concise_plans: list[Plan]) -> None:
    for plan in concise_plans:
        messages = dialogue(plan)
        assert len(messages) == 2 * ROUNDS
        assert len(set(messages)) == len(messages)
        for number, moment in enumerate(plan.moments[:ROUNDS]):
            assert re.search(rf"\b{moment.other.name}\b", messages[2 * number])


def test_a_dialogue_goes_through_stages_and_phases(concise_plans: list[Plan]) -> None:
    kinds = ("facts", "facts", "meaning", "meaning", "perspective")
    for plan in concise_plans:
        messages = dialogue(plan)
        assert messages[0].startswith(phrases().client["greet"])
        for number in range(1, ROUNDS):
            assert messages[2 * number].startswith(phrases().stages[STAGES[number]])
        for number, kind in enumerate(kinds):
            assert messages[2 * number + 1].endswith(phrases().therapist[kind])
        asked = [q for q in chain.from_iterable(phrases().therapist.values()) for m in messages[1::2] if m.endswith(q)]
        assert len(asked) == len(set(asked)) == ROUNDS


@pytest.mark.parametrize(
    "mistake", ["names_feeling", "speaks_for_both", "repeats_turn", "closed_question", "early_advice"]
)
def test_a_dialogue_has_a_fault_only_by_mistake(mistake: Mistake, concise_plans: list[Plan]) -> None:
    for plan in concise_plans:
        assert not SPOTS[mistake]({}, {"messages": dialogue(plan)})
        assert SPOTS[mistake]({}, {"messages": dialogue(plan, always(mistake))})


def test_the_supervisor_is_content_when_every_planned_moment_has_been_told(plans: list[Plan]) -> None:
    for plan in plans:
        planned = "\n".join(f"a kind: about {m.subject.name}, with {m.other.name}" for m in plan.moments)
        lines = [f"CLIENT: {client_says(plan, moment, n)}" for n, moment in enumerate(plan.moments)]
        doubt = ["CLIENT: But I also know that there is another side."]
        assert all(supervise(prompt(planned=planned, transcript="\n".join(lines + doubt)), FLAWLESS).values())
        early = supervise(prompt(planned=planned, transcript="\n".join(lines[:-1] + doubt)), FLAWLESS)
        assert early["scenario_clear"]
        assert not early["rich_enough"]


def test_the_supervisor_misses_a_doubt_that_nobody_voiced() -> None:
    planned, said = "a: about Mira, with Bo\nb: about Mira, with Ada", "CLIENT: Bo sang. Ada came."
    seen = supervise(prompt(planned=planned, transcript=said), FLAWLESS)
    assert [name for name, value in seen.items() if not value] == ["dilemma_present"]


def test_the_supervisor_is_content_with_nothing_before_anything_was_told() -> None:
    planned = "a: about Mira, with Bo\nb: about Mira, with Ada"
    assert not any(supervise(prompt(planned=planned, transcript="CLIENT: I came by tram."), FLAWLESS).values())
