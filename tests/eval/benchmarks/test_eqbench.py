from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from math import exp
from pathlib import Path

import pytest

from corpus.errors import DataError, UsageError
from eval.benchmarks import BENCHMARKS, Question, reordered
from eval.benchmarks.eqbench import HUB_DATASET
from tests.conftest import ROOT
from tests.eval.benchmarks.conftest import AT_ONCE, EMOTIONS, IN_FULL, rating_row, reference

EQ_BENCH = BENCHMARKS["eq-bench"]


def lines(*scores: object) -> str:
    return "".join(f"{name}: {score}\n" for name, score in zip(EMOTIONS, scores, strict=True))


def write(path: Path, *rows: object) -> Path:
    path.write_text(json.dumps({str(n): row for n, row in enumerate(rows, 1)}), encoding="utf-8")
    return path


def points(question: Question, raw: str, reading: str = "strict") -> float | None:
    return EQ_BENCH.score(EQ_BENCH.read(raw, question), question, reading)  # type: ignore[arg-type]


def test_an_item_is_a_question_with_reference_ratings(rated: Question) -> None:
    assert (rated.id, rated.lang, rated.parts) == ("EQ-7", "en", ())
    assert rated.reference == {"Wistful": 5.0, "Gleeful": 0.0, "Irked": 9.0, "Calm": 3.0}, "scores are strings at times"
    assert rated.cluster == "Ola: You sold the boat."
    assert reordered(rated, 3) == rated


@pytest.mark.parametrize(("thinking", "prompt"), [(False, AT_ONCE), (True, IN_FULL)])
def test_the_prompt_is_sent_as_the_official_pipeline_does(rated: Question, thinking: bool, prompt: str) -> None:
    signature = EQ_BENCH.signature(rated, thinking)
    assert set(signature.input_fields) <= set(rated.inputs)
    assert EQ_BENCH.adapter().format(signature, [], rated.inputs) == [{"role": "user", "content": prompt}]


def test_demonstrations_stand_before_the_prompt(rated: Question) -> None:
    signature = EQ_BENCH.signature(rated, False)
    messages = EQ_BENCH.adapter().format(signature, [{"prompt": "one", "ratings": lines(1, 2, 3, 4)}], rated.inputs)
    assert [(m["role"], m["content"]) for m in messages] == [
        ("user", "one"),
        ("assistant", lines(1, 2, 3, 4)),
        ("user", AT_ONCE),
    ]


def test_a_prompt_without_critique_is_sent_as_it_is_and_has_no_form_with_thinking(tmp_path: Path) -> None:
    (question,) = EQ_BENCH.load(str(write(tmp_path / "q.json", rating_row(1, 2, 3, 4, prompt=AT_ONCE))))
    assert question.inputs == {"prompt": AT_ONCE}
    with pytest.raises(UsageError, match=r"^EQ-1 does not ask for a critique"):
        EQ_BENCH.signature(question, True)


@pytest.mark.parametrize(
    ("given", "penalty"),
    [
        ((5, 0, 9, 3), 0.0),
        ((4, 0, 9, 3), 6.5 / (1 + exp(3.6))),  # off by 1
        ((1, 0, 9, 3), 3.25),  # off by 4, the middle of the curve
        ((0, 0, 9, 3), 6.5 / (1 + exp(-1.2))),  # off by 5, the end of the curve
        ((5, 6, 9, 3), 6.0),  # above 5 a difference counts in full
        ((5, 10, 9, 3), 10.0),
        ((1, 10, 3, 3), 3.25 + 10 + 6),
        ((10, 10, 0, 10), 6.5 / (1 + exp(-1.2)) + 10 + 9 + 7),
    ],
)
def test_points_follow_the_full_scale_formula(rated: Question, given: tuple[int, ...], penalty: float) -> None:
    assert points(rated, lines(*given)) == pytest.approx(10 - 0.7477 * penalty)
    assert points(rated, lines(*given), "lenient") == pytest.approx(10 - 0.7477 * penalty)


def test_one_item_by_hand(rated: Question) -> None:
    # off by 2, 1, 6, 0: 0.540..., 0.172..., 6, 0 sum to 6.713, and 10 - 0.7477 * 6.713 = 4.981
    assert points(rated, lines(7, 1, 3, 3)) == pytest.approx(4.981, abs=0.001)


@pytest.mark.parametrize(
    ("raw", "strict", "lenient", "rule"),
    [
        (lines(5, 0, 9, 3), (5, 0, 9, 3), (5, 0, 9, 3), "name: number"),
        ("Calm: 3\nIrked: 9\nGleeful: 0\nWistful: 5", (5, 0, 9, 3), (5, 0, 9, 3), "name: number"),
        (lines("5/10", "0/10", 9, 3), (5, 0, 9, 3), (5, 0, 9, 3), "name: number"),
        (lines(5.5, 0, 9, 3), (5, 0, 9, 3), (5.5, 0, 9, 3), "number after a name"),  # officially cut off
        (lines(5, 0, 9, 3).lower(), None, (5, 0, 9, 3), "number after a name"),
        (lines(5, 0, 9, 3).replace(": ", ":"), None, (5, 0, 9, 3), "number after a name"),
        ("Sure: 1\n" + lines(5, 0, 9, 3), None, (5, 0, 9, 3), "number after a name"),
        ("**Wistful**: 5, **Gleeful**: 0, **Irked**: 9, **Calm**: 3", None, (5, 0, 9, 3), "number after a name"),
        ("| Wistful | 5 |\n| Gleeful | 0 |\n| Irked | 9 |\n| Calm | 3 |", None, (5, 0, 9, 3), "number after a name"),
        (json.dumps(dict(zip(EMOTIONS, (5, 0, 9, 3), strict=True))), None, (5, 0, 9, 3), "number after a name"),
        (lines(70, 0, 9, 3), (70, 0, 9, 3), None, "off the scale"),
        (lines("6-7", 0, 9, 3), (6, 0, 9, 3), None, "unread"),
        (lines("10-11", 0, 9, 3), (10, 0, 9, 3), None, "unread"),
        (lines(-5, 0, 9, 3), None, None, "unread"),
        (lines("<score>", 0, 9, 3), None, None, "unread"),
        ("Wistful: 5\nGleeful: 0\nIrked: 9\n", None, None, "unread"),
        ("Not Unwistful: 5\nGleeful: 0\nIrked: 9\nCalm: 3", None, None, "unread"),
        ("", None, None, "unread"),
    ],
)  # fmt: skip
def test_ratings_are_read_both_ways(
    rated: Question, raw: str, strict: tuple[int, ...] | None, lenient: tuple[float, ...] | None, rule: str
) -> None:
    answer = EQ_BENCH.read(raw, rated)
    nothing = (None, None, None, None)
    assert (answer.strict, answer.lenient, answer.rules) == (strict or nothing, lenient or nothing, (rule,))
    assert answer.answered == (lenient is not None)
    assert (EQ_BENCH.score(answer, rated) is None) == (lenient is None)
    assert (EQ_BENCH.score(answer, rated, "strict") is None) == (strict is None)


def test_revised_ratings_count_and_first_ones_alone_do_not(rated: Question) -> None:
    first = f"First pass scores:\n{lines(1, 1, 1, 1)}\nCritique: Calm: 9 was too much.\n\n"
    assert EQ_BENCH.read(f"{first}Revised scores:\n{lines(5, 0, 9, 3)}", rated).strict == (5, 0, 9, 3)
    cut = EQ_BENCH.read(first, rated)
    assert (cut.strict, cut.lenient) == ((None,) * 4, (None,) * 4)
    half = EQ_BENCH.read(f"{first}Revised scores:\nWistful: 5\n", rated)
    assert (half.strict, half.answered) == ((None,) * 4, False)


@pytest.mark.parametrize(("unread", "valid"), [(29, True), (30, False)])
def test_142_of_171_items_must_be_read(unread: int, valid: bool) -> None:
    total = EQ_BENCH.total([None] * unread + [6.0] * (171 - unread))
    assert (total.n, total.valid) == (171, valid)
    assert total.score == pytest.approx(60.0), "over those that were read"
    assert total.parsed == pytest.approx((171 - unread) / 171)


def test_an_exam_in_which_nothing_was_read_has_no_score() -> None:
    total = EQ_BENCH.total([None, None])
    assert (total.score, total.parsed, total.valid) == (None, 0.0, False)


def test_a_score_is_ten_times_the_mean_and_can_be_negative() -> None:
    assert EQ_BENCH.total([10.0, 5.0, None, -3.0]).score == pytest.approx(40.0)
    assert EQ_BENCH.total([-10.0, -2.0]).score == pytest.approx(-60.0)


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"reference_answer_fullscale": reference(1, 2, 3, 4)}, "prompt: Field required"),
        ({"prompt": " ", "reference_answer_fullscale": reference(1, 2, 3, 4)}, "prompt: String should match"),
        ({"prompt": "p"}, "reference_answer_fullscale: Field required"),
        (rating_row(1, 2, 3), "reference_answer_fullscale.emotion4_score: Field required"),
        (rating_row(1, 2, 3, "x"), "reference_answer_fullscale.emotion4_score: Input should be a valid number"),
        (rating_row(1, 2, 3, 11), "reference_answer_fullscale.emotion4_score: Input should be less than"),
        (rating_row(1, 2, 3, "nan"), "reference_answer_fullscale.emotion4_score: Input should be"),
        (
            {
                "prompt": "p",
                "reference_answer_fullscale": reference(1, 2, 3, 4, names=("Calm", "Irked", "Calm", "Sad")),
            },
            "reference_answer_fullscale: an emotion comes twice",
        ),
        (
            {"prompt": "p", "reference_answer_fullscale": "{'emotion1': "},
            "reference_answer_fullscale: not a dictionary",
        ),
        ({"prompt": "p", "reference_answer_fullscale": "open('x')"}, "reference_answer_fullscale: not a dictionary"),
        ("text", "expected a JSON object, found str"),
    ],
)
def test_a_malformed_item_is_named(tmp_path: Path, row: object, problem: str) -> None:
    path = write(tmp_path / "q.json", rating_row(1, 2, 3, 4), row)
    with pytest.raises(DataError) as caught:
        EQ_BENCH.load(str(path))
    message = str(caught.value)
    assert message.startswith(f"{path}, item 2: {problem}")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"1":\n {"prompt": }}', ", line 2: not JSON"),
        ("[1, 2]", ": expected one JSON object, found list"),
        ("9" * 5000, ": not usable JSON"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "q.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        EQ_BENCH.load(str(path))
    assert str(caught.value).startswith(f"{path}{problem}")


def test_a_folder_and_a_missing_file_are_told(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(DataError, match=rf"^{path}: cannot be read .*; name the JSON file"):
            EQ_BENCH.load(str(path))
    (tmp_path / "q.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DataError, match="not UTF-8"):
        EQ_BENCH.load(str(tmp_path / "q.json"))


FROM_HUB = """
import sys
from corpus.errors import DataError
from eval.benchmarks import BENCHMARKS, eqbench
try:
    BENCHMARKS["eq-bench"].load("hub")
except DataError as error:
    print(error)
eqbench.HUB_DATASET = sys.argv[1]
for question in BENCHMARKS["eq-bench"].load("hub"):
    print(question.id, dict(question.reference), question.texts["prompt"] == sys.argv[2])
"""


def test_the_hubs_table_is_read_and_an_unreachable_hub_is_told_with_the_way_out(tmp_path: Path) -> None:
    table = tmp_path / "table" / "validation.csv"  # a folder in place of the hub, in the form of the table there
    table.parent.mkdir()
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["prompt", "reference_answer", "reference_answer_fullscale"])
        for row in (rating_row("5", 0, "9", 3, prompt=AT_ONCE), rating_row(1, 2, 3, 4, prompt=AT_ONCE)):
            rows.writerow([row["prompt"], str(row["reference_answer"]), str(row["reference_answer_fullscale"])])
    environment = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
    environment |= {"HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", FROM_HUB, str(table.parent), AT_ONCE],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told, *questions = done.stdout.splitlines()
    assert told.startswith(f"{HUB_DATASET} cannot be fetched from the hub (")
    assert told.endswith("name a local copy in place of `hub`")
    assert questions == [
        "EQ-1 {'Wistful': 5.0, 'Gleeful': 0.0, 'Irked': 9.0, 'Calm': 3.0} True",
        "EQ-2 {'Wistful': 1.0, 'Gleeful': 2.0, 'Irked': 3.0, 'Calm': 4.0} True",
    ]
