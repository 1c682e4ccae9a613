"""Part B's walks, on cases with known answers."""

import pytest
import torch

from lessons_lib.denoisers import Prediction, perfect
from lessons_lib.lessons import digits_errors as errors
from lessons_lib.lessons import digits_walks as walks
from lessons_lib.models.digits import COURSE, last_epoch
from lessons_lib.samplers import sample
from lessons_lib.schedule import Schedule
from tests.part_b import ship

SCHEDULE = Schedule.linear(300)


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    ship(monkeypatch, tmp_path, time_conditioned=(1, 5), class_conditioned=(1, 5))


def end(walk) -> torch.Tensor:
    for step in walk:
        x = step.x_prev
    return x


def walk_of(seed: int, timesteps=(200, 100, 0)):
    g = torch.Generator().manual_seed(seed)
    denoiser = perfect(torch.zeros(1, 1, 4, 4), SCHEDULE)
    return sample(denoiser, SCHEDULE, torch.randn(2, 1, 4, 4, generator=g), timesteps, generator=g)


def test_walks_in_step_are_the_walks_themselves():
    joined = list(walks.in_step([walk_of(1), walk_of(2)]))
    assert [s.t for s in joined] == [200, 100]
    assert torch.equal(joined[-1].x_prev, torch.cat([end(walk_of(1)), end(walk_of(2))]))
    assert torch.equal(joined[0].xt[:2], next(walk_of(1)).xt)


def test_walks_in_step_must_share_their_timesteps():
    with pytest.raises(ValueError, match="share their timesteps"):
        list(walks.in_step([walk_of(1), walk_of(2, (250, 100, 0))]))


def test_leaving_early_closes_every_walk():
    both = [walk_of(1), walk_of(2)]
    joined = walks.in_step(both)
    next(joined)
    joined.close()
    assert all(w.gi_frame is None for w in both)


@pytest.mark.parametrize(("lie", "t", "amount", "told"), [
    ("shifted", 100, 0, 100), ("shifted", 100, 0.1, 130), ("shifted", 250, 1, 299), ("shifted", 10, -1, 0),
    ("scaled", 200, 0, 200), ("scaled", 200, -0.5, 100), ("frozen", 7, 0, 150), ("frozen", 7, -1, 0), ("frozen", 7, 1, 299),
])  # fmt: skip
def test_what_a_lied_to_network_hears(lie, t, amount, told):
    heard = []

    def listener(xt, t):
        heard.append(t)
        return Prediction(xt)

    walks.lied_to(listener, lambda t: walks.LIES[lie](t, amount, 300), 300)(torch.zeros(1, 1, 4, 4), t)
    assert heard == [told]


@pytest.mark.parametrize("lie", ["shifted", "scaled"])
def test_lying_by_nothing_is_the_same_walk(tiny, lie):
    truth, same = end(walks.truth_and_lie(5, lie, 0.0, num_images=2, num_inference_steps=4)).chunk(2)
    assert torch.equal(truth, same)
    assert torch.equal(truth, end(walks.through_training([5], num_images=2, num_inference_steps=4)))


def test_lying_changes_the_walk(tiny):
    truth, lied = end(walks.truth_and_lie(5, "frozen", 0.5, num_images=2, num_inference_steps=4)).chunk(2)
    assert not torch.allclose(truth, lied)


def test_every_moment_starts_from_the_same_noise(tiny):
    first = next(walks.through_training([0, 1, 5], num_images=3, num_inference_steps=3))
    a, b, c = first.xt.chunk(3)
    assert torch.equal(a, b)
    assert torch.equal(b, c)
    assert not torch.allclose(first.eps[:3], first.eps[3:6])


def test_four_of_each_at_guidance_one_and_zero_are_the_plain_network(tiny):
    """guided() at 1 is the conditional prediction and at 0 the unconditional one, so asking once must give the same walk."""
    few = {"of_each": 1, "num_inference_steps": 3}
    for scale in (0.0, 1.0):
        asked_once = end(walks.four_of_each(5, guidance_scale=scale, **few))
        both = end(walks.four_of_each(5, guidance_scale=scale + 1e-9, **few))
        torch.testing.assert_close(asked_once, both, rtol=0, atol=1e-4)
    assert not torch.allclose(end(walks.four_of_each(5, guidance_scale=0.0, **few)), asked_once)


def test_eps_error_of_a_perfect_network_is_nothing_and_of_a_silent_one_is_one():
    x0, labels = errors.some_digits(20)
    assert labels.bincount().tolist() == [2] * 10

    def knows(xt, t, condition):
        return perfect(x0, SCHEDULE)(xt, int(t[0]))

    def silent(xt, t, condition):
        return Prediction(torch.zeros_like(xt))

    assert errors.eps_error(knows, SCHEDULE, x0, 100) < 1e-6
    assert errors.eps_error(silent, SCHEDULE, x0, 100) == pytest.approx(1, abs=0.03)  # the variance of eps


def test_eps_error_tells_the_network_what_it_is_told():
    seen = []

    def listener(xt, t, condition):
        seen.append((t.tolist(), condition.argmax(1).tolist(), condition.sum().item()))
        return Prediction(xt)

    x0, labels = errors.some_digits(10)
    errors.eps_error(listener, SCHEDULE, x0, 100, told=7, labels=labels)
    errors.eps_error(listener, SCHEDULE, x0, 100)
    assert seen[0] == ([7] * 10, list(range(10)), 10)
    assert seen[1][0] == [100] * 10
    assert seen[1][2] == 0


def test_measures_have_a_row_a_point(tiny):
    rows = list(errors.through_time(10, 3))
    assert [r["t"] for r in rows] == [1, 150, 299]
    assert list(rows[0]) == ["t", "untrained", "after epoch 1", "after epoch 5"]
    assert list(next(errors.told_times(10, 3))) == ["told", "true t = 60", "true t = 150", "true t = 240"]
    assert list(next(errors.told_classes(10, 3))) == ["t", "the right class", "class hidden", "a wrong class"]
    row = next(errors.over_guidance(20, (5.0,), 2))
    assert 0 <= row["accuracy"] <= 1
    assert row["diversity"] > 0


def test_the_judge_reads_real_digits_and_is_no_measure_of_quality():
    x0, labels = errors.some_digits(50)
    read, sure = errors.readings(x0)
    assert (read == labels).float().mean() > 0.95
    noise = torch.randn(20, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    assert errors.readings(noise)[1].mean() > sure.mean() - 0.1  # as sure of noise: why no page shows a mean confidence


def test_the_course_walks_300_timesteps(tiny):
    assert COURSE["time_conditioned"].T == 300
    assert last_epoch("time_conditioned") == 5
    step = next(walks.through_training([5], num_images=1, num_inference_steps=300))
    assert (step.t, step.t_prev, step.total) == (299, 298, 300)


@pytest.mark.slow
@pytest.mark.parametrize(("network", "walk", "steps"), [
    ("class_conditioned", walks.four_of_each, 12), ("class_conditioned", walks.four_of_each, 50),
    ("flow_matching", walks.four_of_each_by_flow, 10), ("flow_matching", walks.four_of_each_by_flow, 50),
])  # fmt: skip
def test_what_ships_draws_the_digits_it_is_asked_for(network, walk, steps):
    read, _ = errors.readings(end(walk(last_epoch(network), of_each=10, num_inference_steps=steps)))
    assert (read == torch.arange(10).repeat(10)).float().mean() >= 0.95
