from __future__ import annotations

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser

import jinja2
import pytest

from corpus.funnel import FunnelStep
from corpus.records import ApplicationItem, Look, Plan, Session, Turn, UnderstandingItem
from eval.report import Report, Training, render_html
from eval.scores import Mark, compare, score_row, tabulate

SCRIPT, IMAGE = "<script>alert(1)</script>", '<img src=x onerror="alert(2)">'


class Tags(HTMLParser):
    """Collects the tags and attributes that a browser would see."""

    def __init__(self, page: str):
        super().__init__()
        self.names, self.attributes = set[str](), list[tuple[str, str | None]]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.add(tag)
        self.attributes += attrs


@pytest.fixture(scope="module")
def report(ea: ApplicationItem, eu: UnderstandingItem, plans: list[Plan]) -> Report:
    """A small report in which every text of a model tries to break out."""
    plan = plans[0].model_copy(
        update={
            "persona": plans[0].persona.model_copy(update={"persona": f"A cook {SCRIPT}"}),
            "client": plans[0].client.model_copy(update={"name": f"Jo {IMAGE}"}),
            "theme": plans[0].theme.model_copy(update={"theme": f"Work {SCRIPT}"}),
        }
    )
    session = Session(
        id="s1-00001",
        plan=plan,
        background=f"A cook. {IMAGE}",
        turns=(Turn(speaker="CLIENT", text=f"Hello {SCRIPT}"), Turn(speaker="THERAPIST", text=f"Hm {IMAGE}")),
        looks=(
            Look(turn=2, scenario_clear=True, emotions_present=True, causes_present=True, dilemma_present=True,
                 rich_enough=True),
        ),
    )  # fmt: skip
    hostile = [
        ea.model_copy(update={"scenario": f"{ea.scenario} {SCRIPT}", "explanation": IMAGE, "category": IMAGE}),
        eu.model_copy(
            update={"subject": IMAGE, "cause_choices": (SCRIPT, *eu.cause_choices[1:]), "scenario": "x </main>"}
        ),
    ]
    before = [Mark(id=ea.qid, raw=SCRIPT, answered=True, strict=False, lenient=False, rules=())]
    after = [Mark(id=ea.qid, raw=IMAGE, answered=True, strict=True, lenient=True, rules=())]
    rows = [
        score_row([ea], before, "held-out", "generate", "before"),
        score_row([ea], after, "held-out", "generate", "after"),
    ]
    return Report(
        title=f"tiny {SCRIPT}",
        teacher="scripted/counsel",
        scripted=True,
        manifest={"versions": {"emoreason": "0.1.0"}, "student": "scratch", "seed": 1, "created": "2026-01-01"},
        funnel=[FunnelStep(name="items kept", count=1234, lost={IMAGE: 2})],
        checks=[f"Judge: scripted/judge {SCRIPT}"],
        cells={"persona": 3, "faux_pas": 1},
        splits={"train": 3, "heldout": 1},
        training=Training(
            rows=10, tokens=1000, steps=5, parameters=12345, train_loss=[(1, 2.0), (5, 1.0)], validation_loss=[]
        ),
        scores=rows,
        comparisons=[compare([ea], before, after, "held-out", "generate", rows[1])],
        notice=f"EmoBench is not here {SCRIPT}",
        sessions=[session],
        items=hostile,
        seconds={"generate": 1.25},
    )


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return render_html(report)


def test_planted_markup_reaches_the_page_only_as_text(page: str) -> None:
    tags = Tags(page)
    assert not tags.names & {"script", "img", "iframe", "object", "link", "base", "form"}
    assert not [name for name, _ in tags.attributes if name.startswith("on")]
    assert page.count("</main>") == 1
    text = unescape(page)
    for planted in (f"Hello {SCRIPT}", f"Hm {IMAGE}", f"Jo {IMAGE}", f"tiny {SCRIPT}", f"Work {SCRIPT}", IMAGE):
        assert planted in text


def test_the_page_asks_nothing_of_the_network(page: str) -> None:
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert not re.search(r"(https?:)?//\w", without_namespaces)
    assert not {"src", "href", "srcset", "action"} & {name for name, _ in Tags(page).attributes if name != "xlink:href"}
    policy = dict(Tags(page).attributes)["content"]
    assert policy is not None
    assert re.search(r'http-equiv="Content-Security-Policy" content="default-src \'none\'', page)


def test_the_table_shows_shares_interval_and_verdict(page: str, report: Report) -> None:
    assert "held-out" in page
    assert f"<strong>{report.comparisons[0].verdict}</strong>" in page
    assert "+100.0 points (95% +100.0 to +100.0;" in page
    assert ">1,234<" in page
    assert "12,345 parameters" in page


def test_every_item_shows_its_right_options(page: str, ea: ApplicationItem, eu: UnderstandingItem) -> None:
    keyed = [unescape(text) for text in re.findall(r'<li class="key">(.*?) ✓</li>', page)]
    assert keyed == [f"B) {ea.label}", f"C) {eu.emotion_label}", f"B) {eu.cause_label}"]


def test_notices_stand_only_where_there_is_something_to_say(report: Report, page: str) -> None:
    assert page.count('<p class="notice">') == 2
    quiet = render_html(replace(report, notice="", scripted=False))
    assert '<p class="notice">' not in quiet


def test_an_empty_report_renders_too(report: Report) -> None:
    bare = replace(report, items=[], sessions=[], cells={}, scores=[], comparisons=[], funnel=[], seconds={})
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
    rows, comparisons = tabulate([ea], examined, "held-out", "generate")
    said = f"Compiled prompt for exam: x {SCRIPT}"
    shown = render_html(replace(report, scores=rows, comparisons=comparisons, programs=[said]))
    students = re.findall(r"<td>(before|prompted|after)</td>", shown)
    assert students == ["before", "prompted", "after"]
    verdicts = re.findall(r">(change|tuned against the compiled prompt), lenient: ([+-][\d.]+) points", shown)
    assert verdicts == [("change", "+100.0"), ("tuned against the compiled prompt", "+0.0")]
    assert "the fair rival of tuning" in shown
    assert said in unescape(shown)
    assert "script" not in Tags(shown).names
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
    assert "script" not in Tags(shown).names
