from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import combinations

import pytest
from dspy.lm15 import InvalidRequestError
from hypothesis import given, settings
from hypothesis import strategies as st

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Moment, Narration, Person, Plan, Pronouns
from corpus.taxonomy import load_taxonomy
from lms.scripted.events import VOICES, Event, Voice
from lms.scripted.frames import FORMS, Frame, UnderstandingTurn, load_frames
from lms.scripted.prompt import read_moments

MIRA, BO = Person(name="Mira", pronouns="she"), Person(name="Bo", pronouns="he")


def all_frames() -> list[Frame]:
    return [frame for frame_file in load_frames() for frame in frame_file.frames]


def frame_named(name: str) -> Frame:
    return next(frame for frame in all_frames() if frame.id == name)


def event(frame: Frame, pronouns: str = "she", other: str = "he", voice: Voice = "", number: int = 0) -> Event:
    details = tuple((name, fillings[0]) for name, fillings in frame.vary.items())
    return Event(frame, number, details, ("Mira", pronouns), ("Bo", other), voice, 0, "s1-00000-m0")


def plannable_moments(variant: int = 0, narration: Narration = "third person") -> list[Moment]:
    """Every label that a plan may set."""
    taxonomy = load_taxonomy()
    labels = [
        ("EU", taxonomy.coarse_of(name), name, "", aim)
        for name, sub in taxonomy.sub_categories.items()
        for aim in sub.aims
    ]
    labels += [
        ("EA", name, "", question_type, need)
        for name, category in taxonomy.ea.categories.items()
        for question_type, needs in category.calls_for.items()
        for need in needs
    ]
    return [
        Moment(
            id=f"s1-00000-m{number}", task=task, category=category, sub_category=sub, question_type=question_type,
            aim=aim, appraisal="because", build="a cue", narration=narration, variant=variant, subject=MIRA, other=BO,
        )
        for number, (task, category, sub, question_type, aim) in enumerate(labels)
    ]  # fmt: skip


def event_of(moment: Moment) -> Event:
    return Event.of(read_moments(moment.brief())[0])


def test_every_plannable_label_has_an_event_that_is_true_to_it() -> None:
    for variant in (0, 5, 41):
        for moment in plannable_moments(variant):
            turn = event_of(moment).turn
            assert (turn.emotion if isinstance(turn, UnderstandingTurn) else turn.need) == moment.aim


def test_the_same_moment_is_the_same_event_alone_and_among_others(plans: list[Plan]) -> None:
    for plan in plans:
        together = read_moments("\n\n".join(moment.brief() for moment in plan.moments))
        assert [Event.of(lines) for lines in together] == [event_of(moment) for moment in plan.moments]


def test_the_variants_of_a_label_go_through_its_situations_in_turn() -> None:
    for moment in plannable_moments():
        told = [event_of(moment.model_copy(update={"variant": variant})) for variant in range(12)]
        places = [(e.frame.id, e.number) for e in told]
        several = len(set(places))
        assert several >= 2, moment.aim
        assert len(set(places[:several])) == several
        assert places[several:] == places[:-several]


def test_thirty_six_tellings_of_an_event_share_at_most_one_text_in_three() -> None:
    for moment in plannable_moments()[::7]:
        scenes = defaultdict(list)
        for variant in range(FORMS * FORMS * 12):
            told = event_of(moment.model_copy(update={"variant": variant}))
            bare = Event(
                told.frame, told.number, event(told.frame).details, told.subject, told.other, "", told.telling, "k"
            )
            if told.telling < FORMS * FORMS:
                scenes[told.frame.id, told.number].append(bare.scene())
        for tellings in scenes.values():
            assert len({tuple(scene) for scene in tellings}) == len(tellings) > 1
            for one, two in combinations(tellings, 2):
                assert sum(a == b for a, b in zip(one, two, strict=True)) <= 1


def test_all_forms_of_every_text_are_told_equally_often() -> None:
    frame = frame_named("timetable_holiday")
    tellings = [
        Event(frame, 0, event(frame).details, ("Mira", "she"), ("Bo", "he"), "", telling, "k").scene()
        for telling in range(FORMS * FORMS)
    ]
    for slot in range(3):
        assert set(Counter(scene[slot] for scene in tellings).values()) == {FORMS}


def test_each_turn_of_a_frame_is_the_truth_as_often_as_the_others() -> None:
    seen = Counter((e.frame.id, e.number) for v in range(6) for e in map(event_of, plannable_moments(v)))
    for frame in all_frames():
        counts = [seen[frame.id, number] for number in range(4)]
        assert min(counts) > 0, frame.id
        assert max(counts) < 0.5 * sum(counts), (frame.id, counts)  # choices alone must not tell


def test_another_moment_of_the_same_telling_has_other_details() -> None:
    moment = plannable_moments()[0]
    details = {event_of(moment.model_copy(update={"id": f"s1-{number:05d}-m0"})).details for number in range(40)}
    assert len(details) > 5
    told = event_of(moment)
    assert all(filling in told.frame.vary[name] for name, filling in told.details)


def test_an_event_knows_its_three_other_turns() -> None:
    for told in map(event_of, plannable_moments()):
        assert len(told.others) == 3
        assert told.turn not in told.others


@pytest.mark.parametrize(
    ("narration", "subject"), [("third person", "Mira"), ("first person", "I"), ("second person", "You")]
)
def test_the_one_asked_for_is_named_as_the_scenario_tells_of_them(narration: Narration, subject: str) -> None:
    for told in map(event_of, plannable_moments(narration=narration)):
        about_other = isinstance(told.turn, UnderstandingTurn) and told.turn.who == "O"
        assert told.asked == ("Bo" if about_other else subject)


@pytest.mark.parametrize("narration", VOICES)
def test_a_scene_is_told_in_the_person_that_the_moment_names(narration: Narration) -> None:
    for moment in plannable_moments(narration=narration):
        scene = event_of(moment).scene()
        assert len(scene) == (3 if moment.task == "EU" else 2)
        told = re.sub(r'"[^"]*"|thank.you|your own hand', "", " ".join(scene))
        words = set(re.findall(r"\w+", told))
        assert ("Mira" in words) == (narration == "third person"), told
        assert bool(words & {"I", "me", "my", "My"}) == (narration == "first person"), told
        assert bool(words & {"You", "you", "your", "Your"}) == (narration == "second person"), told


def test_a_moment_without_a_narration_or_variant_is_the_first_telling_in_the_third_person() -> None:
    lines = read_moments(plannable_moments()[0].brief())[0]
    told = Event.of({name: value for name, value in lines.items() if name not in ("told in", "variant")})
    assert (told.voice, told.telling) == ("", 0)


@pytest.mark.parametrize(
    ("pronouns", "voice", "wanted"),
    [
        ("she", "", "Mira was late. Her bag, she said, was Mira's. Bo saw Mira hurt herself."),
        ("he", "", "Mira was late. His bag, he said, was Mira's. Bo saw Mira hurt himself."),
        ("they", "", "Mira was late. Their bag, they said, was Mira's. Bo saw Mira hurt themselves."),
        ("she", "I", "I was late. My bag, I said, was my. Bo saw me hurt myself."),
        ("she", "you", "You were late. Your bag, you said, was your. Bo saw you hurt yourself."),
    ],
)
def test_slots_take_the_persons_forms(pronouns: Pronouns, voice: Voice, wanted: str) -> None:
    text = "{S} was late. {His} bag, {he} said, was {S's}. {O} saw {Sobj} hurt {himself}."
    assert event(all_frames()[0], pronouns).tell(text, voice) == wanted


@pytest.mark.parametrize(
    ("other", "wanted"), [("she", "She saw her bag"), ("he", "He saw his bag"), ("they", "They saw their bag")]
)
def test_the_other_person_has_pronouns_of_their_own(other: str, wanted: str) -> None:
    assert event(all_frames()[0], "she", other).tell("{o_He} saw {o_his} bag", "I") == wanted


@pytest.mark.parametrize(
    ("pronouns", "voice", "wanted"),
    [("she", "", "was"), ("they", "", "were"), ("he", "I", "was"), ("he", "you", "were")],
)
def test_the_verb_follows_the_pronoun(pronouns: str, voice: Voice, wanted: str) -> None:
    assert event(all_frames()[0], pronouns).tell("Late as {he} {was}", voice).endswith(wanted)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{S} was late, and {O} saw that {he} {was} tired.", "You were late, and Bo saw that you were tired."),
        ("What was a rag to {Sobj} was holy to {O}.", "What was a rag to you was holy to Bo."),
        ("The uncle who had raised {him} was dead.", "The uncle who had raised you was dead."),
    ],
)
def test_only_the_verb_of_the_one_addressed_changes(text: str, wanted: str) -> None:
    assert event(all_frames()[0]).tell(text, "you") == wanted


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("{S} and {O} left; {O} saw {Sobj}.", "Bo and I left; Bo saw me."),
        ("At noon {O} and {S} left.", "At noon Bo and I left."),
    ],
)
def test_one_who_tells_names_the_other_first(text: str, wanted: str) -> None:
    assert event(all_frames()[0]).tell(text, "I") == wanted


def test_a_detail_that_begins_a_sentence_gets_a_capital() -> None:
    told = event(frame_named("shared_allotment_crop")).tell(
        '{cover} lay there. "{cover}?" asked {O}. Under {cover} it was dark.'
    )
    cover = frame_named("shared_allotment_crop").vary["cover"][0]
    start = cover[0].upper() + cover[1:]
    assert told == f'{start} lay there. "{start}?" asked Bo. Under {cover} it was dark.'


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ('"Now?" {he} asked.', '"Now?" you asked.'),
        ('"Now!" {he} cried out.', '"Now!" you cried out.'),
        ('"Now." {He} left. {he} ran.', '"Now." You left. You ran.'),
        ('"Now?" {he} turned pale.', '"Now?" You turned pale.'),
    ],
)
def test_a_pronoun_gets_a_capital_unless_it_only_names_the_speaker(text: str, wanted: str) -> None:
    assert event(all_frames()[0]).tell(text, "you") == wanted


def test_a_form_is_chosen_by_moment_and_use() -> None:
    frame = all_frames()[0]
    keys = [f"s1-{number:05d}-m0" for number in range(60)]
    for use in ("item", "background"):
        told = [Event(frame, 0, event(frame).details, ("Mira", "she"), ("Bo", "he"), "", 0, key) for key in keys]
        chosen = [e.form(frame.setup, use) for e in told]
        assert chosen == [e.form(frame.setup, use) for e in told]
        assert len(set(chosen)) == FORMS
        assert set(chosen) == {told[0].tell(text) for text in frame.setup}


def test_uses_of_one_event_sound_different() -> None:
    told = [event_of(moment) for moment in plannable_moments()]
    same = sum(e.form(e.turn.happens, "item") == e.form(e.turn.happens, "background") for e in told)
    assert same < 0.35 * len(told)


def test_a_label_that_no_frame_has_is_refused_by_name(plans: list[Plan]) -> None:
    lines = read_moments(plans[0].moments[0].brief())[0]
    lines |= {"task": "EU", "sub-category": "persona", "emotion": "Hunger"}
    with pytest.raises(InvalidRequestError, match="no event for persona / Hunger"):
        Event.of(lines)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_moments_of_any_seed_are_told_whole(seed: int) -> None:
    for plan in make_plans(PlanConfig(sessions=2), seed):
        for moment in plan.moments:
            told = event_of(moment)
            assert (told.subject[0], told.other[0]) == (moment.subject.name, moment.other.name)
            scene = " ".join(told.scene())
            assert moment.other.name in scene
            assert not set("{}") & set(scene)
