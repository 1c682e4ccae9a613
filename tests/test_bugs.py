"""The Bug lab: each symptom is what its kept pictures show; the right pieces are sample() itself; the page gives nothing away."""

import random
from functools import cache

import pytest
import torch

from lessons_lib.checking.mistakes import MISTAKES, Pieces
from lessons_lib.files.film import Film, opening_path
from lessons_lib.lessons import bugs
from lessons_lib.lessons.inpainting import preset_mask
from lessons_lib.maths import metrics
from lessons_lib.maths.denoisers import Conditioned, guided
from lessons_lib.maths.images import blur
from lessons_lib.maths.samplers import sample
from lessons_lib.maths.schedule import CLEAN
from lessons_lib.models.digits import COURSE, condition_of, open_network
from lessons_lib.models.judge import open_judge
from tests.pages import opened

CASES = {case.bug: case for case in bugs.CASES}


@cache
def kept(name: str) -> Film:
    film = Film.load(opening_path(name, "mnist"))
    assert film is not None, f"nothing is kept for {name}: python -m lessons_lib.lessons.keep bugs"
    return film


def sharp(x):
    return metrics.sharpness(x).mean().item()


def ink(x):
    return ((x + 1) / 2).mean().item()


def rms(x, y):
    return (x - y).square().mean().sqrt().item()


def read_as(x, asked):
    """How many of the pictures the judge reads as asked."""
    return (open_judge("digits").rank(x, torch.tensor(asked)) == 0).sum().item()


def sure(x, asked):
    """How sure the judge is of what was asked for, for each picture."""
    return open_judge("digits").read(x).gather(1, torch.tensor(asked)[:, None])[:, 0]


def top(x):
    return x[:, :, :14]


def bottom(x):
    return x[:, :, 14:]


def raw_t(right, wrong, case):
    assert ink(wrong) > 0.9
    assert sharp(wrong) < 0.1


def guidance_sign(right, wrong, case):
    assert read_as(wrong, case.asked) == 0
    assert 0.7 * sharp(right) < sharp(wrong) < 1.2 * sharp(right), "clean strokes"
    assert wrong.median() < -0.95, "on black"


def tables_alpha(right, wrong, case):
    assert sharp(wrong) < 0.1
    assert 0.4 < ink(wrong) < 0.6


def alpha_for_alpha_bar(right, wrong, case):
    steps = [sharp(torch.from_numpy(x).float() / 127.5 - 1) for x in kept(case.wrong_name).xt]
    assert min(steps) > 1, "noise in every step that is kept"
    assert sharp(wrong) > 1


def training_mode(right, wrong, case):
    assert right.median() < -0.95
    assert -0.7 < wrong.median() < 0.3, "the ground is grey"


def wraps_round(right, wrong, case):
    before = torch.from_numpy(kept(case.wrong_name).xt[-1]).float() / 127.5 - 1
    assert kept(case.wrong_name).t_prev[-1] == CLEAN
    assert read_as(before, case.asked) == 5
    assert sharp(before) < 1.5 * sharp(right)
    assert sharp(wrong) > 1.5


def no_sqrt(right, wrong, case):
    assert read_as(wrong, case.asked) == 5
    assert sharp(wrong) > 1.7 * sharp(right)


def mask_inverted(right, wrong, case):
    x = bugs.originals()
    assert rms(bottom(right), bottom(x)) < 0.05 < 0.3 < rms(top(right), top(x))
    assert rms(top(wrong), top(x)) < 0.05 < 0.3 < rms(bottom(wrong), bottom(x))


def start_last(right, wrong, case):
    x = bugs.originals()
    assert read_as(right, case.asked) == 5
    assert read_as(wrong, case.asked) <= 2
    assert rms(wrong, x) < 0.7 * rms(right, x)


def one_noise(right, wrong, case):
    assert (wrong.abs() > 0.95).float().mean() > 0.7, "black and white"
    assert read_as(wrong, case.asked) <= 3
    assert sharp(wrong) > 2.5 * sharp(right)


def last_noise(right, wrong, case):
    assert read_as(wrong, case.asked) == 5
    assert rms(blur(right, 1.5), blur(wrong, 1.5)) < 0.06, "stroke by stroke the same"
    assert 1.15 * sharp(right) < sharp(wrong) < 1.6 * sharp(right), "a fine grain"


def paste_at_t(right, wrong, case):
    assert sharp(bottom(wrong)) > 1.2 * sharp(bottom(right))
    assert abs(sharp(top(wrong)) / sharp(top(right)) - 1) < 0.07
    assert rms(bottom(right), bottom(wrong)) > 2.5 * rms(top(right), top(wrong))


def no_noise(right, wrong, case):
    assert sharp(wrong) < 0.95 * sharp(right), "smooth"
    assert metrics.diversity(wrong) < 0.9 * metrics.diversity(right), "alike"
    assert metrics.diversity(metrics.coarse(wrong)) < 0.9 * metrics.diversity(metrics.coarse(right))


def paste_clean(right, wrong, case):
    broken = [case.asked.index(d) for d in (5, 8)]
    assert sure(right, case.asked)[broken].min() > 0.9
    assert sure(wrong, case.asked)[broken].max() < 0.8
    assert rms(bottom(right), bottom(wrong)) < 0.05, "the kept halves are as they should be"


def no_clip(right, wrong, case):
    assert ink(wrong) > 1.05 * ink(right)
    assert sharp(wrong) < 0.95 * sharp(right)
    inks = [ink(w) / ink(r) for w, r in zip(wrong, right, strict=True)]
    assert max(inks) == inks[0] > 1.15, "most of all in the 0"
    inside = [(x[0, 0, 6:22, 5:24] < -0.5).float().mean() for x in (right, wrong)]
    assert inside[1] < 0.85 * inside[0], "its hole shrinks"


SYMPTOMS = {
    f.__name__: f
    for f in (
        raw_t,
        guidance_sign,
        tables_alpha,
        alpha_for_alpha_bar,
        training_mode,
        wraps_round,
        no_sqrt,
        mask_inverted,
        start_last,
        one_noise,
        last_noise,
        paste_at_t,
        no_noise,
        paste_clean,
        no_clip,
    )
}


@pytest.mark.parametrize("case", bugs.CASES, ids=lambda c: c.bug)
def test_the_symptom_is_what_the_kept_pictures_show(case):
    right, wrong = kept(case.right_name), kept(case.wrong_name)
    assert read_as(right.final_tensor(), case.asked) == 5, "the right walk is right"
    SYMPTOMS[case.bug](right.final_tensor(), wrong.final_tensor(), case)


@pytest.mark.parametrize("case", bugs.CASES, ids=lambda c: c.bug)
def test_no_case_looks_like_the_right_walk(case):
    """At least one pixel in twelve differs by 40 of 255 or more, seen at its real size or five times as strong."""
    right, wrong = kept(case.right_name).final_tensor(), kept(case.wrong_name).final_tensor()
    assert ((right - wrong).abs() * 5 > 40 / 127.5).float().mean() > 1 / 12


def test_every_kept_film_is_of_a_case_and_of_its_settings():
    wanted = {}
    for case in bugs.CASES:
        wanted[case.right_name] = bugs.about(case, bug=False)
        wanted[case.wrong_name] = bugs.about(case, bug=True)
    there = {p.name.removesuffix("-mnist.npz") for p in opening_path("x", "mnist").parent.glob("bugs-*.npz")}
    assert there == set(wanted)
    for name, about in wanted.items():
        assert {k: kept(name).about[k] for k in about} == about


@pytest.mark.slow
@pytest.mark.parametrize("bug", ["last_noise", "no_clip"])
def test_the_kept_pictures_are_what_the_command_makes(bug):
    case = CASES[bug]
    for name, has_bug in ((case.right_name, False), (case.wrong_name, True)):
        *_, last = bugs.walk(case, bugs.about(case, bug=has_bug))
        assert rms(last.x_prev.clamp(-1, 1), kept(name).final_tensor()) < 0.02


def test_the_right_pieces_are_the_walk_of_the_library():
    unet, settings = open_network(bugs.NETWORK)
    case = bugs.Case("raw_t", "sample", "", "", asked=(3, 5), stride=30)
    x_orig = torch.zeros(2, 1, 28, 28)
    *_, mine = bugs.student_walk(unet, settings.schedule, Pieces(), case, x_orig, preset_mask("top half", 28))
    network = COURSE[bugs.NETWORK].objective.network(unet)
    denoiser = guided(Conditioned(network, condition_of([3, 5])), Conditioned(network, condition_of(None)), 5.0)
    g = torch.Generator().manual_seed(180)
    xt = torch.randn(x_orig.shape, generator=g)
    *_, last = sample(denoiser, settings.schedule, xt, settings.schedule.timesteps(30), variance_type="fixed_large", generator=g)
    torch.testing.assert_close(mine.x_prev, last.x_prev, rtol=0, atol=1e-3)


def test_training_mode_leaves_the_shared_network_alone():
    unet, _ = open_network(bugs.NETWORK)
    before = {k: v.clone() for k, v in unet.state_dict().items()}
    case = CASES["training_mode"]
    next(iter(bugs.walk(case, bugs.about(case, bug=True))))
    assert not unet.training
    assert all(torch.equal(v, before[k]) for k, v in unet.state_dict().items())


# ---- the page ---------------------------------------------------------------------------------------------------------


def everything(at) -> str:
    parts = (at.markdown, at.caption, at.warning, at.success, at.info, at.header)
    return " ".join(e.value for part in parts for e in part)


def answers_shown(at):
    return [c.value for c in at.code if c.language == "diff"]


def radio(at):
    return next(r for r in at.radio if r.label == "Your verdict")


def answer(at, title):
    radio(at).set_value(next(m.name for m in MISTAKES.values() if m.title == title)).run()
    assert not at.exception
    return at


def test_the_page_gives_nothing_away():
    """Before an answer neither the symptom nor the code is on the page, and the list is in no telling order."""
    at = opened("bugs", case="7")
    assert not at.exception
    case = bugs.CASES[6]
    assert case.symptom not in everything(at)
    assert case.bug not in everything(at)
    assert not answers_shown(at)
    assert sorted(radio(at).options) == sorted(c.mistake.title for c in bugs.CASES)
    assert radio(at).options != [c.mistake.title for c in bugs.CASES]
    assert f"{len(bugs.CASES)} " in everything(at)


def test_a_wrong_verdict_tells_of_the_other_symptom_only():
    at = answer(opened("bugs", case="7"), CASES["raw_t"].mistake.title)
    assert CASES["raw_t"].symptom in at.warning[0].value
    assert bugs.CASES[6].symptom not in everything(at)
    assert not answers_shown(at)


def test_a_right_verdict_shows_the_code_and_counts():
    at = opened("bugs", case="1")
    answer(at, CASES["no_clip"].mistake.title)
    answer(at, bugs.CASES[0].mistake.title)
    assert bugs.CASES[0].mistake.why in at.success[0].value
    assert bugs.CASES[0].symptom in everything(at)
    shown = " ".join(answers_shown(at))
    assert "return float(t)" in shown
    assert "return t / T" in shown
    assert f"1 of {len(bugs.CASES)}" in everything(at)
    assert "0 at the first" in everything(at)


def test_where_solutions_are_hidden_no_code_is_shown():
    at = answer(opened("bugs", case="1", solutions="0"), bugs.CASES[0].mistake.title)
    assert at.success
    assert not at.code


def test_hints_narrow_the_list_to_four():
    at = opened("bugs", case="9")
    for label in ("Where to look", "Only four are left"):
        next(t for t in at.toggle if t.label == label).set_value(True).run()
    assert not at.exception
    assert bugs.CASES[8].hint in everything(at)
    assert len(radio(at).options) == 4
    assert bugs.CASES[8].mistake.title in radio(at).options


@pytest.mark.parametrize("number", random.Random(3).sample(range(1, len(bugs.CASES) + 1), 4))
def test_every_case_opens(number):
    at = opened("bugs", case=str(number))
    assert not at.exception
    assert not at.error
    assert "kept from an earlier run" in everything(at)
    assert "changed since" not in everything(at)
