"""What the pages open with says what the lessons claim: read from the kept films by the judges, nothing is walked."""

import pytest
import torch

from lessons_lib import metrics
from lessons_lib.film import Film, opening_path
from lessons_lib.lessons.openings import LESSONS, i_starts_of
from lessons_lib.lessons.pairs import read_both
from lessons_lib.lessons.walks import from_afar
from lessons_lib.models.judge import open_judge
from lessons_lib.models.names import available
from lessons_lib.models.opening import open_model
from lessons_lib.views import VIEWS

MODELS = ("emoji", "mnist")


def final_of(lesson: str, model: str) -> tuple[Film, torch.Tensor]:
    film = Film.load(opening_path(lesson, model))
    assert film is not None, (
        f"nothing is kept for {lesson} on {model}: python -m lessons_lib.lessons.openings {model} --only {lesson}"
    )
    return film, film.final_tensor()


def test_every_lesson_has_its_opening():
    assert set(MODELS) <= set(available())
    for model in MODELS:
        missing = [x for x in LESSONS if Film.load(opening_path(x, model)) is None]
        assert missing == (["sampling_stage2"] if model == "mnist" else []), "digits have one stage"


@pytest.mark.parametrize("model", MODELS)
def test_sdedit_comes_nearer_to_the_original_the_later_it_starts(model):
    film, made = final_of("sdedit", model)
    starts = i_starts_of(open_model(model))
    assert starts == sorted(starts)
    distance = metrics.mse(made, torch.from_numpy(film.x0)[None].expand_as(made)).sqrt().tolist()
    assert len(distance) == len(starts)
    falls = [a - b for a, b in zip(distance, distance[1:], strict=False)]
    assert min(falls) > -0.05, f"RMS distances {distance} at i_start {starts}: from one start to the next it may hardly rise"
    assert distance[-1] < 0.6 * distance[0]


@pytest.mark.parametrize("model", MODELS)
def test_one_anagram_is_read_both_ways(model):
    film, made = final_of("anagrams", model)
    turned = VIEWS[film.about["view"]].there(made)
    read = read_both(open_model(model), made, turned, film.about["prompt"], film.about["turned_prompt"])
    assert any(r.both for r in read), [r.ranks for r in read]


@pytest.mark.parametrize("model", MODELS)
def test_one_hybrid_is_read_from_afar_and_from_near(model):
    film, made = final_of("hybrids", model)
    far = from_afar(made, film.about["sigma"])
    read = read_both(open_model(model), far, made, film.about["far_prompt"], film.about["near_prompt"])
    assert any(r.both for r in read), [r.ranks for r in read]


def test_guidance_pays_on_the_digits():
    """The kept strip over guidance_scale: read as asked at the course's 7, and no pixel leaves the range."""
    film, made = final_of("guidance", "mnist")
    ranks = open_judge("digits").rank(made, int(film.about["prompt"]))
    assert ranks[-3:].tolist() == [0, 0, 0]
    assert made.abs().max() <= 1
