"""Which drafts repeat a text of an exam: by a run of words, by the same words in another order, or by their options.

The rules, and what earlier scripts got wrong: s1 and open-r1 (``scripts/decontaminate.py``) drop on any shared word
8-gram, but split at spaces and keep punctuation, so that a typographic quote, a comma, or Chinese text hides a copy, a
text shorter than the n-gram is never found, and nobody can see what matched.  GPT-3 (arXiv 2005.14165, appendix C)
uses 13-grams, more than half of a scenario of EmoBench EA has; they are counted for comparison.  Reordered and edited
copies share no long run (Yang et al., arXiv 2311.04850), so whole scenarios are compared as bags of words too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz import fuzz

from corpus.config import DecontaminateConfig
from corpus.embeddings import Encoder, nearest
from corpus.exam_texts import (
    CHARACTERS_PER_WORD,
    MIN_WORDS,
    ExamText,
    Part,
    find_words,
    fold,
    is_by_characters,
    size_of,
    words_of,
)
from corpus.records import Draft, UnderstandingDraft

LONG_NGRAM = 13  # as GPT-3
EXCERPT = 240  # characters
AROUND = 60  # characters of an excerpt on each side of a shared run
RARE = 16  # words by which a text is looked up
CANDIDATES = 10  # texts that are compared closely
SHARED = 0.3  # of the weight of a text's rare words, from which it is compared closely
NEAR_OPTION = 90.0  # similarity of options that count as one; options are short, and much alike by nature
CONTAINED = 1.5  # × ngram: words of a text whose rare words must be found in a longer one; few are there by chance
OPTIONS_TOGETHER = 1.5  # × ngram: words that matching options must have together


@dataclass(frozen=True)
class Overlap:
    """A draft that repeats an exam: its ID, the exam's item, which rule found it, and excerpts of both texts.

    ``rule`` is ``8-gram`` (or as configured: a run of words, of 1.5 as many characters in Chinese), ``same words`` (in
    any order), ``similar words``, ``contained`` (the exam's words are found in a longer scenario), ``option`` (a long
    one, all its words), or ``options`` (several of one item).  Texts around a run are shown folded, as compared.
    """

    id: str
    source: str
    part: Part
    rule: str
    theirs: str
    ours: str


@dataclass(frozen=True)
class Suspect:
    """A draft whose scenario means nearly what a text of an exam means: cosine of the embeddings, and both texts."""

    id: str
    source: str
    cosine: float
    theirs: str
    ours: str


@dataclass(frozen=True)
class _Known:
    """A text of an exam and its words, sorted, as one string."""

    text: ExamText
    sorted: str
    size: float


class ContaminationIndex:
    """The texts of all exams, prepared for comparison with any number of drafts.

    Memory is about 13 kB per item of an exam; looking a draft up takes about 1 ms for EmoBench, 5 ms for 50,000 items.
    """

    def __init__(self, texts: Iterable[ExamText], config: DecontaminateConfig) -> None:
        self._config = config
        self._scenarios: list[_Known] = []
        self._options: list[_Known] = []
        self._grams: dict[int, int] = {}
        self._long_grams: set[int] = set()
        self._by_words: dict[str, int] = {}
        scenario_words, option_words = [], []
        for text in texts:
            words = words_of(text.text)
            known = _Known(text, " ".join(sorted(words)), size_of(words))
            if known.size < MIN_WORDS:  # a name or a label, which nobody can be accused of repeating
                continue
            if text.part == "option":
                self._options.append(known)
                option_words.append(words)
                continue
            number = len(self._scenarios)
            self._scenarios.append(known)
            scenario_words.append(words)
            for gram in _grams(words, config.ngram):
                self._grams.setdefault(gram, number)
            self._long_grams.update(_grams(words, LONG_NGRAM))
            self._by_words.setdefault(known.sorted, number)
        self._scenario_index = _RareWords(scenario_words)
        self._option_index = _RareWords(option_words)
        self._stock = _stock_options(self._options)

    def find(self, draft: Draft) -> Overlap | None:
        """Return the first overlap of a draft with an exam, or None; scenario before options, exact before fuzzy."""
        return self._find_scenario(draft) or self._find_options(draft)

    def shares_long_ngram(self, draft: Draft) -> bool:
        """Whether the scenario shares a run of LONG_NGRAM words with an exam: the count that GPT-3 reported."""
        return any(gram in self._long_grams for gram in _grams(words_of(draft.scenario), LONG_NGRAM))

    def neighbours(
        self, drafts: Sequence[Draft], encoder: Encoder, threshold: float = 0.6, top: int = 3
    ) -> list[Suspect]:
        """Return pairs of scenarios that mean nearly the same, for a judge to decide whether one paraphrases the other.

        Args:
            drafts: those that `find` let pass.
            encoder: makes unit rows of texts.
            threshold: cosine from which a pair is suspect; with all-MiniLM-L6-v2, scenarios that tell different stories
            stay below 0.56, and retold ones of EmoBench itself lie above 0.62.
            top: most suspects per draft.

        Returns:
            Suspects in the order of drafts, the nearest text first.
        """
        theirs = encoder.encode([known.text.text for known in self._scenarios])
        ours = encoder.encode([draft.scenario for draft in drafts])
        found = nearest(ours, theirs, top)
        suspects = []
        for draft, numbers, cosines in zip(drafts, found.indices, found.similarities, strict=True):
            for number, cosine in zip(numbers.tolist(), cosines.tolist(), strict=True):
                if cosine >= threshold:
                    text = self._scenarios[number].text
                    suspects.append(Suspect(draft.id, text.source, cosine, text.text, draft.scenario))
        return suspects

    def _find_scenario(self, draft: Draft) -> Overlap | None:
        words = words_of(draft.scenario)
        for start, gram in enumerate(_grams(words, self._config.ngram)):
            if (number := self._grams.get(gram)) is not None:
                run = words[start : start + _gram_length(words, self._config.ngram)]
                return self._overlap(draft, self._scenarios[number], f"{self._config.ngram}-gram", draft.scenario, run)
        ordered = " ".join(sorted(words))
        if (number := self._by_words.get(ordered)) is not None:
            return self._overlap(draft, self._scenarios[number], "same words", draft.scenario)
        for candidate in self._scenario_index.candidates(words):
            known = self._scenarios[candidate.number]
            if fuzz.ratio(ordered, known.sorted, score_cutoff=self._config.similarity):
                return self._overlap(draft, known, "similar words", draft.scenario)
            if candidate.share >= self._config.similarity / 100 and known.size >= CONTAINED * self._config.ngram:
                return self._overlap(draft, known, "contained", draft.scenario)
        return None

    def _find_options(self, draft: Draft) -> Overlap | None:
        """One long option verbatim, or several of one item that match; what the exam itself repeats tells nothing."""
        matches: dict[str, dict[str, _Known]] = defaultdict(dict)
        for option in _options_of(draft):
            words = words_of(option)
            ordered = " ".join(sorted(words))
            for candidate in self._option_index.candidates(words):
                known = self._options[candidate.number]
                if known.sorted in self._stock or not fuzz.ratio(ordered, known.sorted, score_cutoff=NEAR_OPTION):
                    continue
                if ordered == known.sorted and known.size >= self._config.ngram:
                    return self._overlap(draft, known, "option", option)
                matches[known.text.source][option] = known
        for shared in matches.values():
            if len(shared) > 1 and sum(k.size for k in shared.values()) >= OPTIONS_TOGETHER * self._config.ngram:
                return self._overlap(draft, next(iter(shared.values())), "options", " / ".join(shared))
        return None

    def _overlap(self, draft: Draft, known: _Known, rule: str, ours: str, run: Sequence[str] = ()) -> Overlap:
        return Overlap(
            draft.id, known.text.source, known.text.part, rule, _excerpt(known.text.text, run), _excerpt(ours, run)
        )


@dataclass(frozen=True)
class _Candidate:
    """A text worth comparing: its number, and which share of its rare words, by weight, was found."""

    number: int
    share: float


class _RareWords:
    """Texts by their rarest words, so that a draft is compared closely with a handful of texts instead of all."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        spread: dict[str, int] = defaultdict(int)
        for words in texts:
            for word in set(words):
                spread[word] += 1
        postings: dict[str, list[int]] = defaultdict(list)
        total = np.zeros(len(texts))
        self._weight = {word: float(np.log1p(len(texts) / count)) for word, count in spread.items()}
        for number, words in enumerate(texts):
            for word in sorted(set(words), key=lambda word: (spread[word], word))[:RARE]:
                postings[word].append(number)
                total[number] += self._weight[word]
        self._postings = {word: np.array(numbers, dtype=np.int32) for word, numbers in postings.items()}
        self._total = total

    def candidates(self, words: Iterable[str]) -> list[_Candidate]:
        """Return the texts of whose rare words enough are among these words, the most alike first."""
        found = [word for word in sorted(set(words)) if word in self._postings]
        if not found:
            return []
        numbers = np.concatenate([self._postings[word] for word in found])
        weights = np.repeat([self._weight[word] for word in found], [len(self._postings[word]) for word in found])
        shares = np.bincount(numbers, weights, minlength=len(self._total)) / self._total
        touched = np.flatnonzero(shares >= SHARED)
        best = touched[np.argsort(-shares[touched], kind="stable")[:CANDIDATES]]
        return [_Candidate(number, share) for number, share in zip(best.tolist(), shares[best].tolist(), strict=True)]


def _grams(words: Sequence[str], ngram: int) -> Iterator[int]:
    """Yield a hash of each run of words; 64 bits, so that a chance hit is out of the question."""
    length = _gram_length(words, ngram)
    for start in range(len(words) - length + 1):
        yield hash(tuple(words[start : start + length]))


def _gram_length(words: Sequence[str], ngram: int) -> int:
    return round(ngram * CHARACTERS_PER_WORD) if is_by_characters(words) else ngram


def _options_of(draft: Draft) -> tuple[str, ...]:
    """Return what a draft offers as answers; emotions are left out, every exam on emotions has them."""
    if isinstance(draft, UnderstandingDraft):
        return (draft.cause, *draft.wrong_causes)
    return (draft.best, *draft.wrong)


def _stock_options(options: Sequence[_Known]) -> set[str]:
    """Return the options that an exam gives to several items that have nothing else in common.

    An item that is there twice, in two files or under two tasks, shares all its options with its double and makes
    none of them stock.
    """
    items: dict[str, set[str]] = defaultdict(set)
    sources: dict[str, list[str]] = defaultdict(list)
    for known in options:
        if known.sorted not in items[known.text.source]:
            items[known.text.source].add(known.sorted)
            sources[known.sorted].append(known.text.source)
    return {
        option
        for option, (first, *others) in sources.items()
        if any(items[first] & items[other] == {option} != items[first] for other in others)
    }


def _excerpt(text: str, run: Sequence[str] = ()) -> str:
    """Return the part of a text around a run of words, or its beginning, on one line."""
    if run:
        folded = fold(text)
        found = list(find_words(folded))
        words = [word.text for word in found]
        start = next(n for n in range(len(words)) if words[n : n + len(run)] == list(run))
        first = max(0, found[start].start - AROUND)
        last = found[start + len(run) - 1].end + AROUND
        text, head, tail = folded[first:last], first > 0, last < len(folded)
    else:
        head, tail, text = False, len(text) > EXCERPT, text[:EXCERPT]
    return "…" * head + " ".join(text.split()) + "…" * tail
