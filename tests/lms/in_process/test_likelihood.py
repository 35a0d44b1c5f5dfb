from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from lms.in_process.checkpoint import Checkpoint
from lms.in_process.job import Ranking, Scores, Step
from lms.in_process.likelihood import rank_texts
from tests.lms.in_process.conftest import ARCHITECTURES

Encode = Callable[[str], list[int]]
FEELINGS = Step(('{"emotion": "Relief"', '{"emotion": "Fear"', '{"emotion": "Joy and fear"'), per_token=False)
CAUSES = Step((', "cause": "She waited."', ', "cause": "Ada came back from the yard."', ', "cause": "Who"'))
LETTERS = Step(('{"answer": "A"', '{"answer": "B"', '{"answer": "C"'))
OPENING = "Read what happens and say what Ada feels. The kettle was still warm when she came back from the yard. "


def ranking_of(encode: Encode, prompt: str, *steps: Step) -> Ranking:
    return Ranking(encode(prompt), steps, sum(max(len(encode(text)) for text in step.texts) for step in steps))


def plain_scores(model: Any, encode: Encode, ranking: Ranking) -> Scores:
    """Every text of every step by itself, in one pass over all that stands before it."""
    said, found = "", []
    for step in ranking.steps:
        tails = [encode(said + text) for text in step.texts]
        shared = 0
        while len({tuple(tail[: shared + 1]) for tail in tails}) == 1 and shared < min(map(len, tails)) - 1:
            shared += 1
        scores = []
        for tail in tails:
            ids = torch.tensor([ranking.prompt + tail])
            with torch.inference_mode():
                logprobs = torch.log_softmax(model(ids).logits[0].float(), dim=-1)
            places = range(len(ranking.prompt) + shared, ids.shape[1])
            total = sum(float(logprobs[n - 1, ids[0, n]]) for n in places)
            scores.append(total / len(places) if step.per_token else total)
        found.append(scores)
        said += step.texts[scores.index(max(scores))]
    return found


def rank(model: Any, encode: Encode, rankings: list[Ranking], most_rows: int = 8) -> list[Scores]:
    with torch.inference_mode():
        return rank_texts(model, encode, rankings, most_rows)


def assert_alike(found: list[Scores], wanted: list[Scores]) -> None:
    assert [[len(step) for step in one] for one in found] == [[len(step) for step in one] for one in wanted]
    for one, other in zip(found, wanted, strict=True):
        for step, its in zip(one, other, strict=True):
            assert step == pytest.approx(its, abs=2e-4)


def questions(encode: Encode) -> list[Ranking]:
    """Questions of one and of two steps, of unlike length, whose prompts begin alike."""
    asked = [(FEELINGS, CAUSES), (CAUSES,), (LETTERS,), (FEELINGS, CAUSES), (FEELINGS, LETTERS)]
    return [ranking_of(encode, OPENING + "She waited. " * n, *steps) for n, steps in enumerate(asked)]


@pytest.mark.parametrize("most_rows", [1, 3, 64])
@pytest.mark.parametrize("name", [*ARCHITECTURES, "sliding", "positions", "hybrid", "recurrent"])
def test_scores_are_those_of_each_text_by_itself(
    name: str, most_rows: int, model_of: Callable[[str], Any], checkpoint: Checkpoint
) -> None:
    model, encode = model_of(name), checkpoint.chat.encode
    rankings = questions(encode)
    wanted = [plain_scores(model, encode, one) for one in rankings]
    assert_alike(rank(model, encode, rankings, most_rows), wanted)
    assert_alike(rank(model, encode, rankings[::-1], most_rows), wanted[::-1])


def test_prompts_that_begin_otherwise_are_ranked_too(checkpoint: Checkpoint) -> None:
    model, encode = checkpoint.model, checkpoint.chat.encode
    rankings = [ranking_of(encode, text, FEELINGS, CAUSES) for text in ("Who moved the ladder?", "Ada", OPENING)]
    assert_alike(rank(model, encode, rankings), [plain_scores(model, encode, one) for one in rankings])


def test_one_text_alone_has_a_likelihood(checkpoint: Checkpoint) -> None:
    one = ranking_of(checkpoint.chat.encode, "Who?", Step(("She waited.",)), Step((" a", " a b")))
    assert_alike(
        rank(checkpoint.model, checkpoint.chat.encode, [one]),
        [plain_scores(checkpoint.model, checkpoint.chat.encode, one)],
    )


def test_more_words_are_never_likelier_in_total(checkpoint: Checkpoint) -> None:
    texts = ("Joy", "Joy and joy and joy and joy")
    encode = checkpoint.chat.encode
    in_total, per_token = (
        rank(checkpoint.model, encode, [ranking_of(encode, "Who was warm?", Step(texts, own))])[0][0]
        for own in (False, True)
    )
    assert in_total[0] > in_total[1]
    assert in_total[1] < per_token[1]


def test_a_prompt_is_read_once_for_all_steps_and_the_common_start_once_for_all_prompts(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    rankings = [ranking_of(checkpoint.chat.encode, OPENING + "Who? " * n, FEELINGS, CAUSES) for n in (1, 2, 3)]
    shapes: list[tuple[int, int]] = []
    forward = checkpoint.model.forward

    def note(ids: torch.Tensor, *args: object, **kwargs: object) -> object:
        shapes.append(tuple(ids.shape))
        return forward(ids, *args, **kwargs)

    monkeypatch.setattr(checkpoint.model, "forward", note)
    rank(checkpoint.model, checkpoint.chat.encode, rankings, 64)
    start = len(checkpoint.chat.encode(OPENING))
    first, rests, *_ = shapes
    assert first[0] == 1
    assert first[1] >= start - 1
    assert rests[0] == 3
    assert sum(rows * columns for rows, columns in shapes[1:]) < 3 * start + 600, "no prompt is read a second time"
    assert [rows for rows, _ in shapes[2:]] == [9, 3, 9]
