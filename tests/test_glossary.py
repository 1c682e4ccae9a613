"""One glossary: README says what it says, and on the pages each term carries its meaning."""

import re

import pytest

from lessons_lib.catalogue import written
from lessons_lib.glossary import GLOSSARY, explained
from lessons_lib.places import ROOT
from tests.pages import opened


def test_readme_has_every_symbol_with_this_very_meaning():
    readme = (ROOT / "README.md").read_text()
    rows = {tuple(c.strip() for c in line.strip("|\n").split(" | ")) for line in readme.splitlines() if line.startswith("| ")}
    for term in GLOSSARY:
        if term.symbol:
            code = ", ".join(f"`{name}`" for name in re.split(r", (?![^(]*\))", term.code))
            assert (f"${term.symbol}$", code, term.meaning) in rows, term


def test_no_words_have_two_meanings():
    said = [words for term in GLOSSARY for words in term.said]
    assert len(said) == len(set(said))
    assert len({t.meaning for t in GLOSSARY}) == len(GLOSSARY)


def test_a_term_is_explained_where_it_stands_first_and_words_within_words_are_not():
    shown = explained("Noise at `t`; at `t` again. A walkway, two walks. `sigma = 0.5` and `sigma`.")
    assert shown.count("data-meaning") == 3
    assert shown.count('tabindex="0"') == 3
    assert "A walkway" in shown
    assert "`sigma = 0.5`" in shown
    assert ">walks</span>" in shown


def test_a_meaning_breaks_no_html():
    for term in GLOSSARY:
        for words in term.said:
            shown = explained(f"so {words} is")
            assert re.fullmatch(r'so <span class="term"[^<>]*data-meaning="[^"<>]+">.+</span> is', shown), shown


@pytest.mark.parametrize("slug", ["forward", "time", "guidance"])
def test_the_idea_of_a_page_explains_its_words(slug):
    at = opened(slug)
    assert any('class="term"' in m.value and m.allow_html for m in at.markdown)


def test_some_term_is_explained_in_nearly_every_idea():
    ideas = [(ROOT / x.file).read_text() for x in written()]
    assert sum("data-meaning" in explained(source) for source in ideas) > 0.8 * len(ideas)
