"""Part B's walks, on cases with known answers."""

import pytest
import torch

from lessons_lib.files.film import Film
from lessons_lib.lessons import _digits, class_, flow, time
from lessons_lib.maths.denoisers import Prediction, perfect
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models.digits import COURSE, last_epoch
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
    joined = list(_digits.in_step([walk_of(1), walk_of(2)]))
    assert [s.t for s in joined] == [200, 100]
    assert torch.equal(joined[-1].x_prev, torch.cat([end(walk_of(1)), end(walk_of(2))]))
    assert torch.equal(joined[0].xt[:2], next(walk_of(1)).xt)


def test_walks_in_step_must_share_their_timesteps():
    with pytest.raises(ValueError, match="share their timesteps"):
        list(_digits.in_step([walk_of(1), walk_of(2, (250, 100, 0))]))


def test_leaving_early_closes_every_walk():
    both = [walk_of(1), walk_of(2)]
    joined = _digits.in_step(both)
    next(joined)
    joined.close()
    assert all(w.gi_frame is None for w in both)


@pytest.mark.parametrize(
    ("lie", "t", "amount", "told"),
    [
        ("shifted", 100, 0, 100),
        ("shifted", 100, 0.1, 130),
        ("shifted", 250, 1, 299),
        ("shifted", 10, -1, 0),
        ("scaled", 200, 0, 200),
        ("scaled", 200, -0.5, 100),
        ("frozen", 7, 0, 150),
        ("frozen", 7, -1, 0),
        ("frozen", 7, 1, 299),
    ],
)
def test_what_a_lied_to_network_hears(lie, t, amount, told):
    heard = []

    def listener(xt, t):
        heard.append(t)
        return Prediction(xt)

    time.lied_to(listener, lambda t: time.LIES[lie](t, amount, 300), 300)(torch.zeros(1, 1, 4, 4), t)
    assert heard == [told]


@pytest.mark.parametrize("lie", ["shifted", "scaled"])
def test_lying_by_nothing_is_the_same_walk(tiny, lie):
    truth, same = end(time.truth_and_lie(5, lie, 0.0, range(2), num_inference_steps=4)).chunk(2)
    assert torch.equal(truth, same)
    assert torch.equal(truth, end(time.through_training([5], range(2), num_inference_steps=4)))


def test_lying_changes_the_walk(tiny):
    truth, lied = end(time.truth_and_lie(5, "frozen", 0.5, range(2), num_inference_steps=4)).chunk(2)
    assert not torch.allclose(truth, lied)


def test_every_moment_starts_from_the_same_noise(tiny):
    first = next(time.through_training([0, 1, 5], range(3), num_inference_steps=3))
    a, b, c = first.xt.chunk(3)
    assert torch.equal(a, b)
    assert torch.equal(b, c)
    assert not torch.allclose(first.eps[:3], first.eps[3:6])


def test_four_of_each_at_guidance_one_and_zero_are_the_plain_network(tiny):
    """guided() at 1 is the conditional prediction and at 0 the unconditional one, so asking once must give the same walk."""
    few = {"of_each": 1, "num_inference_steps": 3}
    for scale in (0.0, 1.0):
        asked_once = end(class_.four_of_each(5, guidance_scale=scale, **few))
        both = end(class_.four_of_each(5, guidance_scale=scale + 1e-9, **few))
        torch.testing.assert_close(asked_once, both, rtol=0, atol=1e-4)
    assert not torch.allclose(end(class_.four_of_each(5, guidance_scale=0.0, **few)), asked_once)


def test_eps_error_of_a_perfect_network_is_nothing_and_of_a_silent_one_is_one():
    x0, labels = _digits.some_digits(20)
    assert labels.bincount().tolist() == [2] * 10

    def knows(xt, t, condition):
        return perfect(x0, SCHEDULE)(xt, int(t[0]))

    def silent(xt, t, condition):
        return Prediction(torch.zeros_like(xt))

    assert max(_digits.errors_at(knows, SCHEDULE, x0, 100)) < 1e-6
    of_eps, of_x0 = _digits.errors_at(silent, SCHEDULE, x0, 100)
    assert of_eps == pytest.approx(1, abs=0.03)  # the variance of eps
    a = SCHEDULE.alpha_bar(100)
    assert of_x0 == pytest.approx((1 - a) / a * of_eps, rel=1e-4)


def test_eps_error_tells_the_network_what_it_is_told():
    seen = []

    def listener(xt, t, condition):
        seen.append((t.tolist(), condition.argmax(1).tolist(), condition.sum().item()))
        return Prediction(xt)

    x0, labels = _digits.some_digits(10)
    _digits.errors_at(listener, SCHEDULE, x0, 100, told=7, labels=labels)
    _digits.errors_at(listener, SCHEDULE, x0, 100)
    assert seen[0] == ([7] * 10, list(range(10)), 10)
    assert seen[1][0] == [100] * 10
    assert seen[1][2] == 0


def test_measures_have_a_row_a_point(tiny):
    rows = list(time.through_time(10, 3))
    assert [r["t"] for r in rows] == [1, 150, 299]
    assert set(rows[0]) == {"t", "x0_hat", "untrained", "after epoch 1", "after epoch 5"}
    assert list(next(time.told_times(10, 3))) == ["told", "true t = 60", "true t = 150", "true t = 240"]
    assert list(next(class_.told_classes(10, 3))) == ["t", "the right class", "class hidden", "a wrong class"]
    row = next(class_.over_guidance(20, (5.0,), 2))
    assert 0 <= row["accuracy"] <= 1
    assert row["diversity"] > 0


def test_the_judge_reads_real_digits_and_nothing_in_noise():
    x0, labels = _digits.some_digits(50)
    read, sure = _digits.readings(x0)
    assert (read == labels).float().mean() > 0.95
    noise = torch.randn(20, 1, 28, 28, generator=torch.Generator().manual_seed(1))
    assert sure.mean() > 0.9
    assert _digits.readings(noise)[1].max() < 0.5


def test_the_course_walks_300_timesteps(tiny):
    assert COURSE["time_conditioned"].T == 300
    assert last_epoch("time_conditioned") == 5
    step = next(time.through_training([5], range(1), num_inference_steps=300))
    assert (step.t, step.t_prev, step.total) == (299, 298, 300)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("network", "walk", "steps"),
    [
        ("class_conditioned", class_.four_of_each, 12),
        ("class_conditioned", class_.four_of_each, 50),
        ("flow_matching", flow.four_of_each_by_flow, 10),
        ("flow_matching", flow.four_of_each_by_flow, 50),
    ],
)
def test_what_ships_draws_the_digits_it_is_asked_for(network, walk, steps):
    read, _ = _digits.readings(end(walk(last_epoch(network), of_each=10, num_inference_steps=steps)))
    assert (read == torch.arange(10).repeat(10)).float().mean() >= 0.95


def test_a_seed_is_a_digit_alone_and_in_a_batch(tiny):
    """The seed that a place in the grid has gives the same picture alone: one generator a picture."""
    few = {"num_inference_steps": 4}
    row = end(time.through_training([1, 5], [7, 8, 9], **few))
    assert torch.equal(row[4:5], end(time.through_training([5], [8], **few)))
    lied = end(time.truth_and_lie(5, "scaled", -0.5, [7, 8, 9], **few))
    assert torch.equal(lied[1:2], row[4:5])
    forty = end(class_.four_of_each(5, of_each=2, seed=7, **few))
    net, settings = _digits.shared("class_conditioned", 5)
    alone = end(_digits.digits_from_noise(_digits.of_digits(net, [3], 5.0), settings, [7 + 13], 4))
    assert torch.equal(forty[13:14], alone)


def test_ddim_puts_nothing_back_and_its_path_is_the_shorter(tiny):
    """The three samplers part where noise is put back; detour() of a straight path is 1."""
    films = {}
    for name, how in flow.SAMPLERS.items():
        films[name] = Film({})
        for _ in films[name].record_all(class_.four_of_each(5, of_each=1, num_inference_steps=20, **how)):
            pass
    lengths = {name: flow.detour(film, SCHEDULE) for name, film in films.items()}
    assert 1 <= lengths["DDIM"] < min(lengths["DDPM, fixed_small"], lengths["DDPM, fixed_large"])


@pytest.mark.slow
def test_few_moves_fail_by_the_noise_put_back_and_not_by_the_network():
    """Flow matching's page: three moves suffice for the flow and for DDIM at guidance 5, and not for fixed_large."""
    row = next(flow.over_steps(50, (3,)))
    assert row["flow, Euler"] >= 0.95
    assert row["DDIM"] >= 0.95
    assert row["DDPM, fixed_small"] >= 0.95
    assert row["DDPM, fixed_large"] < 0.7


@pytest.mark.slow
def test_being_told_the_class_does_most_and_guidance_the_rest():
    """Adding class: what its plot and caption say."""
    rows = {r["guidance_scale"]: r for r in class_.over_guidance(40, (0.0, 1.0, 10.0))}
    assert rows[0.0]["accuracy"] < 0.4
    assert rows[1.0]["accuracy"] >= 0.8
    assert rows[10.0]["accuracy"] >= rows[1.0]["accuracy"]
    assert rows[10.0]["ink"] > rows[1.0]["ink"]
    assert rows[10.0]["diversity"] < rows[1.0]["diversity"]
