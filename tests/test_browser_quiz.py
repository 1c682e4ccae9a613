"""The end of a lesson in a browser: nothing is given away before a choice, it is judged, and kept; on a projector it is a poll."""

import pytest

from lessons_lib.questions import QUESTIONS
from tests.browsing import visit, wait

pytestmark = pytest.mark.slow
FIRST, SECOND, _ = QUESTIONS["forward"]
WRONG = next(o for o in FIRST.options if o != FIRST.right)


def test_a_choice_is_judged_and_kept_and_a_term_tells_its_meaning(browser_page, app_url):
    page = browser_page
    visit(page, app_url, "forward")
    quiz = page.get_by_role("region", name="Three questions")
    quiz.get_by_text(FIRST.text).wait_for()
    assert FIRST.why not in quiz.inner_text()
    quiz.get_by_label(WRONG, exact=True).check()
    quiz.get_by_text(f"Not quite: {FIRST.right}.").wait_for()
    assert FIRST.why in quiz.inner_text()
    quiz.get_by_role("button", name="Next question").click()
    quiz.get_by_text(SECOND.text).wait_for()
    assert SECOND.why not in quiz.inner_text()
    quiz.get_by_label(SECOND.right, exact=True).check()
    quiz.get_by_text("Right.", exact=False).first.wait_for()
    page.reload()
    wait(page)
    quiz.get_by_text(f"Not quite: {FIRST.right}.").wait_for()
    assert quiz.get_by_role("button", name="question 2, right").is_visible()

    term = page.locator(".term").first
    term.focus()
    shown = "e => getComputedStyle(e, '::after').content"
    assert term.get_attribute("data-meaning") in term.evaluate(shown)


def test_on_a_projector_hands_are_counted_and_the_answer_waits(browser_page, app_url):
    page = browser_page
    page.goto(f"{app_url}/Forward_noising?present=1")
    quiz = page.get_by_role("region", name="Three questions")
    quiz.get_by_text(FIRST.text).wait_for()
    counts = quiz.get_by_role("spinbutton")
    assert counts.count() == len(FIRST.options)
    counts.nth(0).fill("6")
    counts.nth(1).fill("18")
    quiz.get_by_text("75 %").wait_for()
    assert FIRST.why not in quiz.inner_text()
    quiz.get_by_role("button", name="Show the answer").click()
    quiz.get_by_text(FIRST.why).wait_for()
