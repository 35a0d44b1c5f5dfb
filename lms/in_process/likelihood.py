"""How likely a model finds given texts: many questions at once, and each prompt is read once for all its answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.nn.functional import cross_entropy, log_softmax

from lms.in_process.cache import common_start, new_cache, takes_gaps
from lms.in_process.job import Ranking, Scores
from lms.in_process.rows import AT_ONCE, PADDING, Rows

Tokens = list[int]
_SIDE_BY_SIDE = 32  # texts of a pass, each with keys and values of its own: more leave the processor's cache
_NOT_THERE = -100  # a place without a token
_SLACK = 8  # columns that a step may take beyond its longest text, where tokens merge across its beginning


def rank_texts(
    model: Any, encode: Callable[[str], Tokens], rankings: Sequence[Ranking], most_rows: int
) -> list[Scores]:
    """Return the scores of every ranking, in order.

    Args:
        model: a causal language model.
        encode: text to tokens, without special ones.
        rankings: at least one.
        most_rows: the most texts that may be read side by side, as each has keys and values of its own.
    """
    most_rows = min(most_rows, _SIDE_BY_SIDE)
    order = sorted(range(len(rankings)), key=lambda place: len(rankings[place].prompt))
    found: dict[int, Scores] = {}
    for places in _passes(order, rankings):
        found |= zip(
            places, _rank_together(model, encode, [rankings[place] for place in places], most_rows), strict=True
        )
    return [found[place] for place in range(len(rankings))]


def _passes(order: Sequence[int], rankings: Sequence[Ranking]) -> Iterator[list[int]]:
    """Part rankings, the shortest first, so that each part has `AT_ONCE` in all, or is a single one."""
    part: list[int] = []
    for place in order:
        if part and (len(part) + 1) * len(rankings[place].prompt) > AT_ONCE:
            yield part
            part = []
        part.append(place)
    yield part


def _rank_together(
    model: Any, encode: Callable[[str], Tokens], rankings: Sequence[Ranking], most_rows: int
) -> list[Scores]:
    room = max(one.room + _SLACK * len(one.steps) for one in rankings)
    columns = room + max(len(one.prompt) for one in rankings)
    if takes_gaps(new_cache(model, columns), columns):
        return _rank(encode, rankings, _Kept(model, room, most_rows))
    return [scores for one in rankings for scores in _rank(encode, [one], _Anew(model, most_rows))]


def _rank(encode: Callable[[str], Tokens], rankings: Sequence[Ranking], reader: _Kept | _Anew) -> list[Scores]:
    said = [""] * len(rankings)
    found: list[Scores] = [[] for _ in rankings]
    for number in range(max(len(one.steps) for one in rankings)):
        asked = [place for place, one in enumerate(rankings) if number < len(one.steps)]
        texts = [[said[place] + text for text in rankings[place].steps[number].texts] for place in asked]
        tokens = [[encode(text) for text in own] for own in texts]
        starts = [min(common_start(own), min(map(len, own)) - 1) for own in tokens]
        prompts = [
            rankings[place].prompt + own[0][:start] for place, own, start in zip(asked, tokens, starts, strict=True)
        ]
        tails = [[one[start:] for one in own] for own, start in zip(tokens, starts, strict=True)]
        for place, own, ends, sums in zip(asked, texts, tails, reader.score(asked, prompts, tails), strict=True):
            per_token = rankings[place].steps[number].per_token
            scores = [total / len(end) if per_token else total for total, end in zip(sums, ends, strict=True)]
            found[place].append(scores)
            said[place] = own[max(range(len(own)), key=scores.__getitem__)]
    return found


class _Kept:
    """Reads a prompt once, in a batch, for its answers and for the steps that follow."""

    def __init__(self, model: Any, room: int, most_rows: int):
        self.model, self.room, self.most_rows = model, room, most_rows
        self.rows: Rows | None = None
        self.places: list[int] = []

    def score(
        self, places: list[int], prompts: Sequence[Tokens], tails: Sequence[Sequence[Tokens]]
    ) -> list[list[float]]:
        """Return per tail the sum of its log-probabilities after its prompt.

        Args:
            places: names of the prompts; after the first call some of those of the call before.
        """
        if self.rows is None:
            self.rows = Rows(self.model, prompts, self.room)
        else:
            if places != self.places:
                self.rows.keep([self.places.index(place) for place in places])
            self.rows.turn_to(prompts)
        self.places = places
        first = log_softmax(self.rows.read().float(), dim=-1)
        sums = [[float(first[row, tail[0]]) for tail in own] for row, own in enumerate(tails)]
        # Those of like length side by side, as padding costs as much as text.
        longer = [(row, number) for row, own in enumerate(tails) for number, tail in enumerate(own) if len(tail) > 1]
        longer.sort(key=lambda pair: len(tails[pair[0]][pair[1]]))
        for chunk in _chunks(longer, self.most_rows):
            ends = [tails[row][number] for row, number in chunk]
            logits = self.rows.try_on([row for row, _ in chunk], [end[:-1] for end in ends])
            for (row, number), more in zip(chunk, _sum_chosen(logits, [end[1:] for end in ends]), strict=True):
                sums[row][number] += more
        return sums


class _Anew:
    """Reads every prompt with every answer: for models that cannot keep what they have read, or hide what they hold."""

    def __init__(self, model: Any, most_rows: int):
        self.model, self.most_rows = model, most_rows

    def score(
        self, places: list[int], prompts: Sequence[Tokens], tails: Sequence[Sequence[Tokens]]
    ) -> list[list[float]]:
        """Return per tail the sum of its log-probabilities after its prompt."""
        return [
            [total for chunk in _chunks(own, self.most_rows) for total in self._score(prompt, chunk)]
            for prompt, own in zip(prompts, tails, strict=True)
        ]

    def _score(self, prompt: Tokens, tails: Sequence[Tokens]) -> list[float]:
        width = max(map(len, tails))
        ids = [prompt + tail + [PADDING] * (width - len(tail)) for tail in tails]
        logits = self.model(
            torch.tensor(ids, device=self.model.device), use_cache=False, logits_to_keep=width + 1
        ).logits
        return _sum_chosen(logits[:, :-1], tails)


def _sum_chosen(logits: torch.Tensor, chosen: Sequence[Tokens]) -> list[float]:
    """Return the sum of the log-probabilities of some tokens, of each row's own number.

    Args:
        logits: shape (rows, tokens, vocabulary).
    """
    width = logits.shape[1]
    ids = torch.tensor([own + [_NOT_THERE] * (width - len(own)) for own in chosen], device=logits.device)
    lost = cross_entropy(logits.float().flatten(0, 1), ids.flatten(), ignore_index=_NOT_THERE, reduction="none")
    sums: list[float] = (-lost.view(ids.shape).sum(1)).tolist()
    return sums


def _chunks(values: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), size):
        yield values[start : start + size]
