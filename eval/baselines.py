"""What a reader of no understanding scores: chance, the best constant answer, the longest option, the choices alone."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import prod
from statistics import mean
from typing import Protocol

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

FOLDS = 5
LEAST = 2  # choices of a fold's training part in which a feature must stand to count
# Chinese has no spaces: its characters are the words, and pairs of them the pairs.
_WORD = re.compile(r"[\u4e00-\u9fff]|[^\W\u4e00-\u9fff]+")
Question = tuple[Sequence[str], str]  # (choices, label)
# What each is called where it is printed, by its field in `Baselines`.
NAMES = {
    "chance": "chance",
    "best_constant": "best constant answer",
    "longest_option": "longest option",
    "choices_only": "choices only",
}


class Posed(Protocol):
    """An item of an exam, a record of EmoBench or a question of `eval.benchmarks`: right when all its questions are."""

    @property
    def scenario(self) -> str:
        """The text that it rests on."""
        ...

    @property
    def questions(self) -> Sequence[Question]:
        """Choices and right choice of each question."""
        ...


@dataclass(frozen=True)
class Baselines:
    """What the items of one task give to a reader of no understanding: shares right, in 0..1."""

    chance: float
    best_constant: float
    longest_option: float
    choices_only: float

    @property
    def named(self) -> dict[str, float]:
        """The shares by the names under which they are printed."""
        return {said: getattr(self, name) for name, said in NAMES.items()}


def measure_baselines(items: Sequence[Posed]) -> Baselines:
    """Return all baselines of one task; `choices_only` fits a model, in a fraction of a second for 200."""
    return Baselines(chance_level(items), best_constant(items), longest_option(items), choices_only(items))


def say_baselines(named: Mapping[str, float]) -> str:
    """Return baselines by name on one line, in percent."""
    return ", ".join(f"{name} {share:.1%}" for name, share in named.items())


def chance_level(items: Sequence[Posed]) -> float:
    """Return the expected share right of uniform guessing (EU: emotion and cause both)."""
    return mean(prod(1 / len(choices) for choices, _ in item.questions) for item in items)


def best_constant(items: Sequence[Posed]) -> float:
    """Return the share right of the best answer that is always the same letter (EU: the same pair)."""
    keys = Counter(tuple(choices.index(label) for choices, label in item.questions) for item in items)
    return keys.most_common(1)[0][1] / len(items)


def longest_option(items: Sequence[Posed]) -> float:
    """Return the share right of always taking the longest option, the first of equals (EU: of both questions)."""
    return mean(all(max(choices, key=len) == label for choices, label in item.questions) for item in items)


def choices_only(items: Sequence[Posed]) -> float:
    """Return the expected share right of a reader who sees the options and no scenario (EU: both questions right).

    What it scores above chance is what the options give away: `read_choices_only` for each question of a task, no
    scenario in two folds.  The idea is the hypothesis-only baseline of Poliak et al. (2018, arXiv 1805.01042), on
    multiple choice Balepur et al. (2024, arXiv 2402.12483).
    """
    scores: dict[int, list[float]] = defaultdict(list)  # by place of the item
    for number in {len(item.questions) for item in items}:  # EA asks one, EU two
        places = [place for place, item in enumerate(items) if len(item.questions) == number]
        groups = [items[place].scenario for place in places]
        for questions in zip(*(items[place].questions for place in places), strict=True):
            for place, score in zip(places, read_choices_only(questions, groups), strict=True):
                scores[place].append(score)
    return mean(prod(scores[place]) for place in range(len(items)))


def read_choices_only(questions: Sequence[Question], groups: Sequence[str]) -> list[float]:
    """Return for each question the chance that a reader of its choices alone takes the right one.

    The reader is a conditional logit (McFadden 1974) on the words of a choice and its pairs of words, present or not,
    with an L2 penalty of 1/2: it learns what right choices have that the others beside them lack.  It answers
    questions that it did not learn from (5 folds, drawn with seed 0), and guesses among choices that it finds equal.

    Args:
        questions: choices and label of each.
        groups: a name per question; questions of one group are in one fold, because their choices are akin.
    """
    texts = [_features(choice) for choices, _ in questions for choice in choices]
    sizes = np.array([len(choices) for choices, _ in questions])
    starts = np.concatenate([[0], np.cumsum(sizes)])
    rights = starts[:-1] + [list(choices).index(label) for choices, label in questions]
    folds = _folds(groups)
    scores = np.zeros(len(questions))
    for fold in np.unique(folds):
        train, test = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
        rows = np.concatenate([np.arange(0), *(np.arange(starts[q], starts[q + 1]) for q in train)])
        names = _vocabulary([texts[row] for row in rows])
        shown = _matrix(texts, names)
        right = np.zeros(len(texts))
        right[rights[train]] = 1
        weights = _fit(shown[rows], right[rows], sizes[train])
        for question in test:
            liked = shown[starts[question] : starts[question + 1]] @ weights
            best = np.flatnonzero(liked >= liked.max() - 1e-9) + starts[question]
            scores[question] = float(rights[question] in best) / len(best)
    return [float(score) for score in scores]


def _features(text: str) -> set[str]:
    words = _WORD.findall(text.lower())
    return {*words, *(f"{one} {two}" for one, two in pairwise(words))}


def _vocabulary(texts: Sequence[set[str]]) -> dict[str, int]:
    counts = Counter(feature for text in texts for feature in sorted(text))
    return {feature: place for place, feature in enumerate(sorted(f for f, n in counts.items() if n >= LEAST))}


def _matrix(texts: Sequence[set[str]], names: dict[str, int]) -> csr_matrix:
    columns = [sorted(names[feature] for feature in text if feature in names) for text in texts]
    ends = np.concatenate([[0], np.cumsum([len(known) for known in columns])])
    flat = np.array([place for known in columns for place in known], dtype=int)
    return csr_matrix((np.ones(len(flat)), flat, ends), shape=(len(texts), len(names)))


def _fit(shown: csr_matrix, right: npt.NDArray[np.float64], sizes: npt.NDArray[np.int_]) -> npt.NDArray[np.float64]:
    """Return the weights of the features; none when there is nothing to learn from."""
    if not shown.shape[1]:
        return np.zeros(0)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])

    def loss(weights: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
        liked = shown @ weights
        liked = liked - np.repeat(np.maximum.reduceat(liked, starts), sizes)
        totals = np.add.reduceat(np.exp(liked), starts)
        picked = np.exp(liked) / np.repeat(totals, sizes)
        lost = float(np.log(totals).sum() - right @ liked + weights @ weights / 2)
        return lost, shown.T @ (picked - right) + weights

    found: npt.NDArray[np.float64] = minimize(loss, np.zeros(shown.shape[1]), jac=True, method="L-BFGS-B").x
    return found


def _folds(groups: Sequence[str]) -> npt.NDArray[np.int_]:
    """Return the fold of each question: whole groups, dealt out in an order that seed 0 decides."""
    names, codes = np.unique(np.asarray(groups), return_inverse=True)
    order = np.random.default_rng(0).permutation(len(names))
    fold: npt.NDArray[np.int_] = (np.argsort(order) % FOLDS)[codes]
    return fold
