"""The page in a real browser: a whole round by keyboard, reload, kill -9, hostile texts, and the closed door."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.wait import WebDriverWait

from corpus.errors import RunError
from review.items import draw_sample
from review.server import serve
from review.sheet import open_sheet
from runs.folder import Run
from tests.browser import open_browser
from tests.conftest import ROOT
from tests.review.conftest import HOSTILE, make_ea, make_eu, write_run

SERVE = """
import sys
from pathlib import Path
from rich.console import Console
from cli.review import review_run
review_run(Path(sys.argv[1]), "anna", 10, "all", 0, False, Console())
"""

# What the status says passes too quickly to be looked for from outside.
RECORD_STATUS = """(() => {
  const status = document.querySelector("#status"), said = document.createElement("p"), seen = [];
  said.id = "said";
  document.body.append(said);
  new MutationObserver(() => {
    if (seen.at(-1) !== status.textContent) seen.push(status.textContent);
    said.textContent = seen.join(", ");
  }).observe(status, { characterData: true, childList: true, subtree: true });
})()"""


@pytest.fixture(scope="module")
def browser() -> Iterator[webdriver.Chrome]:
    with open_browser() as browser:
        yield browser


@contextmanager
def serving(run: Run) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Serve a run's review page; gives its address and the process."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVE, run.path], stdout=subprocess.PIPE, text=True, cwd=ROOT
    ) as server:
        try:
            assert server.stdout is not None
            url = next(line.strip() for line in server.stdout if line.startswith("http"))
            yield url, server
        finally:
            server.kill()


@dataclass(frozen=True)
class Tab:
    """What a person sees and does."""

    browser: webdriver.Chrome

    def see(self, selector: str, text: str) -> None:
        """Wait until an element holds a text."""

        def holds(browser: webdriver.Chrome) -> bool:
            script = "return document.querySelector(arguments[0])?.textContent ?? ''"
            return text in str(browser.execute_script(script, selector))

        WebDriverWait(self.browser, 20, 0.05).until(holds, f"{text!r} never stood in {selector}")

    def press(self, *keys: str) -> None:
        ActionChains(self.browser).send_keys(*keys).perform()

    def ask(self, script: str) -> Any:
        return self.browser.execute_script(f"return {script}")

    @property
    def note(self) -> str:
        return str(self.ask("document.querySelector('.note textarea').value"))

    def see_answers(self, *answers: str) -> None:
        """Wait until these, in the order of the questions, are the answers that are marked as given."""
        script = "[...document.querySelectorAll('fieldset [aria-pressed=true]')].map(b => b.dataset.answer)"
        WebDriverWait(self.browser, 20, 0.05).until(lambda _: self.ask(script) == list(answers), f"never {answers}")


@pytest.fixture
def tab(browser: webdriver.Chrome) -> Tab:
    return Tab(browser)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    hostile = {"scenario": HOSTILE, "explanation": HOSTILE, "subject": HOSTILE, "finegrained_category": HOSTILE}
    choices = {"cause_choices": (HOSTILE, "b", "c", "d"), "cause_label": HOSTILE}
    aside = [(make_eu(3, **hostile, **choices), HOSTILE)]
    return write_run(tmp_path_factory.mktemp("page") / "run", [make_ea(1), make_ea(2)], aside)


@pytest.fixture(scope="module")
def url(run: Run) -> Iterator[str]:
    with serving(run) as (address, _):
        yield address


def rows(run: Run) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run.path / "reviews" / "anna.jsonl").read_text().splitlines()]


def test_hostile_texts_stay_texts(tab: Tab, url: str) -> None:
    tab.browser.get(url)
    for number in range(1, 4):
        tab.see("#progress", f"Item {number} of 3 · 0 done")
        if HOSTILE in tab.ask("document.querySelector('#source').textContent"):
            break
        tab.press(Keys.ENTER)
    for selector in ("#scenario", "#explanation", "#question-0", "#question-1 + ol .key .text", "#source .aside"):
        tab.see(selector, HOSTILE)
    assert tab.ask("document.querySelectorAll('.paper img, .paper script, .paper b').length") == 0
    assert tab.ask("window.hacked") is None


def test_a_whole_round_by_keyboard(tab: Tab, run: Run, url: str) -> None:
    tab.browser.get(url)
    tab.see("#progress", "Item 1 of 3 · 0 done")
    tab.press("y", "n", "n")
    tab.see("#progress", "1 done")
    tab.see_answers("yes", "no", "no")
    tab.press("2", "2", "1")  # no → none → yes, yes → no
    tab.press("/", "y n 1 / are letters here", Keys.ESCAPE)
    tab.see_answers("no", "yes", "no")
    tab.press(Keys.ENTER)
    tab.see("#progress", "Item 2 of 3 · 1 done")
    tab.see_answers()
    assert tab.note == ""
    tab.press(Keys.ARROW_LEFT)
    tab.see("#progress", "Item 1 of 3")
    tab.see_answers("no", "yes", "no")
    assert tab.note == "y n 1 / are letters here"

    tab.browser.refresh()  # goes on at the first open item
    tab.see("#progress", "Item 2 of 3 · 1 done")
    tab.press("y", "y", "n", Keys.ARROW_RIGHT, "y", "y", Keys.ENTER)  # faster than the page can follow
    tab.see("#end", "1 of 3 items lack an answer")
    tab.press(Keys.ENTER)
    tab.see("#progress", "Item 3 of 3 · 2 done")
    tab.press("n", "/", "clicked away")
    tab.browser.find_element(By.CSS_SELECTOR, ".steps button:nth-of-type(2)").click()  # before the pause is over
    tab.see("#end", "All 3 verdicts are saved")
    _check_that_nothing_left_this_machine(tab, url)

    latest = {row["id"]: row for row in rows(run)}
    answers = [(row["label_right"], row["explanation_sound"], row["ambiguous"]) for row in latest.values()]
    assert sorted(answers) == [(False, True, False), (True, True, False), (True, True, False)]
    notes = [row["note"] for row in latest.values()]
    assert notes == ["y n 1 / are letters here", "", "clicked away"]


def _check_that_nothing_left_this_machine(tab: Tab, url: str) -> None:
    events = [json.loads(entry["message"])["message"] for entry in tab.browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    asked += [event["params"]["url"] for event in events if event["method"] == "Network.webSocketCreated"]
    socket = url.replace("http:", "ws:")
    assert any(address.startswith(socket) for address in asked)
    assert [address for address in asked if not address.startswith((url, socket, "data:"))] == []
    assert [entry for entry in tab.browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_a_request_without_the_token_learns_nothing(url: str) -> None:
    base, token = url.rstrip("/").rsplit("/", 1)
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    with httpx.Client(trust_env=False) as client:
        assert client.get(url).status_code == 200
        refused = [
            client.get(f"{base}/"),
            client.get(f"{base}/{token[:-1]}/"),
            client.get(f"{base}/_nicegui_ws/socket.io/?EIO=4&transport=polling"),
            client.get(url, headers={"Host": "rebound.example"}),
            client.get(
                f"{base}/_nicegui_ws/socket.io/?EIO=4&transport=websocket",
                headers={**upgrade, "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="},
            ),
        ]
    assert [response.status_code for response in refused] == [403] * 5
    assert {response.text for response in refused[:4]} == {"403\n"}
    assert not any("server" in response.headers for response in refused)


def test_kill_9_loses_nothing_that_was_shown_as_saved(tab: Tab, tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [make_ea(1), make_ea(2)])
    with serving(run) as (url, server):
        tab.browser.get(url)
        tab.see("#progress", "Item 1 of 2")
        tab.ask(RECORD_STATUS)
        tab.press("y", "/", "half a thought")
        tab.see("#said", "Note not saved yet, Saved")
        server.send_signal(signal.SIGKILL)
    assert [(row["label_right"], row["note"]) for row in rows(run)] == [(True, ""), (True, "half a thought")]
    with open_sheet(run.path / "reviews", "anna", draw_sample(run, "all", 10)) as sheet:  # goes on from there
        assert sheet.verdict(sheet.items[0].id).note == "half a thought"


def test_a_port_in_use_is_one_line(tmp_path: Path) -> None:
    with open_sheet(tmp_path, "anna", []) as sheet, socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(RunError, match=rf"port {port} cannot be used \(.*\); choose another with --port"):
            serve(sheet, "hall", port, False, print)
