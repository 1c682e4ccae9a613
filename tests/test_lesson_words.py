"""What each word does: variants, pairs never taught, the page's claims against its kept measures, its page."""

import numpy as np
import pytest
import torch

from lessons_lib.files import kept
from lessons_lib.files.film import Film, opening_path
from lessons_lib.lessons import words
from lessons_lib.models.opening import open_model
from lessons_lib.models.prompts import STYLES, concepts
from lessons_lib.training import emoji
from tests.pages import captions, opened


def rows_of(name):
    return kept.measure(name, "emoji")["rows"]


def test_a_word_left_out_doubled_or_moved():
    assert words.variants("a red car", "left out") == {
        "as it is": "a red car",
        "'a' left out": "red car",
        "'red' left out": "a car",
        "'car' left out": "a red",
    }
    assert list(words.variants("red car", "doubled").values()) == ["red car", "red red car", "red car car"]
    assert words.variants("a red car", "moved to the front")["'car' moved to the front"] == "car a red"


def test_a_word_that_stands_twice_is_named_by_its_place():
    made = words.variants("a cat and a dog", "left out")
    assert made["'a' (1) left out"] == "cat and a dog"
    assert made["'a' (4) left out"] == "a cat and dog"
    assert len(made) == 6


def test_a_long_prompt_and_one_word_alone():
    assert len(words.variants(" ".join("abcdefghijkl"), "left out")) == words.MOST + 1
    assert words.variants("cat", "left out") == {"as it is": "cat", "'cat' left out": ""}
    with pytest.raises(ValueError, match="change must be"):
        words.variants("a cat", "shouted")


def test_pairs_never_taught_are_held_out_and_others_are_not():
    for held in (True, False):
        of = words.pairs(20, held_out=held)
        concept, style = (torch.tensor(x) for x in zip(*of, strict=True))
        assert bool((emoji.held_out(concept, style) == held).all())
        assert len(set(of)) == 20
        assert set(style.tolist()) <= {0, 1, 2}


def test_the_true_picture_is_the_artists():
    thing = [c.name for c in concepts()].index("tiger")
    x = words.true_pictures([(thing, STYLES.index("twemoji"))], 128)
    images, concept = emoji.sheet("twemoji")
    seen = ((x[0] + 1) * 127.5).round().to(torch.uint8)
    assert torch.equal(seen, images[(concept == thing).nonzero()[0, 0]])
    assert words.true_pictures([(thing, 2)], 64).shape == (1, 3, 64, 64)


def test_orange_where_it_is_looked_at_and_grey_elsewhere():
    share = torch.zeros(4, 4)
    share[0, 0] = 0.2
    made = words.laid_over(torch.zeros(3, 16, 16), share, 0.2).astype(int)
    assert made[0, 0, 0] - made[2, 0, 0] > 150
    assert np.ptp(made[:, -1, -1]) <= 1


def test_every_word_of_a_caption_has_its_kind():
    for thing, style in words.pairs(40, held_out=False):
        kinds = words._classes(thing, style)
        assert set(words.caption(thing, style).split()) == set(kinds)
        assert list(kinds.values()).count("the style's name") == 1


def test_the_thing_gets_the_most_attention_of_all_words():
    rows = rows_of("words_attention")
    others = ("the style's name", "a, an", "in", "style")
    assert all(r["the thing"] > max(r[k] for k in others) for r in rows)
    for r in rows:
        assert sum(v for k, v in r.items() if k != "t") == pytest.approx(1, abs=0.01)


def test_without_the_thing_another_picture_and_without_a_small_word_much_the_same():
    at = {r["change"]: r for r in rows_of("words")}
    assert at["the thing: left out"]["distance"] > 2 * at["in: left out"]["distance"]
    assert at["the thing: left out"]["read right"] < 0.2 < at["as it is"]["read right"]


@pytest.mark.parametrize("opening", ["words", "words_held_out"])
def test_the_openings_are_what_the_page_would_make(opening):
    model = open_model("emoji")
    about = words.about(model) if opening == "words" else words.about_held_out(model)
    film = Film.load(opening_path(opening, "emoji"))
    assert {k: film.about[k] for k in about} == about


def test_the_page_shows_every_word_at_the_step_in_view():
    at = opened("words")
    assert not at.exception
    assert not at.error
    said = captions(at)
    for word in words.PROMPT.split():
        assert any(c.startswith(f"{word}: ") and c.endswith("%") for c in said), word
    before = [c for c in said if c.startswith("car: ")]
    at.slider(key="words_step").set_value(1).run()
    assert [c for c in captions(at) if c.startswith("car: ")] != before
