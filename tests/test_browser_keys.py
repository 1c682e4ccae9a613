"""Escape closes what is open, and nothing else: a walk that runs beneath goes on."""

import pytest

pytest.importorskip("playwright", reason="browser tests need playwright: pip install playwright")
from tests.browsing import press_run, visit

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture
def walking(browser_page, app_url):
    """A page whose walk of 300 steps has just begun."""
    visit(browser_page, app_url, "class", num_inference_steps="300")
    press_run(browser_page)
    return browser_page


def walks_on(page) -> bool:
    page.wait_for_timeout(700)
    return page.get_by_test_id("stProgress").count() > 0 and page.get_by_text("stopped after").count() == 0


def test_escape_closes_a_popover(walking):
    walking.get_by_role("button", name="Your own network").click()
    body = walking.get_by_test_id("stPopoverBody")
    body.wait_for()
    walking.keyboard.press("Escape")
    body.wait_for(state="detached")
    assert walks_on(walking)


def test_ctrl_enter_in_a_popover_runs_nothing(browser_page, app_url):
    visit(browser_page, app_url, "class", num_inference_steps="300")
    browser_page.get_by_role("button", name="Your own network").click()
    browser_page.get_by_test_id("stPopoverBody").wait_for()
    browser_page.keyboard.press("Control+Enter")
    browser_page.wait_for_timeout(1000)
    assert browser_page.get_by_test_id("stProgress").count() == 0
