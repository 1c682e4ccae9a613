"""The perfect denoiser: its formula against a plain one, its claims against the kept measures and film, bad input."""

import math

import pytest
import torch

from lessons_lib.files import kept
from lessons_lib.lessons import perfect
from lessons_lib.maths.perfect import Perfect, effective_number, nearest
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.schedule import CLEAN, Schedule
from tests.pages import captions, opened

SCHEDULE = Schedule.linear(300)


def some(n: int, shape=(1, 28, 28), seed: int = 0) -> torch.Tensor:
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def by_hand(xt, t, pictures):
    """The formula as it is written, one picture after the other, in float64: (x0_hat, weights)."""
    abar = SCHEDULE.alphas_cumprod[t].item()
    answers, weights = [], []
    for x in xt.double():
        powers = [-((x - math.sqrt(abar) * p) ** 2).sum().item() / (2 * (1 - abar)) for p in pictures.double()]
        w = [math.exp(p - max(powers)) for p in powers]
        weights.append([v / sum(w) for v in w])
        answers.append(sum(v * p for v, p in zip(weights[-1], pictures.double(), strict=True)))
    return torch.stack(answers), torch.tensor(weights, dtype=torch.float64)


@pytest.mark.parametrize("t", [0, 1, 30, 150, 299])
def test_the_formula_against_a_plain_one(t):
    pictures, xt = some(40), torch.randn(3, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    best = Perfect(pictures, SCHEDULE)
    x0, weights = by_hand(xt, t, pictures)
    torch.testing.assert_close(best.weights(xt, t), weights, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(best.x0_hat(xt.double(), t), x0, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(SCHEDULE.predict_x0(xt, t, best(xt, t).eps).double(), x0, rtol=1e-3, atol=1e-3)


def test_no_denoiser_has_a_smaller_error_on_the_training_pictures():
    """Its mean error over pictures and noises is below that of its own answer pushed anywhere: it is at the minimum."""
    pictures = some(5, (1, 4, 4))
    best, g, t = Perfect(pictures, SCHEDULE), torch.Generator().manual_seed(2), 200
    x0 = pictures[torch.randint(5, (20_000,), generator=g)]
    xt = SCHEDULE.add_noise(x0, t, torch.randn(x0.shape, generator=g))
    guess = best.x0_hat(xt, t)
    least = ((guess - x0) ** 2).mean()
    mean = pictures.mean(0)
    for other in (0.9 * guess + 0.1 * mean, 1.1 * guess - 0.1 * mean, pictures[best.weights(xt, t).argmax(1)]):
        assert ((other - x0) ** 2).mean() > least


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_a_walk_ends_in_a_training_picture(eta):
    pictures, xt = some(50, seed=3), torch.randn(4, 1, 28, 28, generator=torch.Generator().manual_seed(4))
    best = Perfect(pictures, SCHEDULE)
    how = {"eta": eta, "generator": torch.Generator().manual_seed(5)}
    *_, last = sample(best, SCHEDULE, xt, SCHEDULE.spaced_timesteps(30), **how)
    assert last.t_prev == CLEAN
    assert nearest(last.x_prev, pictures)[1].max() < 1e-5


def test_one_picture_alone_is_the_answer_to_all_noise():
    only = some(1)
    torch.testing.assert_close(Perfect(only, SCHEDULE).x0_hat(torch.randn(2, 1, 28, 28), 299), only.expand(2, -1, -1, -1))


def test_how_many_share_the_weight():
    weights = torch.tensor([[1.0, 0, 0, 0], [0.25] * 4])
    torch.testing.assert_close(effective_number(weights), torch.tensor([1.0, 4.0]))


def test_the_nearest_picture():
    pictures = some(20)
    which, distance = nearest(pictures[[3, 7]] + 0.01, pictures)
    assert which.tolist() == [3, 7]
    torch.testing.assert_close(distance, torch.full((2,), 0.01, dtype=torch.float64), rtol=1e-4, atol=0)


def test_bad_input():
    with pytest.raises(ValueError, match="N at least 1"):
        Perfect(torch.zeros(0, 1, 28, 28), SCHEDULE)
    with pytest.raises(ValueError, match="training pictures are"):
        Perfect(some(2), SCHEDULE).weights(torch.zeros(1, 1, 14, 14), 3)
    with pytest.raises(ValueError, match="timestep"):
        Perfect(some(2), SCHEDULE).weights(torch.zeros(1, 1, 28, 28), 300)
    with pytest.raises(ValueError, match="training pictures are"):
        nearest(torch.zeros(1, 1, 14, 14), some(2))


def test_what_the_plot_says():
    rows = kept.measure("perfect", "mnist")["rows"]
    assert all(r["perfect, training digits"] < r["network, training digits"] for r in rows)
    assert all(r["network, test digits"] < r["perfect, test digits"] for r in rows[:-1])
    assert all(abs(r["network, test digits"] / r["network, training digits"] - 1) < 0.05 for r in rows)
    assert all(a["effective"] <= b["effective"] for a, b in zip(rows, rows[1:], strict=False))
    assert rows[-1]["effective"] > 50


def test_who_copies():
    network, best, real = kept.measure("perfect_copies", "mnist")["rows"]
    assert best["farthest"] < 1e-5
    assert network["nearest"] > real["nearest"] > 0.3


def test_the_kept_film_is_what_it_says():
    film = kept.film("perfect", "mnist")
    assert {k: film.about[k] for k in perfect.about()} == perfect.about()
    distance = nearest(film.final_tensor(), perfect.training_pictures()[0])[1]
    assert distance[perfect.COLUMNS :].max() < 0.01  # pixels are kept as whole numbers of 255
    assert distance[: perfect.COLUMNS].min() > 0.2


def test_the_page():
    at = opened("perfect", t="60", digit="4")
    assert not at.exception
    said = captions(at)
    assert any("weight: 100.0%" in c for c in said)
    assert any("x_t, t = 60" in c for c in said)
    assert any(c == "0.000" for c in said)
