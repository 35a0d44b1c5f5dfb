from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import dspy
import pytest

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import ApplicationItem, Moment, UnderstandingItem
from corpus.seeds import rng_for
from lms.build import build_lm
from lms.scripted.faults import SPOTS
from lms.scripted.judge import (
    IMAGINES,
    MISREADS,
    OVERLOOKS,
    answer_exam,
    compare_scenarios,
    judge_session,
    review,
    review_explanation,
)
from lms.scripted.mistakes import Mistakes
from lms.scripted.names import Mistake
from lms.scripted.phrases import phrases
from lms.scripted.prompt import Prompt
from lms.scripted.recognise import recognise_scenario
from lms.scripted.writers import write_application, write_understanding
from lms.spec import ModelSpec
from signatures.exam import exam_inputs, exam_signature
from signatures.exam_adapter import ExamAdapter
from signatures.formats import LETTERS
from signatures.judging import (
    CLIENT_FAULTS,
    EXPLANATION_SCORES,
    ITEM_FAULTS,
    SESSION_SCORES,
    THERAPIST_FAULTS,
    ReviewMessage,
)

Item = UnderstandingItem | ApplicationItem

NONE = Mistakes({})
SURE = 4  # standard errors that a share may lie beside its expectation
RUBRIC = "\n".join(f"{name}: {about}" for name, about in ITEM_FAULTS.items())

FOREIGN: list[Item] = [  # of our own hand, about nothing that the teacher knows
    UnderstandingItem(
        qid="f1", subject="Jonas", coarse_category="complex_emotions", finegrained_category="unexpected_outcome",
        scenario="Jonas had waited three years for the transplant list to move. When the surgeon rang at dawn he let "
        "the kettle boil dry, sat down on the kitchen floor, and could not say one word to his wife.",
        emotion_choices=("Boredom", "Relief", "Jealousy", "Disgust", "Pride", "Amusement"), emotion_label="Relief",
        cause_choices=(
            "The operation that nobody dared to hope for will take place", "The kettle is ruined beyond repair",
            "Surgeons ought not to ring before breakfast", "Silence between spouses has become a habit",
        ),
        cause_label="The operation that nobody dared to hope for will take place",
    ),
    ApplicationItem(
        qid="f2", subject="Keiko's coach", category="Personal-Others", question_type="Response",
        scenario="Keiko walked past the cameras without a glance and threw her silver medal into the nearest bin. Her "
        "coach found her an hour later in the empty locker room, still in her skates.",
        choices=(
            "“Second in the world is nothing to sulk about.”", "“I brought your shoes. Shall I sit here a while?”",
            "“Next year we train twice as hard.”", "“The judges robbed you, and I will tell them so.”",
        ),
        label="“I brought your shoes. Shall I sit here a while?”",
    ),
]  # fmt: skip


@pytest.fixture(scope="module")
def moments() -> list[Moment]:
    return [moment for plan in make_plans(PlanConfig(sessions=50), seed=13) for moment in plan.moments]


def prompt(seed: int, outputs: Sequence[str] = (), **inputs: str) -> Prompt:
    return Prompt(inputs, tuple(outputs), "chat", seed)


def write(moment: Moment, *made: Mistake) -> dict[str, Any]:
    writer = write_understanding if moment.task == "EU" else write_application
    return writer(prompt(1, moment=moment.brief()), Mistakes(dict.fromkeys(made, 1.0)))


def reviewed(item: dict[str, Any], seed: int = 0, rubric: str = RUBRIC) -> dict[str, Any]:
    """The judge's view of an item, given as an adapter would give it."""
    given = {name: value if isinstance(value, str) else json.dumps(value) for name, value in item.items()}
    del given["misreadings"], given["explanation"]
    return review(prompt(seed, ("remarks", "faults"), **given, rubric=rubric), NONE)


def explained(item: dict[str, Any], seed: int = 0, **other: str) -> dict[str, Any]:
    """The judge's scores of an item's explanation."""
    if "cause" in item:
        right, wrong = f"{item['emotion']}, because: {item['cause']}", [*item["wrong_emotions"], *item["wrong_causes"]]
    else:
        right, wrong = item["best"], item["wrong"]
    given = {
        "scenario": item["scenario"], "question": "What, and why?", "right_answer": right,
        "wrong_answers": "\n".join(f"- {text}" for text in wrong), "explanation": item["explanation"],
    }  # fmt: skip
    return review_explanation(prompt(seed, ("remarks", *EXPLANATION_SCORES), **(given | other)), NONE)


def as_item(moment: Moment) -> Item:
    """The item of a moment, with its choices shuffled."""
    written, rng = write(moment), rng_for("shuffle", moment.id)

    def mix(right: str, wrong: list[str]) -> tuple[str, ...]:
        return tuple(rng.sample([right, *wrong], 1 + len(wrong)))

    shared = {"qid": moment.id, "scenario": written["scenario"], "subject": written["subject"]}
    if moment.task == "EU":
        return UnderstandingItem(
            **shared, coarse_category=moment.category, finegrained_category=moment.sub_category,
            emotion_choices=mix(written["emotion"], written["wrong_emotions"]), emotion_label=written["emotion"],
            cause_choices=mix(written["cause"], written["wrong_causes"]), cause_label=written["cause"],
        )  # fmt: skip
    return ApplicationItem(
        **shared, category=moment.category, question_type=moment.question_type or "Action",
        choices=mix(written["best"], written["wrong"]), label=written["best"],
    )  # fmt: skip


def examined(item: Item, seed: int = 0) -> dict[str, str]:
    """The judge's answer to an item in the reasoned format."""
    signature = exam_signature(item.task, "reasoned")
    given = {name: v if isinstance(v, str) else json.dumps(v) for name, v in exam_inputs(item).items()}
    return answer_exam(prompt(seed, list(signature.output_fields), **given), NONE)


def rights(item: Item, answer: dict[str, str]) -> Iterator[bool]:
    """Whether the answer to each question is right."""
    letters = [value for name, value in answer.items() if name.startswith("answer")]
    for (choices, label), letter in zip(item.questions, letters, strict=True):
        yield choices[LETTERS.index(letter)] == label


def assert_share(found: Sequence[bool], expected: float) -> None:
    share, error = sum(found) / len(found), (expected * (1 - expected) / len(found)) ** 0.5
    assert abs(share - expected) < SURE * error, f"{share:.3f} of {len(found)}, expected {expected}"


def said_most(looks: Sequence[dict[str, Any]], score: str) -> str:
    """The level that most looks give a score."""
    levels = [look[score] for look in looks]
    return str(max(set(levels), key=levels.count))


@pytest.mark.parametrize("mistake", ITEM_FAULTS)
def test_a_fault_that_is_there_is_found_in_nineteen_of_twenty_cases(mistake: Mistake, moments: list[Moment]) -> None:
    told = [moment for moment in moments if SPOTS[mistake]({}, write(moment, mistake))]
    found = [mistake in reviewed(write(moment, mistake), seed)["faults"] for seed, moment in enumerate(told)]
    assert len(found) > 50
    assert_share(found, 1 - OVERLOOKS)


def test_a_fault_that_is_not_there_is_found_in_one_of_fifty_cases(moments: list[Moment]) -> None:
    faults = [reviewed(write(moment))["faults"] for moment in moments]
    assert_share([name in found for found in faults for name in ITEM_FAULTS], IMAGINES)
    assert 0.8 < sum(not found for found in faults) / len(faults) < 0.92


def test_a_second_look_with_another_seed_errs_elsewhere(moments: list[Moment]) -> None:
    clean = [write(moment) for moment in moments[:300]]
    looks = [[bool(reviewed(item, seed)["faults"]) for item in clean] for seed in (1, 2)]
    both = sum(first and second for first, second in zip(*looks, strict=True))
    assert 0 <= both < 0.5 * min(map(sum, looks))
    assert reviewed(clean[0], 1) == reviewed(clean[0], 1)


def test_remarks_say_what_was_found_and_come_with_it(moments: list[Moment]) -> None:
    for moment in moments[:100]:
        found = reviewed(write(moment, "absurd_distractor", "long_key"))
        assert all(ITEM_FAULTS[name] in found["remarks"] for name in found["faults"])
        assert found["remarks"]


def test_only_names_of_the_rubric_are_found(moments: list[Moment]) -> None:
    rubric = "zebra: the item has stripes\nlong_key: the right answer is longer\n\nA note to the judge, without a name."
    seen: set[str] = set()
    for moment in moments:
        item = write(moment, "absurd_distractor", "long_key")
        seen.update(reviewed(item, rubric=rubric)["faults"])
        assert reviewed(item, rubric="")["faults"] == []
    assert "long_key" in seen
    assert seen <= {"long_key", "zebra"}


@pytest.mark.parametrize("adapter", [dspy.ChatAdapter, dspy.JSONAdapter])
@pytest.mark.parametrize(
    ("speaker", "message", "fault"),
    [
        ("CLIENT", "I felt nothing but anger. The bus had gone.", "names_feeling"),
        ("CLIENT", "The bus had gone. THERAPIST: And then?", "speaks_for_both"),
        ("THERAPIST", "Where did you go?", "repeats_turn"),
        ("THERAPIST", "You waited. Did you sleep badly after that?", "closed_question"),
        ("THERAPIST", "You waited. My advice is to write a letter. What would stand in it?", "early_advice"),
        ("CLIENT", "The bus had gone.", ""),
        ("THERAPIST", "You waited. What did you do with your hands?", ""),
    ],
)
def test_a_message_is_reviewed_by_the_rubric_of_its_speaker(
    adapter: type[dspy.Adapter], speaker: str, message: str, fault: str
) -> None:
    faults = CLIENT_FAULTS if speaker == "CLIENT" else THERAPIST_FAULTS
    rubric = "\n".join(f"{name}: {about}" for name, about in faults.items())
    recent = "CLIENT: I left early.\nTHERAPIST: Where did you go?\nCLIENT: To the bus."
    with dspy.context(lm=build_lm(ModelSpec(model="scripted/counsel", mistakes={})), adapter=adapter()):
        looks = [
            dspy.Predict(ReviewMessage)(
                speaker=speaker, recent_turns=recent, message=message, rubric=rubric, config={"seed": seed}
            ).faults
            for seed in range(15)
        ]
    assert {name for name in faults if sum(name in look for look in looks) > len(looks) / 2} == {fault} - {""}


@pytest.mark.parametrize(
    ("mistake", "score"),
    [
        ("generic_explanation", "cites"),
        ("generic_explanation", "rules_out"),
        ("foreign_fact", "stays_within"),
        ("contradicts_key", "reaches_key"),
    ],
)
def test_a_fault_of_an_explanation_is_scored_no_in_nineteen_of_twenty_cases(
    mistake: Mistake, score: str, moments: list[Moment]
) -> None:
    told = [moment for moment in moments if moment.narration == "third person"]
    scores = [explained(write(moment, mistake), seed)[score] for seed, moment in enumerate(told)]
    assert len(scores) > 100
    assert_share([level == "no" for level in scores], 1 - OVERLOOKS)


def test_a_sound_explanation_is_scored_yes_but_for_one_score_in_fifty(moments: list[Moment]) -> None:
    looks = [explained(write(moment), seed) for seed, moment in enumerate(moments)]
    levels = [look[score] for look in looks for score in EXPLANATION_SCORES]
    assert_share([level == "no" for level in levels], IMAGINES)
    assert levels.count("yes") > 0.96 * len(levels)
    for look in looks:
        assert ("no" in [look[score] for score in EXPLANATION_SCORES]) == (
            look["remarks"].partition(":")[0] in {line.partition(":")[0] for line in phrases().judge["found"]}
        )


def test_an_explanation_between_the_levels_is_scored_partly(moments: list[Moment]) -> None:
    item = write(moments[0])
    unquoted = item["explanation"].replace("“", "„")
    elsewhere = "The cue is “nobody came”. Therefore it is so."
    for text, score, level in (
        (elsewhere, "cites", "partly"), (unquoted, "cites", "no"), (elsewhere, "reaches_key", "partly"),
    ):  # fmt: skip
        assert said_most([explained(item, seed, explanation=text) for seed in range(9)], score) == level


def test_an_explanation_of_another_hand_is_never_faulted_by_a_guess() -> None:
    item = {"scenario": FOREIGN[0].scenario, "emotion": "Relief", "wrong_emotions": ["Pride"], "cause": "It is over",
            "wrong_causes": ["It began"], "explanation": "It is so."}  # fmt: skip
    looks = [explained(item, seed) for seed in range(100)]
    assert {look[score] for look in looks for score in EXPLANATION_SCORES} == {"partly", "yes"}
    assert all("guess" in look["remarks"] for look in looks)


def session_of(moments: list[Moment], count: int = 5) -> list[str]:
    """A session as the teacher holds it: an event in each client message, a question of the phase after it."""
    lines = phrases()
    told = []
    for number, (stage, moment) in enumerate(zip(list(lines.stages)[:count], moments, strict=False)):
        doubt = f" {lines.client['doubt'][0]}" if not number else ""
        phase = ("facts", "facts", "meaning", "meaning", "perspective")[number]
        told.append(f"CLIENT: {lines.stages[stage][0]} {write(moment)['scenario']}{doubt}")
        told.append(f"THERAPIST: You were there. {lines.therapist[phase][number]}")
    return told


def judged(transcript: list[str], seeds: int = 15) -> dict[str, str]:
    """What the judge scores in most looks."""
    outputs = ("remarks", *SESSION_SCORES)
    looks = [judge_session(prompt(seed, outputs, transcript="\n".join(transcript)), NONE) for seed in range(seeds)]
    return {score: said_most(looks, score) for score in SESSION_SCORES}


def test_a_session_of_its_own_is_scored_by_what_stands_in_it(moments: list[Moment]) -> None:
    sound, fine = session_of(moments[:5]), dict.fromkeys(SESSION_SCORES, "yes")
    advice = "THERAPIST: You waited. You should simply tell them so. What holds you back?"
    doubt = phrases().client["doubt"][0]
    label = "CLIENT: I felt nothing but anger. "
    assert judged(sound) == fine
    assert judged([sound[0], advice, *sound[2:]]) == fine | {"follows_phases": "partly"}
    assert judged([sound[0], advice, sound[2], advice, *sound[4:]]) == fine | {"follows_phases": "no"}
    assert judged([*sound[:8], sound[8], sound[1]]) == fine | {"follows_phases": "partly"}
    assert judged([sound[0].replace("CLIENT: ", label), *sound[1:]]) == fine | {"shows_feeling": "no"}
    assert judged([*sound[:2], sound[2].replace("CLIENT: ", label), *sound[3:]]) == fine | {"shows_feeling": "partly"}
    assert judged([f"CLIENT: It is a lot. {doubt}", *sound[1:]]) == fine | {"opens_with_event": "partly"}
    assert judged([f"CLIENT: So much. {doubt}", sound[1], "CLIENT: Yes.", *sound[3:]])["opens_with_event"] == "no"
    assert judged([sound[0].replace(f" {doubt}", ""), *sound[1:]])["has_conflict"] == "partly"  # torn comes later
    assert judged([sound[0].replace(f" {doubt}", ""), *sound[1:4]])["has_conflict"] == "no"
    assert judged(sound[:4])["feeling_moves"] == "partly"
    assert judged(sound[:2])["feeling_moves"] == "no"


def test_a_session_is_misjudged_at_the_stated_rates(moments: list[Moment]) -> None:
    sound = "\n".join(session_of(moments[:5]))
    labelled = sound.replace("CLIENT: ", "CLIENT: I felt nothing but anger. ", 1)
    outputs = ("remarks", *SESSION_SCORES)
    looks = [judge_session(prompt(seed, outputs, transcript=sound), NONE) for seed in range(300)]
    assert_share([look[score] == "no" for look in looks for score in SESSION_SCORES], IMAGINES)
    looks = [judge_session(prompt(seed, outputs, transcript=labelled), NONE) for seed in range(300)]
    assert_share([look["shows_feeling"] == "no" for look in looks], 1 - OVERLOOKS)


def test_a_session_of_another_hand_is_never_faulted_by_a_guess() -> None:
    talk = "CLIENT: I felt nothing but anger.\nTHERAPIST: You should rest. You should tell them."
    looks = [judge_session(prompt(n, ("remarks", *SESSION_SCORES), transcript=talk), NONE) for n in range(60)]
    assert {look[score] for look in looks for score in SESSION_SCORES} == {"partly", "yes"}
    assert all("guess" in look["remarks"] for look in looks)


def test_scenarios_are_compared_by_the_turn_that_they_tell(moments: list[Moment]) -> None:
    texts = [text for moment in moments if recognise_scenario(text := write(moment)["scenario"])]
    pairs = [*combinations(texts[:120], 2), *((text, f"It was a Monday. {text}") for text in texts)]
    seen = {"same story": list[bool](), "same theme": list[bool](), "different": list[bool]()}
    for seed, (one, other) in enumerate(pairs):
        first, second = recognise_scenario(one), recognise_scenario(other)
        assert first
        assert second
        truth = "same story" if first == second else "same theme" if first.frame == second.frame else "different"
        answer = compare_scenarios(prompt(seed, ("remarks", "relation"), scenario=one, exam_scenario=other), NONE)
        seen[truth].append(answer["relation"] == truth)
        assert answer["remarks"] in phrases().judge[answer["relation"].replace(" ", "_")]
    assert min(map(len, seen.values())) > 10
    assert_share(seen["same story"], 1 - OVERLOOKS)
    assert_share(seen["different"], 1 - IMAGINES)


def test_of_texts_of_another_hand_only_the_words_are_compared() -> None:
    one, other = (item.scenario for item in FOREIGN)
    turned = ". ".join(reversed(one.rstrip(".").split(". ")))
    for seed in range(40):
        for text, relation in ((turned, "same story"), (other, "different")):
            asked = prompt(seed, ("remarks", "relation"), scenario=one, exam_scenario=text)
            answer = compare_scenarios(asked, NONE)
            assert answer["relation"] == relation
            assert "guess" in answer["remarks"]


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_options_under_letters_are_answered_as_lists_are(task: str, moments: list[Moment]) -> None:
    for item in [as_item(moment) for moment in moments if moment.task == task][:60]:
        signature = exam_signature(item.task, "reasoned")
        given = {
            name: v if isinstance(v, str) else "\n".join(f"{x}) {c}" for x, c in zip(LETTERS, v, strict=False))  # type: ignore[call-overload]
            for name, v in exam_inputs(item).items()
        }
        assert answer_exam(prompt(0, list(signature.output_fields), **given), NONE) == examined(item)


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_without_the_scenario_it_guesses_at_chance_and_says_so(task: str, moments: list[Moment]) -> None:
    right: list[list[bool]] = []
    items = [as_item(moment) for moment in moments if moment.task == task]
    for seed, item in enumerate(items):
        signature = exam_signature(item.task, "reasoned")
        given = {name: v if isinstance(v, str) else json.dumps(v) for name, v in exam_inputs(item).items()}
        del given["scenario"]
        answer = answer_exam(prompt(seed, list(signature.output_fields), **given), NONE)
        assert "guess" in answer["reasoning"]
        right.append(list(rights(item, answer)))
    for question, (choices, _) in enumerate(items[0].questions):
        assert_share([one[question] for one in right], 1 / len(choices))


@pytest.mark.parametrize("task", ["EU", "EA"])
def test_its_own_questions_are_answered_right_in_nineteen_of_twenty_cases(task: str, moments: list[Moment]) -> None:
    items = [as_item(moment) for moment in moments if moment.task == task]
    answers = [list(rights(item, examined(item))) for item in items]
    assert len(items) > 150
    for question in range(len(answers[0])):
        by_chance = 1 / len(items[0].questions[question][0])
        assert_share([right[question] for right in answers], 1 - MISREADS * (1 - by_chance))


@pytest.mark.parametrize("item", FOREIGN, ids=lambda item: str(item.task))
def test_questions_of_another_hand_are_guessed_at_chance_and_it_says_so(item: Item) -> None:
    answers = [examined(item, seed) for seed in range(600)]
    assert all("guess" in answer["reasoning"] for answer in answers)
    for question, (choices, _) in enumerate(item.questions):
        assert_share([list(rights(item, answer))[question] for answer in answers], 1 / len(choices))


def test_a_known_scenario_is_called_known_and_a_misread_one_a_guess(moments: list[Moment]) -> None:
    items = [as_item(moment) for moment in moments[:200]]
    answers = [examined(item) for item in items]
    known = ["one I know" in answer["reasoning"] for answer in answers]
    assert_share(known, 1 - MISREADS)
    assert all(all(rights(item, answer)) for item, answer, sure in zip(items, answers, known, strict=True) if sure)


def test_where_the_right_answer_stands_does_not_matter(moments: list[Moment]) -> None:
    items = [as_item(moment) for moment in moments if moment.task == "EA"]
    stands = [LETTERS[item.choices.index(item.label)] for item in items if isinstance(item, ApplicationItem)]
    assert {letter: stands.count(letter) > 20 for letter in "ABCD"} == dict.fromkeys("ABCD", True)
    given = [examined(item)["answer"] for item in items]
    assert all(abs(given.count(letter) - stands.count(letter)) < 0.05 * len(items) for letter in "ABCD")


@pytest.mark.parametrize("item", FOREIGN, ids=lambda item: str(item.task))
def test_a_foreign_question_is_guessed_through_the_exam_adapter_too(item: Item) -> None:
    signature, lm = exam_signature(item.task, "letter"), build_lm(ModelSpec(model="scripted/counsel", mistakes={}))
    with dspy.context(lm=lm, adapter=ExamAdapter()):
        texts = [
            next(iter(dspy.Predict(signature)(**exam_inputs(item), config={"seed": seed}).toDict().values()))
            for seed in range(60)
        ]
    for name in signature.output_fields:
        given = {json.loads(text)[name] for text in texts}
        assert 3 <= len(given) <= 6
        assert given <= set("ABCDEF")
