"""The Gumbel-max trick on plain logits: its distribution, its filters, its seeds."""

from __future__ import annotations

import pytest
import torch
from scipy.stats import chisquare

from lms.in_process.job import Job
from lms.in_process.sampling import GumbelMax

LOGITS = torch.tensor([1.5, -0.5, 0.0, 2.0, -3.0, 0.7, 0.7, -1.0])
DRAWS = 2000


def choose(jobs: list[Job], logits: torch.Tensor = LOGITS) -> list[int]:
    """The token that each job takes from the same logits."""
    scores = GumbelMax(jobs, torch.device("cpu"))(torch.zeros(len(jobs), 1), logits.repeat(len(jobs), 1))
    return scores.argmax(-1).tolist()


def job(seed: int | None = None, temperature: float = 1.0, top_p: float | None = None, top_k: int | None = None) -> Job:
    return Job([0], 1, temperature, top_p, top_k, seed)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7])
def test_choices_follow_the_softmax(temperature: float) -> None:
    counts = torch.bincount(torch.tensor(choose([job(n, temperature) for n in range(DRAWS)])), minlength=len(LOGITS))
    expected = (LOGITS / temperature).softmax(-1).double()
    often = expected * DRAWS >= 5  # the test holds for such cells only; the others are one cell together
    observed = [*counts[often].tolist(), int(counts[~often].sum())]
    wanted = [*(expected[often] * DRAWS).tolist(), float(expected[~often].sum()) * DRAWS]
    if not wanted[-1]:
        observed, wanted = observed[:-1], wanted[:-1]
    assert chisquare(observed, wanted, sum_check=False).pvalue > 0.01


def test_top_k_keeps_the_likeliest_and_their_proportions() -> None:
    tokens = torch.tensor(choose([job(n, top_k=2) for n in range(DRAWS)]))
    assert set(tokens.tolist()) == {0, 3}
    assert (tokens == 3).double().mean() == pytest.approx(float(LOGITS[[0, 3]].softmax(-1)[1]), abs=0.04)


def test_top_p_keeps_the_fewest_whose_chances_are_enough() -> None:
    chances = LOGITS.softmax(-1)
    assert 0.6 < chances[3] + chances[0] < 0.75 < chances[3] + chances[0] + chances[5] + chances[6]
    assert set(choose([job(n, top_p=0.6) for n in range(DRAWS)])) == {0, 3}
    assert set(choose([job(n, top_p=float(chances[3]) - 0.01) for n in range(200)])) == {3}
    assert set(choose([job(n, top_p=0.0) for n in range(200)])) == {3}
    assert set(choose([job(n, 2.0, top_p=1.0) for n in range(DRAWS)])) == set(range(8))


def test_top_p_counts_what_top_k_left() -> None:
    share = float(LOGITS[[0, 3]].softmax(-1)[1])
    assert set(choose([job(n, top_k=2, top_p=share - 0.01) for n in range(200)])) == {3}
    assert set(choose([job(n, top_k=2, top_p=share + 0.01) for n in range(200)])) == {0, 3}


def test_top_k_1_takes_what_greedy_decoding_takes_even_among_equals() -> None:
    equal = torch.tensor([0.0, 2.0, 2.0, 2.0, -1.0])
    assert choose([job(n, top_k=1) for n in range(20)], equal) == [int(equal.argmax())] * 20


def test_a_row_without_a_temperature_is_left_alone() -> None:
    scores = GumbelMax([job(1), job(1, temperature=0.0), job(2)], torch.device("cpu"))(
        torch.zeros(3, 1), LOGITS.repeat(3, 1)
    )
    assert torch.equal(scores[1], LOGITS)
    assert not torch.equal(scores[0], scores[2])


def test_a_seed_draws_the_same_numbers_in_any_row_and_at_each_step_new_ones() -> None:
    alone, third = GumbelMax([job(7)], torch.device("cpu")), GumbelMax([job(1), job(), job(7)], torch.device("cpu"))
    steps = []
    for _ in range(3):
        steps.append(alone(torch.zeros(1, 1), LOGITS.repeat(1, 1))[0])
        assert torch.equal(steps[-1], third(torch.zeros(3, 1), LOGITS.repeat(3, 1))[2])
    assert not torch.equal(steps[0], steps[1])


def test_without_a_seed_one_is_drawn() -> None:
    assert len(set(choose([job(temperature=2.0) for _ in range(200)]))) > 1


@pytest.mark.parametrize("seed", [-1, 0, 2**63, 2**70 + 3])
def test_any_integer_is_a_seed(seed: int) -> None:
    assert choose([job(seed)]) == choose([job(seed)])


def test_a_temperature_next_to_nothing_is_greedy() -> None:
    assert set(choose([job(n, 1e-30, top_p=0.9) for n in range(50)], LOGITS * 1000)) == {3}
