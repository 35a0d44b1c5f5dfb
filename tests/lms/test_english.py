"""A grammar check, by rules of our own, over what the scripted teacher really writes.

Every form of every frame in every voice, whole items of planned moments, and whole sessions of both methods.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import dspy
import pytest

from corpus.config import PlanConfig
from corpus.plans import make_plans
from corpus.records import Moment, Plan
from lms.build import build_lm
from lms.scripted.events import VOICES, Event, Voice
from lms.scripted.frames import Frame, UnderstandingTurn, load_frames
from lms.scripted.mistakes import Mistakes
from lms.scripted.prompt import Prompt
from lms.scripted.speakers import write_background, write_case
from lms.scripted.writers import write_application, write_understanding
from lms.spec import ModelSpec
from programs.concise import ConciseSession
from programs.mads import TherapySession
from signatures.chat_adapter import ChatAdapter

if TYPE_CHECKING:
    import inflect

FLAWLESS = Mistakes({})
SUBJECTS: tuple[tuple[str, Voice], ...] = (("she", ""), ("he", ""), ("they", ""), ("she", "I"), ("they", "you"))
OTHERS = ("he", "they", "she")
FRAGMENTS = {"cause", "option", "misread"}  # the other texts are whole sentences
ITEM_PLANS, BACKGROUND_PLANS, SESSION_PLANS = 60, 80, 8


class Told(NamedTuple):
    """One text as a reader gets it."""

    where: str
    kind: str
    subject: str  # the name of the person whom it is about, also where it is told as I or you
    pronouns: str
    voice: Voice
    text: str

    @property
    def narration(self) -> str:
        """The text without what people say in it."""
        return SPEECH.sub('""', self.text)


SPEECH = re.compile(r'"[^"]*"')


def forms_of(frame: Frame) -> Iterator[tuple[str, str]]:
    yield from (("setup", text) for text in frame.setup)
    for turn in frame.turns:
        yield from (("happens", text) for text in turn.happens)
        if isinstance(turn, UnderstandingTurn):
            yield from (("shows", text) for text in turn.shows)
            yield from (("cause", text) for text in turn.cause)
            yield "means", turn.means
        else:
            yield from (("option", text) for text in turn.option)
            yield "why", turn.why
        yield "misread", turn.misread


@cache
def frame_texts() -> list[Told]:
    """Every form in all five voices, with all three pronouns of the other person and every filling of its details."""
    told: dict[str, Told] = {}
    number = 0
    for frame_file in load_frames():
        for frame in frame_file.frames:
            most = max(len(SUBJECTS), *(len(fillings) for fillings in frame.vary.values()))
            for kind, text in forms_of(frame):
                number += 1
                for turn in range(most):
                    pronouns, voice = SUBJECTS[(turn + number) % len(SUBJECTS)]
                    details = tuple((name, fillings[turn % len(fillings)]) for name, fillings in frame.vary.items())
                    event = Event(
                        frame, 0, details, ("Mira", pronouns), ("Bo", OTHERS[turn % len(OTHERS)]), voice, 0, "any"
                    )
                    said = event.tell(text, voice)
                    told[said] = Told(frame.id, kind, "Mira", pronouns, voice, said)
    return list(told.values())


def plans(method: str, count: int, seed: int) -> list[Plan]:
    config = PlanConfig.model_validate({"sessions": count, "method": method})
    return list(make_plans(config, seed))


@cache
def item_texts() -> list[Told]:
    """Scenario, answers, and explanation of some hundred planned moments."""
    return [told for plan in plans("mads", ITEM_PLANS, 5) for m in plan.moments for told in item_of(m)]


def item_of(moment: Moment) -> Iterator[Told]:
    write = write_understanding if moment.task == "EU" else write_application
    item = write(Prompt({"moment": moment.brief()}, (), "chat", 0), FLAWLESS)
    kinds = {
        "scenario": [item["scenario"]],
        "explanation": [item["explanation"]],
        "cause": [item["cause"], *item["wrong_causes"]] if moment.task == "EU" else [item["best"], *item["wrong"]],
        "misread": item["misreadings"],
    }
    for kind, texts in kinds.items():
        for text in texts:
            yield Told(moment.id, kind, moment.subject.name, moment.subject.pronouns, VOICES[moment.narration], text)


@cache
def session_texts() -> list[Told]:
    """Backgrounds and cases of many plans, and whole sessions of a few."""
    return [
        Told(plan.id, kind, plan.client.name, plan.client.pronouns, "", text)
        for kind, plan, text in (*written_files(), *held_sessions())
    ]


def written_files() -> Iterator[tuple[str, Plan, str]]:
    for plan in plans("mads", BACKGROUND_PLANS, 6):
        inputs = {
            "persona": plan.persona.persona,
            "client": f"{plan.client.name} ({plan.client.pronouns})",
            "theme": f"{plan.theme.theme}. {plan.theme.description}",
            "attributes": plan.attributes.brief(),
            "moments": "\n\n".join(moment.brief() for moment in plan.moments),
        }
        prompt = Prompt(inputs, (), "chat", plan.seed)
        yield "background", plan, write_background(prompt, FLAWLESS)["background"]
        yield "case", plan, write_case(prompt, FLAWLESS)["case"]


def held_sessions() -> Iterator[tuple[str, Plan, str]]:
    teacher = build_lm(ModelSpec(model="scripted/counsel", mistakes={}))
    with dspy.context(lm=teacher, roles={}, adapter=ChatAdapter(), trace=[], disable_history=True):
        for method, hold in (("mads", TherapySession()), ("concise", ConciseSession())):
            for plan in plans(method, SESSION_PLANS, 7):
                session = hold(plan=plan).session
                yield "background", plan, session.background
                yield from ((turn.speaker.lower(), plan, turn.text) for turn in session.turns)


CORPORA = {"frames": frame_texts, "items": item_texts, "sessions": session_texts}


@pytest.fixture(scope="module", params=CORPORA)
def texts(request: pytest.FixtureRequest) -> list[Told]:
    """Each corpus, one after the other."""
    return CORPORA[request.param]()


_PRESENT = (
    "is|has|does|says|goes|wants|knows|thinks|feels|sees|takes|makes|gets|gives|tells|asks|needs|likes|loves|keeps|"
    "leaves|looks|lives|works|comes|holds|believes|hears|finds|lets|puts|runs|stands|sits|tries|calls|brings|owns|plans"
)
_OBJECT_VERB = "told|gave|handed|sent|hugged|thanked|let|get|put|using|named|wears|owed|taught|spared|offered|showed"


class Rule(NamedTuple):
    """What must not be found, with a sentence in which it is found; ``narrated``: outside quotations only."""

    wrong: str
    pattern: re.Pattern[str]
    narrated: bool = True


def rule(wrong: str, *patterns: str, narrated: bool = True) -> Rule:
    return Rule(wrong, re.compile("|".join(patterns)), narrated)


_BETWEEN = r"(?:(?!the\b|[A-Z])\w+ ){1,4}"  # from a subject to its reflexive, without another noun's article or name
# before you, these make it an object: what was a rag to you was holy to Bo
_NO_OBJECT = r"(?<!of )(?<!to )(?<!for )(?<!but )(?<![a-z]ed )(?<!en )"
RULES = {
    "a word twice": rule("Mira saw the the boat.", r"\b(?!(?:had|that|ha|no|her)\b)(\w+) \1\b", narrated=False),
    "a slot that was not filled": rule("{O} came.", r"[{}]", narrated=False),
    "a space too many": rule("Mira came .", r" [,.;:!?]|  |^ | $|\( | \)", narrated=False),
    "two marks where one belongs": rule(
        "Mira said no..",
        r"(?<!\.)\.\.(?!\.)",
        r"[?!,;:]\.",
        r"\.[,;:?!]",
        r",,|;;|::",
        r"[.!?][\"”]{1,2}\.",
        narrated=False,
    ),
    "two determiners": rule(
        "Mira took the her bag.",
        r"\b(?:an?|the|my|your|its|our|their) (?:an?|the|my|your|his|her|its|our|their)\b",
        narrated=False,
    ),
    "a small letter after a full stop": rule("Mira came. then Bo left.", r"\.\"? [\"“]?[a-z]", narrated=False),
    "an ending that a pronoun cannot have": rule(
        "I took me's bag.",
        r"\b(?:I|me|you|they|him|them)'s\b",
        r"\b(?:themself|theirselves|hisself|meself)\b",
        narrated=False,
    ),
    "they with a singular verb": rule(
        "They was late.", r"\b[Tt]hey (?:was|is|has|does|wasn't|isn't|hasn't|doesn't)\b", narrated=False
    ),
    "they with the ending of he": rule("They believes it.", r"\b[Tt]hey (?!(?:always|perhaps)\b)[a-z]+[^su]s\b"),
    "he or she with a plural verb": rule(
        "She were late.",
        r"(?<!if )(?<!though )\b(?:[Hh]e|[Ss]he) (?:were|are|am|weren't|aren't|don't|haven't)\b",
        narrated=False,
    ),
    "you with the verb of he": rule("You was late.", rf"{_NO_OBJECT}\b[Yy]ou (?:was|wasn't|{_PRESENT})\b"),
    "you, and later the verb of he": rule(
        "You, her friend, was late.", r"\b[Yy]ou, (?:who|[^.,;:]*,) (?:was|is|has)\b"
    ),
    "you, an adverb, and the verb of he": rule(
        "You never was late.", r"\b[Yy]ou (?:who|never|always|also|still|only|often|then|now) (?:was|is|has)\b"
    ),
    "I with the verb of another": rule("I has a bag.", rf"(?<!and )\bI,? (?:who )?(?:are|{_PRESENT})\b"),
    "I were, outside a wish": rule("I were late.", r"(?<!and )(?<!if )(?<!though )(?<!wish )\bI were\b"),
    "I as an object": rule(
        "Bo told I a thing.",
        rf"\b(?:{_OBJECT_VERB}|between|to|with|at) I\b(?! (?:to|was|were|had)\b)",
        r"\b(?:To|For) I\b",
    ),
    "I as one who is heard or made to act": rule(
        "Bo made I laugh.",
        r"\b(?:heard|saw|watched|made|let|lets|helped|expected|wanted) I\b(?! (?:had|was|did|would|could)\b)",
    ),
    "I before the others": rule("I and Bo left.", r"\bI and (?:the|an?|my|his|her|their|[A-Z]\w*)\b"),
    "me as a subject": rule(
        "Bo sang, and me had left.", r"(?:^|[.;] |, and |, but )[Mm]e (?:had|was|could|would|did)\b"
    ),
    "an apposition to the wrong person": rule("Bo and I, my partner, left.", r"\band I, my \w+,|\band you, your \w+,"),
    "my or your without a noun": rule(
        "The bag was my.",
        r"\b(?:my|your|their)(?:$|[.,;:!?])",
        r"\b(?:my|your|their) (?:and|or|was|were|than|that|in|on|at|from|when|who|had|but|so)\b(?!-)",
    ),
    "a reflexive of another person": rule(
        "I had hurt himself.",
        rf"\bI {_BETWEEN}(?:himself|herself|themselves|yourself)\b",
        rf"\b[Yy]ou {_BETWEEN}(?:himself|herself|themselves|myself)\b",
        rf"\b[Hh]e {_BETWEEN}(?:herself|themselves|yourself|myself)\b",
        rf"\b[Ss]he {_BETWEEN}(?:himself|themselves|yourself|myself)\b",
        rf"\b[Tt]hey {_BETWEEN}(?:himself|herself|yourself|myself)\b",
    ),
}
_ARTICLE = re.compile(r"\b([Aa]n?) [\"“]?([^\W\d_][\w'’-]*)")
_ENDS = re.compile(r"[.!?…][\"”]?$")
_NAMED_PRESENT = re.compile(rf"\b(\w+) (?:{_PRESENT})\b")
_NAMED_REFLEXIVE = re.compile(r"\b(\w+) (?:(?!the\b|[A-Z])\w+ ){1,3}(himself|herself|themselves|myself|yourself)\b")
_GENDERED = re.compile(r"\b(?:she|he|they|him|them|his|her|their|himself|herself|themselves|was|were)\b", re.IGNORECASE)
_SHE_OR_HE = re.compile(r"\b(?:she|he|him|his|her|himself|herself)\b", re.IGNORECASE)
_SLOT = re.compile(r"\{(\w+|S's)\}")
# A detail as a subject: at the beginning, or after a conjunction; not as a part of a longer noun phrase.
_DETAIL_AND_VERB = re.compile(
    r"(?:^|[.;] |\b(?:as|that|when|while|because|until|since|but|so|for) )(?:[Tt]he |[Tt]his )?"
    r"\{(\w+)\} (was|is|has|were|are|have)\b"
)
_SINGULAR_IN_S = {"schnapps", "gasworks", "brickworks"}
_OBJECT_WAS = re.compile(r"\{(?:Sobj|him)\} was\b")
_REFLEXIVES = {"she": "herself", "he": "himself", "they": "themselves"}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_of_grammar_finds_what_it_is_about(name: str) -> None:
    assert RULES[name].pattern.search(RULES[name].wrong)


@pytest.mark.parametrize("name", RULES)
def test_no_text_breaks_a_rule_of_grammar(texts: list[Told], name: str) -> None:
    pattern, narrated = RULES[name].pattern, RULES[name].narrated
    broken = [told for told in texts if pattern.search(told.narration if narrated else told.text)]
    assert [f"{told.where} {told.kind}: {told.text}" for told in broken] == []


def test_a_and_an_fit_the_next_word(texts: list[Told]) -> None:
    wrong: dict[tuple[str, str], Told] = {}
    for told in texts:
        wrong |= {(article.lower(), word): told for article, word in _ARTICLE.findall(told.text)}
    assert {key: told for key, told in wrong.items() if not fits(*key)} == {}


@cache
def _engine() -> inflect.engine:
    import inflect  # it takes seconds, which a process without these tests need not spend

    return inflect.engine()


@cache
def fits(article: str, word: str) -> bool:
    return str(_engine().a(word)).split()[0] == article


def test_every_text_begins_and_ends_as_its_kind_does(texts: list[Told]) -> None:
    for told in texts:
        first = told.text.lstrip('"“')[:1]
        assert first.islower() if told.kind == "misread" else not first.islower(), told
        if told.kind in FRAGMENTS:
            assert told.text[-1:] not in ".!?,;:", told  # but a quotation brings its own full stop
        else:
            assert _ENDS.search(told.text), told


def test_quotation_marks_come_in_pairs(texts: list[Told]) -> None:
    for told in texts:
        assert told.text.count('"') % 2 == 0, told
        assert told.text.count("“") == told.text.count("”"), told
        for quoted in SPEECH.findall(told.text):
            assert quoted[1:-1].strip() == quoted[1:-1] != "", told


def test_what_is_told_of_the_subject_by_name_is_told_in_the_past(texts: list[Told]) -> None:
    for told in texts:
        if told.kind not in ("background", "case"):  # what a file says of a person's ways is told in the present
            assert told.subject not in _NAMED_PRESENT.findall(told.narration), told


def test_reflexives_belong_to_the_one_who_is_named(texts: list[Told]) -> None:
    for told in texts:
        for name, reflexive in _NAMED_REFLEXIVE.findall(told.narration):
            assert name != told.subject or reflexive == _REFLEXIVES[told.pronouns], told


def test_a_person_has_the_pronouns_of_one_kind_throughout() -> None:
    """Told of people of another kind, a text differs in nothing but the pronouns."""
    for frame_file in load_frames():
        for frame in frame_file.frames:
            details = {name: fillings[0] for name, fillings in frame.vary.items()}
            tellers = [
                Event(frame, 0, tuple(details.items()), ("Mira", pronouns), ("Bo", pronouns), "", 0, "any")
                for pronouns in ("she", "he", "they")
            ]
            for _, text in forms_of(frame):
                told = [teller.tell(text) for teller in tellers]
                assert len({_GENDERED.sub("one", said) for said in told}) == 1, told
                assert len(_SHE_OR_HE.findall(told[2])) == len(_SHE_OR_HE.findall(without_people(text, details))), told


def without_people(text: str, details: dict[str, str]) -> str:
    return _SLOT.sub(lambda slot: details.get(slot[1], ""), text)


def test_a_detail_agrees_in_number_with_the_verb_that_follows() -> None:
    for frame_file in load_frames():
        for frame in frame_file.frames:
            for _, text in forms_of(frame):
                for name, verb in _DETAIL_AND_VERB.findall(text):
                    plural = [filling for filling in frame.vary.get(name, ()) if is_plural(filling)]
                    wanted = len(frame.vary.get(name, ())) if verb in ("were", "are", "have") else 0
                    assert len(plural) == wanted, (frame.id, text, plural)


def is_plural(filling: str) -> bool:
    head = re.split(r" (?:of|with|from|in|on|under|for|without|by|to|at|above|near|behind) ", filling)[0].split()[-1]
    return re.fullmatch(r"[a-z-]*[^suia]s", head) is not None and head not in _SINGULAR_IN_S


def test_a_verb_after_the_subject_as_an_object_follows_its_own_subject() -> None:
    for frame_file in load_frames():
        for frame in frame_file.frames:
            details = tuple((name, fillings[0]) for name, fillings in frame.vary.items())
            event = Event(frame, 0, details, ("Mira", "she"), ("Bo", "he"), "you", 0, "any")
            for _, text in forms_of(frame):
                if _OBJECT_WAS.search(text):
                    assert "you was" in event.tell(text, "you"), event.tell(text, "you")


def test_one_who_tells_or_is_addressed_goes_without_a_name(texts: list[Told]) -> None:
    for told in texts:
        if told.voice:
            assert not re.search(rf"\b{re.escape(told.subject)}\b", told.text), told
