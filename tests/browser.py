"""A real browser without a window, for the tests of our pages."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import pytest
from selenium import webdriver


@contextmanager
def open_browser() -> Iterator[webdriver.Chrome]:
    """Start a headless Chromium that records requests and console; skips where there is none, fails in CI."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    if program is None or driver is None:
        lack("chromium and chromedriver are needed to test our pages")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield started
    finally:
        started.quit()


def lack(message: str) -> None:
    """Skip a test for want of a tool; fail in CI, where the tools belong."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


def requests_of(browser: webdriver.Chrome) -> list[str]:
    """Return the addresses asked for since the last call."""
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    return asked + [event["params"]["url"] for event in events if event["method"] == "Network.webSocketCreated"]


def complaints_of(browser: webdriver.Chrome) -> list[str]:
    """Return what the console said since the last call, of any level."""
    return [entry["message"] for entry in browser.get_log("browser")]


def find_violations(browser: webdriver.Chrome) -> list[tuple[str, str, list[str]]]:
    """Return what axe finds against the open page: rule, impact, elements; skips without axe, fails in CI."""
    if find_spec("axe_core_python") is None:
        lack("axe-core-python is needed to test that our pages are accessible")
    browser.execute_script(Path(str(files("axe_core_python") / "axe.min.js")).read_text(encoding="utf-8"))
    browser.set_script_timeout(60)
    found = browser.execute_async_script("axe.run(document, { preload: false }).then(arguments[0])")
    assert len(found["passes"]) > 15
    return [(rule["id"], rule["impact"], [node["html"] for node in rule["nodes"]]) for rule in found["violations"]]


def emulate(browser: webdriver.Chrome, width: int, scheme: str, media: str = "") -> None:
    """Set the width of the window in CSS pixels, the colour scheme, and the medium (empty: the screen)."""
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
