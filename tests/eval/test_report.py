from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections import Counter
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import pairwise

import jinja2
import pytest

from corpus.records import ApplicationItem, UnderstandingItem
from eval.baselines import measure_baselines
from eval.mistakes import Slice
from eval.reasoning import ReasoningResult
from eval.report import Report, Training, render_html
from eval.scores import Comparison, Mark, ScoreRow, tabulate
from eval.student_orders import StudentOrders
from tests.eval.conftest import BREAKOUT, IMAGE, SCRIPT


class Tags(HTMLParser):
    """Collects the tags and attributes that a browser would see; every element must be closed in order."""

    VOID = frozenset({"meta", "input", "br"})

    def __init__(self, page: str):
        super().__init__()
        self.names, self.attributes = Counter[str](), list[tuple[str, str | None]]()
        self.elements, self.open = list[tuple[str, dict[str, str | None]]](), list[str]()
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names[tag] += 1
        self.attributes += attrs
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return render_html(report)


def test_planted_markup_reaches_the_page_only_as_text(page: str) -> None:
    tags = Tags(page)
    assert tags.names["script"] == 1, "our own"
    assert not set(tags.names) & {"img", "iframe", "object", "link", "base", "form"}
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert page.count("</main>") == page.count("</script>") == 1
    text = unescape(page)
    planted = (f"Hello {SCRIPT}", f"Hm {IMAGE}", f"Jo {IMAGE}", f"tiny {SCRIPT}", f"Work {SCRIPT}", IMAGE, BREAKOUT)
    for one in (*planted, f"not shown: {SCRIPT}"):
        assert one in text


def test_the_page_asks_nothing_of_the_network(page: str) -> None:
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert not re.search(r"(https?:)?//\w", without_namespaces)
    attributes = Tags(page).attributes
    assert not {"src", "srcset", "action", "poster", "data"} & {name for name, _ in attributes}
    inside = [value for name, value in attributes if name in ("href", "xlink:href")]
    assert inside
    assert all(value and value.startswith("#") for value in inside)
    assert not re.search(r"url\((?!#)|@import", page)


def test_the_policy_lets_our_script_run_and_nothing_else(page: str) -> None:
    (policy,) = (known["content"] for _, known in Tags(page).elements if "http-equiv" in known)
    assert policy is not None
    script = page.split("<script>")[1].split("</script>")[0]
    known = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert dict(rule.split(" ", 1) for rule in policy.split("; ")) == {
        "default-src": "'none'",
        "script-src": f"'sha256-{known}'",
        "style-src": "'unsafe-inline'",
        "base-uri": "'none'",
        "form-action": "'none'",
    }


def test_the_page_is_built_for_everyone(page: str) -> None:
    tags = Tags(page)
    assert all(known.get("scope") in ("col", "row") for tag, known in tags.elements if tag == "th")
    assert tags.names["table"] == tags.names["caption"] > 3
    levels = [int(tag[1]) for tag, _ in tags.elements if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [value for name, value in tags.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value for name, value in tags.attributes if name == "href" and value} <= {f"#{one}" for one in ids}
    images = [known for _, known in tags.elements if known.get("role") == "img"]
    assert len(images) == tags.names["svg"] > 4
    assert all(known["aria-label"] for known in images)
    assert {"header", "nav", "main", "footer"} <= set(tags.names)
    assert re.search(r"@media screen and \(prefers-color-scheme: dark\)", page)
    assert "@media print" in page
    for name in ("blue", "orange", "green", "violet", "soft", "paper"):
        assert len(re.findall(rf"--{name}: #", page)) == 2, f"--{name} has no colour in one of the schemes"


def test_the_table_shows_shares_interval_and_verdict(page: str, report: Report) -> None:
    assert "held-out" in page
    assert f"<strong>no improvement ({report.comparisons[0].verdict})</strong>" in page
    assert "read leniently +100.0 points (95% -100.0 to +100.0)" in page  # of one scenario nothing more is known
    assert ">1,234<" in page
    assert "12,345 parameters" in page


def test_a_verdict_stands_as_the_comparison_gives_it(report: Report) -> None:
    known = report.comparisons[0]
    for verdict, said, tone in (
        ("improved", "improved", "improved"),
        ("worse", "worse", "worse"),
        ("no change shown", "no improvement (no change shown)", "open"),
    ):
        own = [known.model_copy(update={"verdict": verdict})]
        shown = render_html(replace(report, comparisons=own, examined=[], items=[], cells={}))
        assert re.findall(r'<div class="card (\w+)">', shown) == [tone]
        assert f"<strong>{said}</strong>" in shown


def test_what_no_understanding_scores_is_drawn_and_listed(page: str, report: Report) -> None:
    assert ">chance<" in page
    assert ">best constant answer<" in page
    row = re.search(r"<td>after</td>(.*?)</tr>", page, re.DOTALL)
    assert row
    assert re.findall(r'<td class="n">(.*?)</td>', row[1])[-4:] == ["25.0", "100.0", "100.0", "25.0"]
    old = [row.model_copy(update={"longest_option": None, "choices_only": None}) for row in report.scores]
    row = re.search(r"<td>after</td>(.*?)</tr>", render_html(replace(report, scores=old)), re.DOTALL)
    assert row
    assert re.findall(r'<td class="n">(.*?)</td>', row[1])[-4:] == ["25.0", "100.0", "–", "–"]


def test_what_earlier_versions_stored_still_renders(report: Report) -> None:
    comparison = report.comparisons[0].model_dump()
    for key in ("format_effect", "p_adjusted", "against"):
        del comparison[key]
    for reading in ("strict", "lenient"):
        del comparison[reading]["detectable"]
    comparison["answered_twice"] = None
    old = [
        replace(one, marks={key: mark.model_copy(update={"picks": ()}) for key, mark in one.marks.items()})
        for one in report.examined
    ]
    shown = render_html(replace(report, comparisons=[Comparison.model_validate(comparison)], examined=old))
    assert "no item was answered both times" in shown
    assert "McNemar’s p = 1.000" in shown
    assert "Where the right option stood" not in shown


def test_an_adjusted_p_is_preferred(report: Report) -> None:
    adjusted = [report.comparisons[0].model_copy(update={"p_adjusted": 0.0004})]
    assert "Holm’s p &lt; 0.001" in render_html(replace(report, comparisons=adjusted))


def test_answers_stand_with_how_they_were_read(page: str) -> None:
    text = unescape(page)
    assert f"<pre>{SCRIPT}</pre>" in text
    assert text.count('before, generate: <span class="wrong">wrong</span> · read as A') == 2, "turned, and the reader"
    assert text.count('after, generate: <span class="right">right</span> · read as B') == 2
    assert 'data-outcome="gained, generate"' in page


def test_a_public_exam_that_is_quoted_is_named_as_one(report: Report, page: str) -> None:
    assert "quotes a public exam" in page
    own = [replace(one, item=one.item.model_copy(update={"session": "s1-00001"})) for one in report.examined]
    assert "quotes a public exam" not in render_html(replace(report, examined=own))


def test_mistakes_show_form_and_content_apart(page: str, report: Report) -> None:
    section = page.split('<h2 id="mistakes">')[1].split("</section>")[0]
    assert '<a href="#mistakes">' in page
    counts = [re.findall(r'<td class="n">(\d+)</td>', row) for row in re.findall(r"<tr class=.*?</tr>", section)]
    assert counts[:2] == [["0", "0", "1", "0"], ["0", "1", "0", "0"]], "right, wrong, unread, empty"
    assert f'<th scope="row">{BREAKOUT}</th><td>{IMAGE}</td><td>other</td>' in unescape(section)
    assert re.search(r'right emotion at A</th><td class="n">1</td><td class="n">0.0 \(0.0–79.3\)', section)
    assert "#mistakes" not in render_html(replace(report, mistakes=[]))


def test_what_the_judge_found_in_the_reasoning_is_shown(page: str, report: Report) -> None:
    share = Slice(n=8, share=0.75, interval=(0.4, 0.9))
    found = ReasoningResult(
        benchmark=f"b {SCRIPT}", stage="after", judge=f"judge {IMAGE}", grounded=share, consistent=share, failed=1
    )
    shown = render_html(replace(report, reasoning=[found]))
    section = shown.split('<h2 id="reasoning">')[1].split("</section>")[0]
    assert re.findall(r'<td class="n">(.*?)</td>', section) == ["8", "75.0 (40.0–90.0)", "75.0 (40.0–90.0)", "1"]
    assert f"judge {IMAGE}" in unescape(section)
    assert Tags(shown).names["script"] == 1
    assert "#reasoning" not in page


def test_likelihood_alone_has_no_readings(report: Report, page: str) -> None:
    assert "Strict and lenient" in page
    rows = [ScoreRow.model_validate(row.model_dump() | {"mode": "likelihood"}) for row in report.scores]
    alone = [report.comparisons[0].model_copy(update={"mode": "likelihood"})]
    assert "Strict and lenient" not in render_html(replace(report, scores=rows, comparisons=alone, examined=[]))


def test_the_page_says_what_it_leaves_out(report: Report, page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "1 of 12 sessions" in page
    assert "are shown, drawn by seed" not in page
    monkeypatch.setattr("eval.reader.ITEM_BYTES", 2000)
    shown = render_html(replace(report, items=report.items * 20))
    said = re.search(r"(\d+) of 41 items are shown, drawn by seed", shown)
    assert said
    assert 1 <= int(said[1]) == len(re.findall(r'<details class="entry" data-benchmark', shown)) < 20


def test_every_item_shows_its_right_options(page: str, ea: ApplicationItem, eu: UnderstandingItem) -> None:
    keyed = [unescape(text) for text in re.findall(r'<li class="key">(.*?) ✓</li>', page)]
    examined = [f"B) {ea.label}"] * 2  # among the answers that turned, and in the reader
    assert keyed == [*examined, f"B) {ea.label}", f"C) {eu.emotion_label}", f"B) {eu.cause_label}"]


def test_notices_stand_only_where_there_is_something_to_say(report: Report, page: str) -> None:
    assert page.count('<p class="notice">') == 3
    quiet = render_html(replace(report, notice="", scripted=False, unseen=[]))
    assert '<p class="notice">' not in quiet


def test_an_empty_report_renders_too(report: Report) -> None:
    bare = replace(
        report, items=[], sessions=[], cells={}, scores=[], comparisons=[], funnel=[], seconds={}, examined=[]
    )
    assert "Before and after" in render_html(bare)


def test_a_missing_fact_stops_the_page_instead_of_leaving_a_gap(report: Report) -> None:
    with pytest.raises(jinja2.UndefinedError, match="created"):
        render_html(replace(report, manifest={k: v for k, v in report.manifest.items() if k != "created"}))


def test_the_same_report_gives_the_same_bytes(report: Report, page: str) -> None:
    assert render_html(report) == page


def test_a_compiled_prompt_has_its_row_and_its_verdict(report: Report, page: str, ea: ApplicationItem) -> None:
    def marks(right: bool) -> list[Mark]:
        return [Mark(id=ea.qid, raw="", answered=True, strict=right, lenient=right, rules=())]

    examined = {"before": marks(False), "prompted": marks(True), "after": marks(True)}
    rows, comparisons = tabulate([ea], examined, "held-out", "generate", measure_baselines([ea]))
    said = f"Compiled prompt for exam: x {SCRIPT}"
    shown = render_html(replace(report, scores=rows, comparisons=comparisons, programs=[said]))
    table = shown.split("<caption>Scores on held-out")[1].split("</table>")[0]
    students = re.findall(r"<td>(before|prompted|after)</td>", table)
    assert students == ["before", "prompted", "after"]
    cards = re.findall(r"<h4>(.*?)</h4>.*?read leniently ([+-][\d.]+) points", shown, re.DOTALL)
    assert cards == [("EA, generate", "+100.0"), ("EA, generate: tuned against the compiled prompt", "+0.0")]
    assert "the fair rival of tuning" in shown
    assert said in unescape(shown)
    assert Tags(shown).names["script"] == 1
    assert not re.search("(?i)prompted|compiled", page), "said where there is none"


def test_a_training_of_an_earlier_version_has_no_figures(report: Report, page: str) -> None:
    assert report.training.figures == {}
    assert '<dl class="facts">' not in page
    assert "left out" not in page


def test_the_training_says_what_it_took_and_what_it_left_out(report: Report) -> None:
    told = {
        "trained_parameters": 500, "seconds": 3.5, "tokens_per_second": 1234.4, "peak_memory": 3 * 2**29,
        "best_step": 4, "dropped": [f"r{n} {SCRIPT}" for n in range(7)], "plan": [f"precision: fp32, {SCRIPT}"],
    }  # fmt: skip
    training = Training.model_validate(report.training.model_dump() | told)
    shown = render_html(replace(report, training=training, tuning={"method": "lora (rank 16, alpha 32)"}))
    facts = dict(re.findall(r"<dt>(.*?)</dt><dd>(.*?)</dd>", shown))
    assert facts == {
        "method": "lora (rank 16, alpha 32)",
        "parameters trained": "500",
        "useful tokens per second": "1,234",
        "peak memory": "1.50 GiB",
        "best step": "4",
    }
    text = unescape(shown)
    assert "7 rows left out as longer than" in text
    assert f"<code>r4 {SCRIPT}</code> and 2 more." in text
    assert f"<li>precision: fp32, {SCRIPT}</li>" in text
    assert "best: step 4" in shown
    assert Tags(shown).names["script"] == 1


def test_without_further_orders_one_line_says_how_to_ask_for_them(page: str, report: Report) -> None:
    section = page.split('<h2 id="orders">')[1].split("</section>")[0]
    assert section.count("<p") == 1
    assert "One order of the options was asked" in section
    assert "<code>exam.orders: 4</code>" in section
    likelihood = [row.model_copy(update={"mode": "likelihood"}) for row in report.scores]
    compared = [one.model_copy(update={"mode": "likelihood"}) for one in report.comparisons]
    assert 'id="orders"' not in render_html(replace(report, scores=likelihood, comparisons=compared)), (
        "shows no options"
    )


def test_orders_are_told_by_mean_by_all_and_by_spread(report: Report, orders: list[StudentOrders]) -> None:
    page = render_html(replace(report, orders=orders))
    section = page.split('<h2 id="orders">')[1].split("</section>")[0]
    summary, each = (
        [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.split("<tr")[2:]]
        for table in section.split("<table>")[1:]
    )
    assert [(row[0], row[1], row[2], row[4]) for row in summary] == [
        ("before", "1", "25.0", "0.0"), ("after", "1", "100.0", "100.0"),
        ("before", "1", "0.0", "0.0"), ("after", "1", "75.0", "0.0"),
    ]  # fmt: skip
    assert summary[0][5] == "option 43.3", "the standard deviation of 100, 0, 0, 0"
    assert re.fullmatch(r"emotion [\d.]+, cause [\d.]+", summary[3][5])
    assert each[3] == ["after", "100.0", "100.0", "100.0", "0.0"]
    assert "in 4 orders" in section
    assert ">right in all orders<" in section
    assert Tags(page).names["script"] == 1
