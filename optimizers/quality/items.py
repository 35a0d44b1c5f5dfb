"""The quality of an item: the rules of `corpus.checks` first, then the judge on what no rule can see.

A criterion of an item is met or failed, as `curate` keeps an item or drops it; of `agreement` and `format` there are
shares.  Once the quality is 0 nobody is asked any further, and the criteria that only the judge could have vouched for
are left out of the verdicts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations

import dspy
from rapidfuzz import fuzz
from rapidfuzz.utils import default_process

from corpus.checks import find_faults
from corpus.checks.explanations import NOT_GROUNDED
from corpus.checks.items import TWIN_SIMILARITY, check_fields
from corpus.checks.naming import find_named_emotions
from corpus.checks.wording import split_sentences
from corpus.config import CurateConfig, VerifyConfig
from corpus.records import ApplicationDraft, Draft, Moment, UnderstandingDraft
from corpus.seeds import derive_seed
from corpus.taxonomy import are_synonyms, load_taxonomy, split_label
from optimizers.cases import ItemCase
from optimizers.config import ItemCriterion
from optimizers.quality.novelty import KnownTexts
from optimizers.quality.refusals import enter_refusals, judge_failure
from optimizers.quality.tally import UNJUDGED, Tally, quote, say
from optimizers.quality.verdict import Quality
from optimizers.quality.weights import weights_of
from programs.asking import Asker, AskFailed
from programs.verify.findings import Finding, confirm
from programs.verify.review import Reviewer
from programs.verify.solver import BlindSolver
from signatures.judging import EXPLANATION_FAULTS, ITEM_FAULTS

ASKS = {"EU": ("write_understanding",), "EA": ("write_application",)}
Say = Callable[[Draft, CurateConfig], str]
Fault = tuple[ItemCriterion, float, str]  # the criterion, what is left of its score, and a sentence
_NARRATORS = {"first person": "I", "second person": "You"}


class ItemQuality:
    """(case, attempt) → `Quality`; asks the role ``judge`` at most 8 looks and ``votes`` blind answers per item.

    What the judge should have looked at and gave no acceptable answer about counts as failed, since nothing may be
    taken for verified that was not (`curate` sets such an item aside); the feedback says that it is not the prompt's.

    Args:
        weights: the recipe's own; see `weights.DEFAULT_WEIGHTS` for the others.
        curate: what the rules ask for.
        judge: whether the judge is asked at all; without it rules alone decide.
        votes: blind answers per item; 0 leaves `agreement` out.
        seed: of the judge's answers, together with the case.
        existing: scenarios that a new one must not repeat.
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        curate: CurateConfig,
        judge: bool,
        votes: int,
        seed: int,
        existing: Sequence[str] = (),
    ):
        self.weights = weights_of("items", weights)
        self.curate, self.judge, self.seed = curate, judge, seed
        self.verify = VerifyConfig(votes=votes)
        self.known = KnownTexts(existing, curate.near_duplicate)
        self.reviewer, self.solver = Reviewer(), BlindSolver()

    def __call__(self, case: ItemCase, attempt: dspy.Prediction) -> Quality:
        """Return the quality of a draft; 0 for an attempt that failed, and for a draft that is not complete."""
        if attempt.failure:
            return judge_failure(attempt.failure, attempt.complaints)
        draft, asks = attempt.outcome, ASKS[case.moment.task]
        if reason := check_fields(draft, self.curate):
            return judge_failure(RULES[reason][1](draft, self.curate))
        tally = Tally(self.weights)
        enter_refusals(tally, attempt, lambda role: asks)
        self._look_by_rule(tally, case.moment, draft, attempt.shown)
        if self.judge and tally.score:
            self._ask_judge(tally, Asker(derive_seed(self.seed, case.id, "quality")), draft)
        return tally.quality

    def _look_by_rule(self, tally: Tally, moment: Moment, draft: Draft, shown: Sequence[str]) -> None:
        asks = ASKS[moment.task]
        tally.look("plan_fit", "novelty", *(["leak"] if moment.task == "EU" else []))
        if not self.judge:
            tally.look("distractors", "grounded")
        for reason in find_faults(draft, self.curate):
            criterion, say_why = RULES[reason]
            tally.find(criterion, 0, say_why(draft, self.curate), asks)
        for sentence in _compare_with_plan(draft, moment):
            tally.find("plan_fit", 0, sentence, asks)
        shown_texts = KnownTexts(shown, self.curate.near_duplicate)
        for known, kind in ((self.known, "one that exists already"), (shown_texts, "a demonstration")):
            if twin := known.find_twin(draft.scenario):
                seen = f"{twin.similarity:.0f}% of it is that of {quote(twin.text)}"
                tally.find("novelty", 0, say(f"the scenario repeats {kind}, instead of a story of its own", seen), asks)

    def _ask_judge(self, tally: Tally, ask: Asker, draft: Draft) -> None:
        """Ask about the item, then its explanation, then for blind answers, until the quality is 0."""
        steps: dict[ItemCriterion, Callable[[Asker, Draft], list[Fault]]] = {
            "distractors": self._review_item,
            "grounded": self._review_explanation,
        }
        if self.verify.votes:
            steps["agreement"] = self._solve
        for criterion, step in steps.items():
            try:
                found = step(ask, draft)
            except AskFailed:
                found = [(criterion, 0.0, UNJUDGED)]
            else:
                tally.look(criterion, *(["leak"] if step == self._review_item else []))
            for name, factor, sentence in found:
                tally.find(name, factor, sentence, ASKS[draft.task])
            if not tally.score:
                return

    def _review_item(self, ask: Asker, draft: Draft) -> list[Fault]:
        return _read(confirm(partial(self.reviewer.look_at_item, ask, draft)))

    def _review_explanation(self, ask: Asker, draft: Draft) -> list[Fault]:
        return _read(confirm(partial(self.reviewer.look_at_explanation, ask, draft)))

    def _solve(self, ask: Asker, draft: Draft) -> list[Fault]:
        solved = self.solver.solve(ask, draft, self.verify)
        if solved.agreement == 1:
            return []
        keys = (draft.emotion, draft.cause) if isinstance(draft, UnderstandingDraft) else (draft.best,)
        others = [
            quote(choice) for votes, key in zip(solved.votes, keys, strict=True) for choice in votes if choice != key
        ]
        seen = f"{solved.right} of {solved.asked} did, and chosen instead were {', '.join(others)}"
        about = "readers who do not know the key do not all get from the scenario to it"
        return [("agreement", solved.agreement, say(about, seen))]


def _read(finding: Finding) -> list[Fault]:
    return [
        (FAULTS[name], 0.0, say(JUDGED[name], f"so the judge, who says {quote(finding.remarks)}"))
        for name in finding.faults
    ]


def _compare_with_plan(draft: Draft, moment: Moment) -> Iterator[str]:
    """Yield what a draft has made of its moment that was not planned."""
    if isinstance(draft, UnderstandingDraft):
        planned = (moment.task, moment.category, moment.sub_category)
        if (draft.task, draft.coarse_category, draft.finegrained_category) != planned:
            yield say("the item is of another kind than was planned", f"planned was {moment.cell}")
        if draft.emotion != moment.aim:
            yield say("the right emotion is not the planned one", f"it is {draft.emotion}, planned was {moment.aim}")
    elif (draft.task, draft.category, draft.question_type) != (moment.task, moment.category, moment.question_type):
        yield say("the item is of another kind than was planned", f"planned was {moment.cell}")
    # Some kinds of items ask what the other person feels.
    people = (_NARRATORS.get(moment.narration, moment.subject.name), moment.other.name)
    if draft.subject.casefold() not in map(str.casefold, people):
        seen = f"it asks about {draft.subject}, planned were {' and '.join(people)}"
        yield say("the item asks about somebody who is not in the planned moment", seen)


def _choices(draft: Draft) -> tuple[str, ...]:
    """The right cause or option, then the wrong ones."""
    if isinstance(draft, UnderstandingDraft):
        return (draft.cause, *draft.wrong_causes)
    return (draft.best, *draft.wrong)


def _say_named(draft: Draft, curate: CurateConfig) -> str:
    assert isinstance(draft, UnderstandingDraft)
    names = (draft.subject, *(person.name for person in draft.people))
    words = dict.fromkeys(find_named_emotions(draft.scenario, draft.emotion, names))
    return say(ITEM_FAULTS["names_emotion"], f"it says {', '.join(map(quote, words))}")


def _say_unknown(draft: Draft, curate: CurateConfig) -> str:
    assert isinstance(draft, UnderstandingDraft)
    labels = [name for label in (draft.emotion, *draft.wrong_emotions) for name in split_label(label)]
    unknown = [name for name in labels if name not in load_taxonomy().emotions]
    return say("a label holds a name that is not among the emotion names that may be used", ", ".join(unknown))


def _say_length(draft: Draft, curate: CurateConfig) -> str:
    low, high = curate.eu_words if draft.task == "EU" else curate.ea_words
    seen = f"it has {len(draft.scenario.split())} words, and {low} to {high} are allowed"
    return say("the scenario is too short or too long", seen)


def _say_twins(draft: Draft, curate: CurateConfig) -> str:
    """Of the two choices that are most alike; or, where no such two are, of two labels of the same emotions."""
    key, choices = _choices(draft)[0], [default_process(choice) for choice in _choices(draft)]
    one, other = max(combinations(range(len(choices)), 2), key=lambda pair: _similarity(choices, pair))
    if _similarity(choices, (one, other)) < TWIN_SIMILARITY:
        assert isinstance(draft, UnderstandingDraft)
        return say("two of the wrong emotions are the same", ", ".join(draft.wrong_emotions))
    seen = f"{quote(_choices(draft)[one])} and {quote(_choices(draft)[other])}"
    if _choices(draft)[one] == key:
        return say(ITEM_FAULTS["twin_distractor"], seen)
    return say("two of the wrong answers say the same as each other", seen)


def _similarity(choices: list[str], pair: tuple[int, int]) -> float:
    return fuzz.token_sort_ratio(choices[pair[0]], choices[pair[1]])


def _say_synonym(draft: Draft, curate: CurateConfig) -> str:
    assert isinstance(draft, UnderstandingDraft)
    near = [label for label in draft.wrong_emotions if are_synonyms(draft.emotion, label)]
    return say(ITEM_FAULTS["near_synonym"], f"{', '.join(near)} beside {draft.emotion}")


def _say_key_length(draft: Draft, curate: CurateConfig) -> str:
    key, *wrong = (len(choice.split()) for choice in _choices(draft))
    seen = f"it has {key} words, the wrong ones have {', '.join(map(str, wrong))}"
    return say(ITEM_FAULTS["long_key"], seen)


def _say_unfit(draft: Draft, curate: CurateConfig) -> str:
    assert isinstance(draft, ApplicationDraft)
    kind = "an action, something to do" if draft.question_type == "Action" else "a response, something to say"
    return say(
        "the options are not of the kind that was planned", f"planned was {kind}, and one is {quote(draft.best)}"
    )


def _say_end(about: str) -> Say:
    return lambda draft, curate: say(about, f"its last sentence is {quote(split_sentences(draft.explanation)[-1])}")


def _say_explanation(about: str) -> Say:
    return lambda draft, curate: say(about, f"it reads {quote(draft.explanation)}")


def _say(about: str) -> Say:
    return lambda draft, curate: say(about)


# Reason of a rule of `corpus.checks` → the criterion that fails by it, and how to say it.
RULES: dict[str, tuple[ItemCriterion, Say]] = {
    "empty field": ("format", _say("an output field is empty")),
    "number of choices": ("format", _say("there are more or fewer wrong answers than are asked for")),
    "category not in the taxonomy": ("plan_fit", _say("the item is of a category that does not exist")),
    "emotion not in the taxonomy": ("plan_fit", _say_unknown),
    "scenario length": ("plan_fit", _say_length),
    "subject not in the scenario": (
        "plan_fit",
        lambda draft, curate: say("the one who is asked about does not occur in the scenario", draft.subject),
    ),
    "choices do not fit the question": ("plan_fit", _say_unfit),
    "scenario names an emotion": ("leak", _say_named),
    "label among the wrong choices": ("distractors", _say("the right answer stands among the wrong ones too")),
    "choices alike": ("distractors", _say_twins),
    "near-synonym of the key": ("distractors", _say_synonym),
    "key much longer": ("distractors", _say_key_length),
    NOT_GROUNDED: ("grounded", _say_explanation(EXPLANATION_FAULTS["generic_explanation"])),
    "explanation contradicts the key": ("grounded", _say_end(EXPLANATION_FAULTS["contradicts_key"])),
    "explanation does not end at the key": (
        "grounded", _say_end("the explanation does not name the right answer at its end")
    ),
    "explanation rules nothing out": ("grounded", _say(EXPLANATION_FAULTS["no_rebuttal"])),
}  # fmt: skip
# Fault that the judge may name → the criterion that fails by it.
FAULTS: dict[str, ItemCriterion] = {
    "names_emotion": "leak",
    **dict.fromkeys(("near_synonym", "twin_distractor", "long_key", "absurd_distractor"), "distractors"),
    **dict.fromkeys(EXPLANATION_FAULTS, "grounded"),
}
JUDGED = ITEM_FAULTS | EXPLANATION_FAULTS
