"""The three questions of each lesson: well formed, and true by what is kept."""

import numpy as np
import pytest

from lessons_lib.catalogue import written
from lessons_lib.files import kept
from lessons_lib.files.test_digits import shown_digits
from lessons_lib.maths.schedule import Schedule
from lessons_lib.questions import QUESTIONS, Question

ALL = [(slug, q) for slug, three in QUESTIONS.items() for q in three]


def rows(name: str, model: str = "mnist") -> list[dict]:
    return kept.measure(name, model)["rows"]


def asked(slug: str, words: str) -> Question:
    (found,) = (q for q in QUESTIONS[slug] if words in q.text)
    return found


def test_every_lesson_but_the_last_has_three():
    assert set(QUESTIONS) == {x.slug for x in written()} - {"hand_in"}
    assert all(len(three) == 3 for three in QUESTIONS.values())


@pytest.mark.parametrize(("slug", "q"), ALL, ids=[f"{s}-{q.text[:20]}" for s, q in ALL])
def test_one_option_is_right_and_none_stands_twice(slug, q):
    assert q.right in q.options
    assert 2 <= len(q.options) == len(set(q.options)) <= 4
    assert q.text.endswith("?")
    assert q.why.endswith(".")


def test_no_question_is_asked_twice_and_the_right_one_has_no_fixed_place():
    assert len({q.text for _, q in ALL}) == len(ALL)
    places = [q.options.index(q.right) for _, q in ALL]
    assert {0, 1, 2} <= set(places)


def test_half_of_the_variance_is_left_half_way():
    assert 0.45 < Schedule.cosine().alpha_bar(500) < 0.55


@pytest.mark.parametrize("model", ["emoji", "mnist"])
def test_one_step_errs_least_and_many_steps_are_sharpest_at_much_noise(model):
    noisiest = rows("denoise", model)[-1]
    assert asked("denoise", "smallest squared error").right == "one step"
    assert noisiest["one step mse"] < min(noisiest["iterative mse"], noisiest["blur mse"])
    assert noisiest["one step sharpness"] < noisiest["iterative sharpness"]


def test_more_than_twenty_steps_buy_nothing():
    by_steps = {r["num_inference_steps"]: r for r in rows("sampling", "emoji")}
    assert by_steps[50]["accuracy"] == by_steps[20]["accuracy"]
    assert by_steps[20]["same seed, eta 0"] < 0.2 * by_steps[20]["same seed, eta 1"]


def test_half_are_read_as_asked_at_scale_15():
    (burnt,) = (r for r in rows("guidance", "emoji") if r["guidance_scale"] == 15)
    assert burnt["accuracy"] == 0.5


def test_walking_each_move_four_times_halves_the_seam():
    once, _, four = rows("inpainting", "emoji")
    assert four["seam"] < 0.5 * once["seam"]


def test_a_clean_digit_is_changed_and_thrice_the_noise_is_worse_than_a_blind_guess():
    by_sigma = {r["sigma"]: r["cleaned mse"] for r in rows("out_of_its_depth")}
    assert by_sigma[0.0] > 0
    digits = shown_digits()
    blind = np.square(digits.images / 255 - digits.average).mean()  # the average training digit, whatever the test digit
    assert by_sigma[1.2] < blind < by_sigma[1.5]


def test_the_truth_about_t_is_best():
    best = min(rows("time_lie"), key=lambda r: r["true t = 150"])
    assert asked("time", "smallest").right == f"near {best['told']}"


def test_about_nine_in_ten_without_guidance_and_more_with():
    by_scale = {r["guidance_scale"]: r for r in rows("class")}
    assert 0.8 <= by_scale[1.0]["accuracy"] <= 0.97
    assert all(r["accuracy"] > by_scale[1.0]["accuracy"] for scale, r in by_scale.items() if 2 <= scale <= 5)
    assert by_scale[10.0]["diversity"] < by_scale[1.0]["diversity"]
    assert by_scale[10.0]["ink"] > by_scale[1.0]["ink"]


def test_muon_is_below_adam_at_every_step():
    assert all(r["muon"] < r["adam"] for r in rows("race"))


def test_three_euler_steps_are_enough_and_two_are_not():
    by_steps = {r["num_inference_steps"]: r for r in rows("flow")}
    assert by_steps[3]["flow, Euler"] >= 0.95
    assert by_steps[3]["DDIM"] >= 0.9
    assert by_steps[2]["flow, Euler"] < by_steps[3]["flow, Euler"]
    assert by_steps[3]["DDPM, fixed_large"] < 0.5


def test_the_network_errs_on_new_digits_as_on_old_ones_and_the_perfect_one_does_not():
    assert all(r["network, test digits"] < r["perfect, test digits"] for r in rows("perfect")[:-1])
    assert all(abs(r["network, test digits"] / r["network, training digits"] - 1) < 0.05 for r in rows("perfect"))
    network, _, real = rows("perfect_copies")
    assert network["nearest"] >= real["nearest"]


def test_dpm_solver_is_nearest_at_five_calls_and_all_are_equal_at_one():
    by_calls = {r["calls"]: r for r in rows("solvers_error")}
    assert min((k for k in by_calls[5] if k != "calls"), key=by_calls[5].get) == asked("solvers", "five calls").right
    assert len({v for k, v in by_calls[1].items() if k != "calls"}) == 1
    assert all(r["told another"] < 0.15 and r["correlation"] > 0.7 for r in rows("solvers_inversion"))


def test_the_thing_gets_most_of_the_words_and_the_words_not_most_of_all():
    for r in rows("words_attention", "emoji"):
        said = {k: v for k, v in r.items() if k not in ("t", "padding", "end", "the picture itself")}
        assert max(said, key=said.get) == "the thing"
        assert sum(said.values()) < 0.5 < r["padding"] + r["the picture itself"]
    never, _ = rows("words_held_out", "emoji")
    assert never["read right"] > 0.5
