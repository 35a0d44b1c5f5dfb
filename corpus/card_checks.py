"""What the data card says about checks: by rule, by a judge, against exams, by people.

A check that did not take place is said as plainly as one that did.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from corpus.checks.items import longest_key_share
from corpus.config import DecontaminateConfig, VerifyConfig
from corpus.markdown import count_of, list_counts, render_table
from corpus.outcomes import Verified
from corpus.records import ApplicationItem, UnderstandingItem

SCRIPTED = "scripted/"


@dataclass(frozen=True)
class GuessRate:
    """Share of a task's items that the judge answered rightly without their scenario: 95% interval, and chance."""

    task: str
    n: int
    share: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True)
class PeopleReview:
    """What people made of the items: how many they read, and where their word changed the set.

    ``left_out`` gives reason → items of the set that they rejected, ``taken_in`` how many they approved that the judge
    had set aside, ``agreement`` question → how far they agreed, in words.
    """

    people: int = 0
    read: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)
    taken_in: int = 0
    agreement: Mapping[str, str] = field(default_factory=dict)


def say_checks(verified: Verified, items: Sequence[UnderstandingItem | ApplicationItem]) -> str:
    """Say what the rules did, and how often the longest choice is the key, which no rule for single items sees."""
    lines = [
        f"Rules went over all {verified.drafts:,} drafts (form, labels, length, whether the scenario names the "
        "feeling, whether the explanation cites it and ends at the key), over the sessions that they came from, and "
        "over pairs of scenarios that are alike.",
    ]
    if items:
        lines.append(
            f"The right cause or option is the longest choice in {longest_key_share(items):.1%} of the items; by "
            "chance it would be in 25.0%."
        )
    if verified.sessions.marked:
        lines.append(f"Marks on messages and sessions: {list_counts(verified.sessions.marked)}.")
    return "\n\n".join(lines)


def say_judge(
    verified: Verified,
    config: VerifyConfig,
    items: Sequence[UnderstandingItem | ApplicationItem],
    guesses: Sequence[GuessRate],
) -> str:
    """Say what the judge was asked about the items and what came of it, or that no judge looked."""
    if not verified.judge:
        return "**No judge looked at the items**: labels are as the writer planned them, and nobody solved them blind."
    lines = [f"Judge: `{verified.judge}`."]
    if verified.judge.startswith(SCRIPTED):
        lines[0] += (
            " It is scripted, no language model: it knows the scripted teacher's own texts and errs at set rates, and "
            "its word shows that the pipeline works."
        )
    elif any(item.teacher == verified.judge for item in items):
        lines[0] += " It is the model that wrote items, so it may share the writer's blind spots."
    if config.votes:
        lines.append(_say_votes(config, items))
    if config.review:
        lines.append(
            "It looked for faults of item and explanation; a fault counts only where two of three further looks found "
            "it too."
        )
    if config.choices_only:
        lines += ["It answered items once more without their scenario:", _guesses(guesses)]
    asked = verified.passed + sum(verified.aside.values()) + sum(verified.unverified.values())
    lines.append(f"Of {count_of(asked, 'item')} that it was asked about, {verified.passed:,} stayed.")
    return "\n\n".join(lines)


def _say_votes(config: VerifyConfig, items: Sequence[UnderstandingItem | ApplicationItem]) -> str:
    shares = [item.agreement for item in items if item.agreement is not None]
    text = (
        f"It solved each item blind, up to {config.votes} times with the options in other orders; an item stays when "
        f"at least {config.agreement:.0%} of the answers are the key."
    )
    if shares:
        unanimous = sum(share == 1 for share in shares)
        text += (
            f" Over the {len(shares):,} items here that were solved, {sum(shares) / len(shares):.1%} of the answers "
            f"are the key, and {unanimous:,} items had no other answer."
        )
    return text


def _guesses(guesses: Sequence[GuessRate]) -> str:
    rows = [
        (
            rate.task,
            f"{rate.n:,}",
            f"{rate.share:.1%} ({rate.low:.1%} to {rate.high:.1%})",
            f"{rate.chance:.1%}",
            f"{100 * (rate.share - rate.chance):+.1f} points"
            f" ({100 * (rate.low - rate.chance):+.1f} to {100 * (rate.high - rate.chance):+.1f})",
        )
        for rate in guesses
    ]
    return (
        render_table(("task", "items", "right without the scenario (95%)", "chance", "above chance (95%)"), rows)
        + "\n\n"
        + (
            "What lies above chance can be found in the options alone, so that much of a score says nothing about "
            "understanding."
            if any(rate.low > rate.chance for rate in guesses)
            else "No share can be told from chance."
        )
        + " Items that it answered rightly so are marked `guessed`."
    )


def say_exams(verified: Verified, config: DecontaminateConfig) -> str:
    """Say with which exams the drafts were compared and what fell out, or that they were not compared."""
    exams = verified.exams
    if not exams.compared:
        why = "the recipe turned it off" if exams.off else "none was at hand"
        return (
            f"**The items were not compared with any exam set** ({why}). Do not report scores on an exam for a model "
            "tuned on them unless you have compared them yourself."
        )
    dropped = sum(verified.contaminated.values())
    lines = [
        f"Every draft that the rules let pass was compared with these exams: {config.ngram} words in a row that a "
        f"scenario shares with one, whole scenarios that are alike (from {config.similarity:g} of 100), and options "
        "that are the same.",
        render_table(("exam", "texts"), [(source, f"{count:,}") for source, count in exams.compared.items()]),
        f"**Dropped for it: {count_of(dropped, 'draft')}**"
        + (f" ({list_counts(verified.contaminated)})." if dropped else ".")
        + f" Of all drafts {exams.long_ngrams:,} share 13 words in a row with an exam.",
    ]
    if exams.problems:
        lines.append(f"Not everything in them could be read: {count_of(len(exams.problems), 'problem')}.")
    if verified.examples:
        rows = [(f"`{row.id}`", row.source, row.part, row.rule) for row in verified.examples]
        lines += [
            "Examples; their words are not repeated here, so that this card spreads no exam:",
            render_table(("draft", "exam", "part", "found by"), rows),
        ]
    return "\n\n".join(lines)


def say_people(review: PeopleReview) -> str:
    """Say what people judged, or that nobody did."""
    if not review.people:
        return "**No person has read the items.**"
    lines = [
        f"{'One person' if review.people == 1 else f'{review.people:,} people'} judged "
        f"{count_of(review.read, 'item')}; their word goes over the judge's. Left out for it: "
        f"{count_of(sum(review.left_out.values()), 'item')}"
        + (f" ({list_counts(review.left_out)})" if review.left_out else "")
        + f"; taken in, though the judge had set them aside: {count_of(review.taken_in, 'item')}.",
    ]
    if review.agreement:
        lines.append(render_table(("question", "agreement"), review.agreement.items()))
    return "\n\n".join(lines)
