"""Solvers: what the page says, held against its kept measures and films; its page; bad input."""

import math

import pytest
import torch

from lessons_lib.files import kept
from lessons_lib.lessons import solvers
from lessons_lib.lessons._digits import some_digits
from lessons_lib.maths.schedule import CLEAN, Schedule
from tests.pages import captions, opened


def rows_of(name):
    return kept.measure(name, "mnist")["rows"]


def test_at_equal_calls_dpm_solver_is_nearest_then_heun_then_ddim():
    first, *rest = rows_of("solvers_error")
    assert first["calls"] == 1
    assert len({first[s] for s in solvers.SOLVERS}) == 1
    assert all(r[solvers.DPM] < r[solvers.HEUN] < r[solvers.DDIM] for r in rest)
    for s in solvers.SOLVERS:
        assert all(a[s] > b[s] for a, b in zip(rest, rest[1:], strict=False))


def test_heun_gains_more_by_more_calls_than_ddim_but_no_square():
    at = {r["calls"]: r for r in rows_of("solvers_error")}
    gain = {s: at[9][s] / at[25][s] for s in solvers.SOLVERS}
    assert gain[solvers.DDIM] < gain[solvers.HEUN] < (25 / 9) ** 2


def test_the_judge_does_not_tell_them_apart():
    blur, *_ = every = rows_of("solvers")
    assert blur["calls"] == 1
    assert all(blur[s] > r[s] for s in solvers.SOLVERS for r in every[1:])
    rows = [r for r in every if r["calls"] >= 9]
    assert rows
    assert all(max(r[s] for s in solvers.SOLVERS) - min(r[s] for s in solvers.SOLVERS) <= 0.031 for r in rows)


def test_more_steps_and_more_looks_bring_the_digit_back_nearer():
    rows = rows_of("solvers_inversion")
    for looks in ("1 look", "3 looks"):
        assert all(a[looks] > b[looks] for a, b in zip(rows, rows[1:], strict=False))
    assert all(r["3 looks"] < r["1 look"] for r in rows)


def test_the_noise_found_holds_the_digit_whatever_the_walk_is_told():
    for r in rows_of("solvers_inversion"):
        assert r["std"] < 0.8
        assert r["correlation"] > 0.7
        assert r["told another"] < 0.15  # two digits of different kinds are some 0.7 apart


@pytest.mark.parametrize("solver", solvers.ALL)
def test_a_kept_film_is_what_the_page_would_make(solver):
    film = kept.film(solvers.OPENINGS[solver], "mnist")
    assert {k: film.about[k] for k in solvers.about(solver)} == solvers.about(solver)
    *_, last = solvers.walk(solvers.about(solver))
    assert abs(last.x_prev.clamp(-1, 1) - film.final_tensor()).max() < 0.1


def test_heuns_error_falls_faster_than_eulers_up_to_25_calls_and_no_faster_beyond():
    """The page's answer, on the kept measure."""
    rows = {r["calls"]: r for r in kept.measure("solvers_error", "mnist")["rows"]}
    for a, b in ((5, 9), (9, 15), (15, 25)):
        assert rows[a]["Heun"] / rows[b]["Heun"] > 1.1 * rows[a]["DDIM"] / rows[b]["DDIM"]
    assert rows[25]["Heun"] / rows[51]["Heun"] < 1.05 * rows[25]["DDIM"] / rows[51]["DDIM"]


def test_one_call_is_the_same_picture_by_every_solver():
    made = []
    for solver in solvers.SOLVERS:
        *_, last = solvers.by_solver(solver, 1, labels=(3,))
        made.append(last.x_prev)
    assert torch.equal(made[0], made[1])
    assert torch.equal(made[0], made[2])


@pytest.mark.parametrize("moves", [1, 2, 3, 7, 26, 51, 150, 300])
def test_the_timesteps_descend_from_the_last_to_clean(moves):
    timesteps = solvers.descending(Schedule.linear(300), moves)
    assert (timesteps[0], timesteps[-1], len(timesteps)) == (299, CLEAN, moves + 1)
    assert all(a > b for a, b in zip(timesteps, timesteps[1:], strict=False))


def test_there_and_back_is_nearly_the_digit():
    x0 = some_digits(10)[0][7:8]
    found = solvers.there_and_back(x0, 7, 10, 1, 2)
    assert math.sqrt(((found["back"] - x0) ** 2).mean()) < 0.1
    assert solvers.likeness(found["noise"], x0).item() > 0.7
    assert abs(solvers.likeness(torch.randn(1, 1, 28, 28, generator=torch.Generator().manual_seed(0)), x0).item()) < 0.15


def test_bad_input():
    with pytest.raises(ValueError, match="solver must be"):
        solvers.about("RK4")
    with pytest.raises(TypeError, match="unknown settings"):
        solvers.about(steps=3)


def test_the_page_walks_by_all_four():
    at = opened("solvers", solvers_calls="3")
    next(b for b in at.button if b.label == "Run").click().run()
    assert not at.exception
    assert not at.error
    shown = [m.value for m in at.markdown]
    for title in ("DDIM, 3 moves", "Heun, 2 moves", "DPM-Solver++(2M), 3 moves", "Euler, flow network, 3 moves"):
        assert f"**{title}**" in shown
    assert sum("live" in c.value and "calls 3" in c.value for c in at.caption) == 4
    assert any(c.startswith("back as 7: RMS 0.0") for c in captions(at))
