"""The page that compares runs: what it says, that hostile names stay texts, and a look at it in a real browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from itertools import pairwise
from pathlib import Path

import pytest
from selenium import webdriver

from corpus.records import ApplicationItem, UnderstandingItem
from eval.baselines import measure_baselines
from eval.comparison_page import ComparedRun, Pair, RunComparison, group_scores, render_comparison
from eval.scores import Mark, adjust_together, compare, score_row
from tests.browser import complaints_of, emulate, find_violations, open_browser, requests_of
from tests.eval.conftest import BREAKOUT, IMAGE, SCRIPT
from tests.eval.test_report import Tags

Item = UnderstandingItem | ApplicationItem


def marks_of(items: list[Item], right: bool) -> list[Mark]:
    return [Mark(id=item.qid, raw="", answered=True, strict=right, lenient=right, rules=()) for item in items]


@pytest.fixture(scope="module")
def comparison(items: list[Item]) -> RunComparison:
    """Three runs: the second is better in EA, the third was asked other items; every name tries to break out."""
    eas = [item for item in items if item.task == "EA"]
    free = measure_baselines(eas)
    rows = [score_row(eas, marks_of(eas, right), IMAGE, "generate", "after", free) for right in (False, True, False)]
    names = ["1 base", f"2 {SCRIPT} {'long-' * 30}", f"3 {BREAKOUT}"]
    facts = ("tiny", f"student {SCRIPT}", "scripted/counsel", "2026-01-01T00:00:00+00:00", "0.1.0")
    runs = [ComparedRun(name, *facts, [row], notice) for name, row, notice in zip(names, rows, ("", SCRIPT, ""))]  # noqa: B905
    found = compare(eas, marks_of(eas, False), marks_of(eas, True), IMAGE, "generate")
    return RunComparison(
        runs,
        [Pair(names[1], len(eas), (0.0, 1.0), found.model_copy(update={"p_adjusted": 0.0004}))],
        {IMAGE: [names[2]]},
        {f"lms.{SCRIPT}": ["–", BREAKOUT, "x" * 160], "seed": ["0", "1", "2"]},
        ["generate.concurrency"],
    )


@pytest.fixture(scope="module")
def page(comparison: RunComparison) -> str:
    return render_comparison(comparison)


def test_there_is_a_row_for_every_run(page: str, comparison: RunComparison) -> None:
    table = page.split("<caption>Scores on ")[1].split("</table>")[0]
    rows = [re.findall(r'<td class="n">(.*?)</td>', row) for row in table.split("<tr")[2:]]
    free = [f"{100 * share:.1f}" for share in comparison.runs[0].scores[0].baselines.values()]
    assert len(free) == 4
    assert rows == [
        ["4", "100.0", "0.0", "0.0", "0.0–49.0", *free],
        ["4", "100.0", "100.0", "100.0", "51.0–100.0", *free],
        ["4", "100.0", "0.0", "0.0", "0.0–49.0", *free],
    ]
    (benchmark,) = group_scores(comparison)
    assert list(benchmark.groups[0].rows) == [run.name for run in comparison.runs]


def test_the_verdict_is_said_in_words_with_its_corrected_p(page: str) -> None:
    (card,) = re.findall(r'<div class="card improved">(.*?)</div>', page, re.DOTALL)
    assert "against 1 base</h4>" in card
    assert "<strong>improved</strong>: read strictly +100.0 points" in card
    assert "The same 4 items; 4 gained, 0 lost, Holm’s p &lt; 0.001." in card
    assert "Not compared with 1 base: 3 " in page


def test_a_verdict_that_many_comparisons_explain_is_taken_back(comparison: RunComparison) -> None:
    (pair,) = comparison.pairs
    lenient = replace(pair.comparison.lenient, p_value=0.04)
    alone = pair.comparison.model_copy(update={"lenient": lenient})
    taken_back, _ = adjust_together([alone, alone])
    shown = render_comparison(replace(comparison, pairs=[replace(pair, comparison=taken_back)]))
    assert '<div class="card open">' in shown
    said = "no improvement (improved, were it the only comparison; no difference shown among all 2)"
    assert f"<strong>{said}</strong>: read strictly +100.0 points" in shown


def test_what_differs_is_listed_and_what_agrees_is_said(page: str, comparison: RunComparison) -> None:
    table = page.split("<caption>Recipe keys with other values")[1].split("</table>")[0]
    assert re.findall(r'<th scope="row">seed</th>(.*?)</tr>', table) == [
        "".join(f'<td class="value">{n}</td>' for n in range(3))
    ]
    assert "<code>generate.concurrency</code>" in page
    same = render_comparison(replace(comparison, differing={}, operational=(), pairs=[], unpaired={}))
    assert "The recipes are the same" in same
    assert "Nothing to compare" in same
    assert "Also set otherwise" not in same


def test_hostile_names_stay_texts_and_nothing_is_asked_for(page: str) -> None:
    tags = Tags(page)
    assert not set(tags.names) & {"script", "img", "iframe", "object", "link", "base", "form"}
    assert not [name for name, _ in tags.attributes if name.startswith("on") or name in ("src", "srcset", "action")]
    assert not re.search(r"(https?:)?//\w", re.sub(r'xmlns(:\w+)?="[^"]*"', "", page))
    assert all(value and value.startswith("#") for name, value in tags.attributes if name in ("href", "xlink:href"))
    (policy,) = (known["content"] for _, known in tags.elements if "http-equiv" in known)
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    assert all(planted in unescape(page) for planted in (SCRIPT, IMAGE, BREAKOUT))
    levels = [int(tag[1]) for tag, _ in tags.elements if re.fullmatch("h[1-6]", tag)]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with open_browser() as started:
        yield started


def test_it_can_be_read_on_a_phone_in_the_dark_and_on_paper(
    browser: webdriver.Chrome, page: str, tmp_path: Path
) -> None:
    (tmp_path / "comparison.html").write_text(page, encoding="utf-8")
    address = (tmp_path / "comparison.html").as_uri()
    emulate(browser, 360, "dark")
    requests_of(browser)
    complaints_of(browser)
    browser.get(address)
    assert requests_of(browser) == [address]
    assert complaints_of(browser) == []
    paper = "return getComputedStyle(document.body).backgroundColor"
    wide = "return document.documentElement.scrollWidth"
    assert browser.execute_script(wide) <= 360
    assert browser.execute_script(paper) == "rgb(18, 22, 28)"
    for width, scheme in ((360, "dark"), (1100, "light")):
        emulate(browser, width, scheme)
        assert find_violations(browser) == []
    emulate(browser, 700, "dark", media="print")
    assert browser.execute_script(paper) == "rgb(255, 255, 255)"
    assert browser.execute_script(wide) <= 700


def test_students_who_answer_alike_are_not_said_to_differ_by_nothing_detectable(items: list[Item]) -> None:
    eas = [item for item in items if item.task == "EA"]
    alike = compare(eas, marks_of(eas, True), marks_of(eas, True), "b", "generate")
    _, words = Pair("2 same", len(eas), (1, 1), alike.model_copy(update={"p_adjusted": 1.0})).said
    assert "would have been found" not in words
