"""The report in a real browser: it asks for nothing, hostile texts stay texts, search, phone, dark, print, and axe."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common import NoAlertPresentException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from corpus.records import ApplicationItem
from eval.report import Report, render_html
from eval.student_orders import StudentOrders
from tests.browser import complaints_of, emulate, find_violations, open_browser, requests_of
from tests.eval.conftest import BREAKOUT, IMAGE
from tests.eval.test_reliability import simulate

SHOWN = "[...document.querySelectorAll('#items ~ [data-reader] .entry')].filter(e => !e.hidden).length"


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with open_browser() as started:
        yield started


@pytest.fixture(scope="module")
def address(report: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A page of hostile texts with more items than are shown at once; one of them names a zebra."""
    _, eu = report.items
    plain = [eu.model_copy(update={"qid": f"x{n}", "scenario": f"Story {n}."}) for n in range(60)]
    zebra = eu.model_copy(update={"qid": "z", "scenario": "A ZEBRA stood\nby the gate."})
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_html(replace(report, items=[*report.items, *plain, zebra])), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def page(browser: webdriver.Chrome, address: str) -> webdriver.Chrome:
    emulate(browser, 1100, "light")
    requests_of(browser)
    complaints_of(browser)
    browser.get(address)
    return browser


def ask(browser: webdriver.Chrome, script: str) -> Any:
    return browser.execute_script(f"return {script}")


def test_nothing_is_asked_for_and_nothing_is_complained_about(page: webdriver.Chrome, address: str) -> None:
    page.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert requests_of(page) == [address]
    assert complaints_of(page) == []


def test_hostile_texts_stay_texts(page: webdriver.Chrome) -> None:
    assert ask(page, "document.querySelectorAll('script').length") == 1
    assert ask(page, "document.querySelectorAll('img, [onerror], [onclick]').length") == 0
    answers = ask(page, "[...document.querySelectorAll('pre')].map(e => e.textContent)")
    assert BREAKOUT in answers
    assert IMAGE in ask(page, "document.querySelector('main').textContent")
    with pytest.raises(NoAlertPresentException):
        _ = page.switch_to.alert


def test_what_is_planted_past_our_escaping_cannot_run(page: webdriver.Chrome) -> None:
    """The policy holds by itself, should a text ever get through."""
    page.execute_script(
        "const s = document.createElement('script'); s.textContent = 'window.hacked = 1'; document.body.append(s);"
        'const i = \'<img src="https://example.invalid/x" onerror="hacked = 2">\';'
        "document.body.insertAdjacentHTML('beforeend', i)"
    )
    said: list[str] = []

    def is_refused(_: webdriver.Chrome) -> bool:
        said.extend(complaints_of(page))
        return all(any(name in line for line in said) for name in ("script-src", "img-src"))

    WebDriverWait(page, 10).until(is_refused)
    assert ask(page, "window.hacked") is None


def test_search_finds_all_words_in_any_text(page: webdriver.Chrome) -> None:
    assert ask(page, SHOWN) == 25
    search = page.find_element(By.CSS_SELECTOR, "#items ~ [data-reader] input")
    search.send_keys("gate zebra")
    WebDriverWait(page, 5).until(lambda _: ask(page, SHOWN) == 1)
    status = page.find_element(By.CSS_SELECTOR, "#items ~ [data-reader] [role=status]")
    assert status.text == "1 of 64"
    found = page.find_element(By.CSS_SELECTOR, "#items ~ [data-reader] .entry:not([hidden]) summary")
    found.send_keys(Keys.ENTER)
    assert "ZEBRA" in page.find_element(By.CSS_SELECTOR, "#items ~ [data-reader] .entry[open]").text
    search.send_keys(" unicorn")
    WebDriverWait(page, 5).until(lambda _: ask(page, SHOWN) == 0)
    search.send_keys(Keys.CONTROL, "a", Keys.NULL, Keys.DELETE)
    WebDriverWait(page, 5).until(lambda _: ask(page, SHOWN) == 25)
    assert ask(page, "document.querySelectorAll('#sessions ~ [data-reader] .entry:not([hidden])').length") == 1


def test_filters_and_more(page: webdriver.Chrome) -> None:
    more = page.find_element(By.CSS_SELECTOR, "#items ~ [data-reader] button")
    more.send_keys(Keys.ENTER)
    assert ask(page, SHOWN) == 50
    assert ask(page, "document.activeElement.tagName") == "SUMMARY"
    more.send_keys(Keys.ENTER)
    assert ask(page, SHOWN) == 64
    assert not more.is_displayed()
    Select(page.find_element(By.NAME, "task")).select_by_visible_text("EA")
    assert ask(page, SHOWN) == 2
    Select(page.find_element(By.NAME, "outcome")).select_by_visible_text("gained, generate")
    assert ask(page, SHOWN) == 1
    Select(page.find_element(By.NAME, "benchmark")).select_by_visible_text("the set")
    assert ask(page, SHOWN) == 0


def test_a_phone_scrolls_one_way_only(page: webdriver.Chrome) -> None:
    emulate(page, 360, "light")
    page.execute_script("for (const one of document.querySelectorAll('details')) one.open = true")
    assert ask(page, "document.documentElement.scrollWidth") <= 360
    assert (
        ask(page, "Math.max(...[...document.querySelectorAll('svg')].map(e => e.getBoundingClientRect().right))") < 360
    )


def test_dark_is_dark_plots_too_and_paper_is_white(page: webdriver.Chrome) -> None:
    ink = "getComputedStyle(document.querySelector('svg text')).fill"
    paper = "getComputedStyle(document.body).backgroundColor"
    light = ask(page, f"[{ink}, {paper}]")
    emulate(page, 1100, "dark")
    dark = ask(page, f"[{ink}, {paper}]")
    assert min(_channels(light[1])) > 240 > 80 > max(_channels(light[0]))
    assert max(_channels(dark[1])) < 40 < 200 < min(_channels(dark[0]))
    emulate(page, 700, "dark", media="print")
    assert ask(page, f"[{ink}, {paper}]") == light
    assert ask(page, "document.documentElement.scrollWidth") <= 700
    assert not page.find_element(By.TAG_NAME, "nav").is_displayed()


def _channels(colour: str) -> list[int]:
    return [int(part) for part in colour.strip("rgb()").split(",")]


def test_reliability_fits_a_phone_and_is_accessible(
    browser: webdriver.Chrome, report: Report, ea: ApplicationItem, tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_html(replace(report, examined=simulate(ea, 60, sureness=1))), encoding="utf-8")
    emulate(browser, 360, "dark")
    browser.get(path.as_uri())
    browser.execute_script("for (const one of document.querySelectorAll('#reliability ~ * details')) one.open = true")
    assert ask(browser, "document.querySelectorAll('#reliability ~ * tbody tr').length") == 1 + 6
    assert ask(browser, "document.documentElement.scrollWidth") <= 360
    assert find_violations(browser) == []


def test_orders_fit_a_phone_and_are_accessible(
    browser: webdriver.Chrome, report: Report, orders: list[StudentOrders], tmp_path: Path
) -> None:
    path = tmp_path / "report.html"
    path.write_text(render_html(replace(report, orders=orders)), encoding="utf-8")
    complaints_of(browser)
    for width, scheme in ((360, "dark"), (1100, "light")):
        emulate(browser, width, scheme)
        browser.get(path.as_uri())
        browser.execute_script("for (const one of document.querySelectorAll('#orders ~ details')) one.open = true")
        assert ask(browser, "document.querySelectorAll('#orders ~ * tbody tr').length") == 2 * 4
        assert ask(browser, "document.documentElement.scrollWidth") <= width
        assert find_violations(browser) == []
    assert complaints_of(browser) == []


@pytest.mark.parametrize(("width", "scheme"), [(1100, "light"), (360, "dark")])
def test_axe_finds_nothing_serious(page: webdriver.Chrome, width: int, scheme: str) -> None:
    emulate(page, width, scheme)
    page.execute_script("for (const one of [...document.querySelectorAll('details')].slice(0, 6)) one.open = true")
    page.execute_script("document.querySelector('#sessions ~ [data-reader] .entry').open = true")
    assert find_violations(page) == []
