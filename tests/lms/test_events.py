from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import cast

import pytest
from dspy.lm15 import InvalidRequestError

from corpus.records import Moment, Person, Plan, Pronouns
from corpus.taxonomy import load_taxonomy
from lms.scripted.events import Event
from lms.scripted.frames import Frame, UnderstandingTurn, load_frames
from lms.scripted.prompt import read_moments

IDS = 60
LOWER_START = re.compile(r"(?:^|[.!?] )[\"“]?[a-z]")
BROKEN_FIRST_PERSON = re.compile(
    r"\bI's\b|\bI (?:is|has|does|were)\b|\b(?:told|asked|gave|handed|sent|hugged|thanked|from|of|for) I\b"
)
BROKEN_THIRD_PERSON = re.compile(r"\b[Tt]hey (?:was|is|has|does)\b|\b(?:[Hh]e|[Ss]he) were\b")


def all_frames() -> list[Frame]:
    return [frame for frame_file in load_frames() for frame in frame_file.frames]


def texts_of(frame: Frame) -> Iterator[str]:
    """Every text of a frame that is told as a sentence or as an option."""
    yield from frame.setup
    for turn in frame.turns:
        forms = (turn.shows, turn.cause, (turn.means,)) if isinstance(turn, UnderstandingTurn) else ()
        rest = () if isinstance(turn, UnderstandingTurn) else (turn.option, (turn.why,))  # type: ignore[union-attr]
        for part in (turn.happens, *forms, *rest):
            yield from part


def event(frame: Frame, pronouns: str, other: str, filling: int = 0) -> Event:
    details = tuple((name, fillings[filling % len(fillings)]) for name, fillings in frame.vary.items())
    return Event(frame, 0, details, ("Mira", pronouns), ("Bo", other), "s1-00000-m0")


def plannable_moments(ids: int) -> Iterator[Moment]:
    """Every label that a plan may set, ``ids`` times."""
    taxonomy = load_taxonomy()
    she, he = Person(name="Mira", pronouns="she"), Person(name="Bo", pronouns="he")
    for number in range(ids):
        for name, sub in taxonomy.sub_categories.items():
            for aim in sub.aims:
                yield Moment(
                    id=f"s1-{number:05d}-m0", task="EU", category=taxonomy.coarse_of(name), sub_category=name, aim=aim,
                    appraisal="because", subject=she, other=he,
                )  # fmt: skip
        for name, category in taxonomy.ea.categories.items():
            for question_type, needs in category.calls_for.items():
                for need in needs:
                    yield Moment(
                        id=f"s1-{number:05d}-m0", task="EA", category=name, question_type=question_type, aim=need,
                        appraisal="because", subject=she, other=he,
                    )  # fmt: skip


def event_of(moment: Moment) -> Event:
    return Event.of(read_moments(moment.brief())[0])


def test_every_plannable_label_has_an_event_that_is_true_to_it() -> None:
    for moment in plannable_moments(3):
        turn = event_of(moment).turn
        assert (turn.emotion if isinstance(turn, UnderstandingTurn) else turn.need) == moment.aim


def test_the_same_moment_is_the_same_event_alone_and_among_others(plans: list[Plan]) -> None:
    for plan in plans:
        together = read_moments("\n\n".join(moment.brief() for moment in plan.moments))
        assert [Event.of(lines) for lines in together] == [event_of(moment) for moment in plan.moments]


def test_each_turn_of_a_frame_is_the_truth_about_as_often_as_the_others() -> None:
    seen = Counter((e.frame.id, e.number) for e in map(event_of, plannable_moments(IDS)))
    for frame in all_frames():
        counts = [seen[frame.id, number] for number in range(4)]
        assert min(counts) > 0, frame.id
        assert max(counts) < 0.5 * sum(counts), (frame.id, counts)  # choices alone must not tell


def test_an_event_knows_its_three_other_turns_and_who_is_asked_for() -> None:
    for told in map(event_of, plannable_moments(1)):
        assert len(told.others) == 3
        assert told.turn not in told.others
        about_other = isinstance(told.turn, UnderstandingTurn) and told.turn.who == "O"
        assert told.asked == ("Bo" if about_other else "Mira")


@pytest.mark.parametrize("pronouns", ["she", "he", "they", "I"])
def test_every_text_is_told_whole_in_every_pronoun(pronouns: str) -> None:
    client = "Mira" if pronouns == "I" else ""
    for frame in all_frames():
        for number, other in enumerate(("she", "he", "they")):
            telling = event(frame, "she" if client else pronouns, other, number)
            for text in texts_of(frame):
                told = telling.tell(text, client)
                assert not set("{}") & set(told), (frame.id, told)
                assert not LOWER_START.search(told), (frame.id, told)
                assert "  " not in told, (frame.id, told)
                assert not BROKEN_THIRD_PERSON.search(told), (frame.id, told)
                if client:
                    assert not BROKEN_FIRST_PERSON.search(told), (frame.id, told)
                    assert "Mira" not in told, (frame.id, told)


def test_what_a_careless_reader_does_is_told_whole() -> None:
    for frame in all_frames():
        for turn in frame.turns:
            assert re.fullmatch(r"[a-z][^{}]+[^.{}]", event(frame, "they", "he").tell(turn.misread)), turn.misread


@pytest.mark.parametrize(
    ("pronouns", "client", "wanted"),
    [
        ("she", "", "Mira was late. Her bag, she said, was Mira's. Bo saw Mira hurt herself."),
        ("he", "", "Mira was late. His bag, he said, was Mira's. Bo saw Mira hurt himself."),
        ("they", "", "Mira was late. Their bag, they said, was Mira's. Bo saw Mira hurt themselves."),
        ("she", "Mira", "I was late. My bag, I said, was my. Bo saw me hurt myself."),
        ("she", "Bo", "Mira was late. Her bag, she said, was Mira's. Bo saw Mira hurt herself."),
    ],
)
def test_slots_take_the_persons_forms(pronouns: str, client: str, wanted: str) -> None:
    text = "{S} was late. {His} bag, {he} said, was {S's}. {O} saw {Sobj} hurt {himself}."
    assert event(all_frames()[0], pronouns, "he").tell(text, client) == wanted


@pytest.mark.parametrize(("pronouns", "wanted"), [("she", "was"), ("they", "were"), ("I", "was")])
def test_the_verb_follows_the_pronoun(pronouns: str, wanted: str) -> None:
    client = "Mira" if pronouns == "I" else ""
    telling = event(all_frames()[0], cast(Pronouns, "she" if client else pronouns), "he")
    assert telling.tell("Late as {he} {was}", client).endswith(wanted)


def test_a_detail_that_begins_a_sentence_gets_a_capital() -> None:
    frame = next(frame for frame in all_frames() if frame.id == "shared_allotment_crop")
    told = event(frame, "she", "he").tell('{cover} lay there. "{cover}?" asked {O}. Under {cover} it was dark.')
    assert told == 'The tarpaulin lay there. "The tarpaulin?" asked Bo. Under the tarpaulin it was dark.'


def test_a_label_that_no_frame_has_is_refused_by_name(plans: list[Plan]) -> None:
    lines = read_moments(plans[0].moments[0].brief())[0]
    lines |= {"task": "EU", "sub-category": "persona", "emotion": "Hunger"}
    with pytest.raises(InvalidRequestError, match="no event for persona / Hunger"):
        Event.of(lines)
