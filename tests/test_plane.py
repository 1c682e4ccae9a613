"""The plane: its formulas against calculus and sampling, its claims against measures, its JavaScript against its Python."""

import json
import math
import shutil
import subprocess

import numpy as np
import pytest
import torch

from lessons_lib.lessons import plane
from lessons_lib.lessons.plane_views import CLAIMS, DEFAULTS, FACE, OPTIONS, OWN_DOTS, RANGES, read, text
from lessons_lib.maths import samplers
from lessons_lib.maths.mixtures import PRESETS, Mixture
from lessons_lib.places import ROOT
from lessons_lib.ui import components
from tests.pages import address, opened

NODE = shutil.which("node")
VIEWS = {claim.name: DEFAULTS | dict(claim.view) for claim in CLAIMS}
SEEDS = (180, 7)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normals(n: int, seed: int) -> torch.Tensor:
    return torch.randn(n, 2, generator=seeded(seed), dtype=torch.float64)


# ---- the mixtures ----


@pytest.mark.parametrize("name", PRESETS)
def test_presets_fit_the_plane_and_give_each_class_half(name):
    m = PRESETS[name]
    assert np.abs(m.means).max() < 2.4
    assert m.weights[m.labels == 0].sum() == pytest.approx(0.5)
    assert set(m.blobs.tolist()) == set(range(m.blobs.max() + 1))
    assert all(len(set(m.labels[m.blobs == b].tolist())) == 1 for b in set(m.blobs.tolist()))


def test_a_mixture_that_is_none_is_refused_with_its_numbers():
    good = PRESETS["two blobs"]
    parts = {name: getattr(good, name) for name in ("means", "stds", "weights", "labels", "blobs")}
    for wrong, word in [
        ({"stds": np.array([0.5])}, "as many"),
        ({"stds": np.array([0.5, 0.0])}, "above 0"),
        ({"weights": np.array([0.5, 0.6])}, "1.1"),
        ({"labels": np.array([0, 0])}, "every class"),
    ]:
        with pytest.raises(ValueError, match=word):
            Mixture(**parts | wrong)


# ---- the formulas ----


@pytest.mark.parametrize("label", [None, 0, 1])
@pytest.mark.parametrize("name", PRESETS)
def test_the_score_is_the_gradient_of_log_p(name, label):
    x = normals(40, 1).requires_grad_()
    answer = plane.exact(PRESETS[name], x, 0.6, 0.8, label)
    (gradient,) = torch.autograd.grad(answer.log_p.sum(), x)
    torch.testing.assert_close(answer.score, gradient)


@pytest.mark.parametrize("label", [None, 1])
def test_log_p_is_a_density_and_x0_hat_the_mean_of_what_x_may_come_from(label):
    m, signal, noise = PRESETS["two moons"], 0.6, 0.8
    axis = torch.linspace(-6, 6, 241, dtype=torch.float64)
    grid = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(-1, 2)
    p = plane.exact(m, grid, signal, noise, label).log_p.exp()
    assert p.sum() * 0.05**2 == pytest.approx(1, abs=1e-6)
    clean = plane.drawn(m, 400_000, seeded(2), label)
    x = signal * clean + noise * normals(len(clean), 3)
    for place in ([0.3, 0.2], [-0.8, 0.5]):
        near = (x - torch.tensor(place, dtype=torch.float64)).norm(dim=1) < 0.1
        answer = plane.exact(m, x[near], signal, noise, label).x0_hat.mean(0)
        error = 4 * clean[near].std(0) / near.sum().sqrt()
        assert ((clean[near].mean(0) - answer).abs() < error).all()


def test_one_answer_in_five_languages():
    x, signal, noise = normals(30, 4), 0.6, 0.8
    a = plane.exact(PRESETS["ring"], x, signal, noise)
    torch.testing.assert_close(signal * a.x0_hat + noise * a.eps, x)
    torch.testing.assert_close(a.score, -a.eps / noise)
    torch.testing.assert_close(a.v, signal * a.eps - noise * a.x0_hat)
    torch.testing.assert_close(
        x + 0.3 * plane.exact(PRESETS["ring"], x, 0.7, 0.3).velocity, plane.exact(PRESETS["ring"], x, 0.7, 0.3).x0_hat
    )


def test_what_cannot_be_asked_is_said():
    with pytest.raises(ValueError, match="noise must be above 0"):
        plane.exact(PRESETS["ring"], normals(2, 1), 1.0, 0.0)
    with pytest.raises(ValueError, match="got 2"):
        plane.exact(PRESETS["ring"], normals(2, 1), 0.6, 0.8, 2)
    with pytest.raises(ValueError, match="goals"):
        plane.walk({"walk": "straight"}, normals(2, 1))


@pytest.mark.parametrize(
    ("name", "walk", "eta"),
    [
        ("four blobs", "diffusion", 1.0),
        ("four blobs", "diffusion", 0.0),
        ("four blobs", "flow", 0.0),
        ("two moons", "diffusion", 0.5),
    ],
)
def test_every_walk_ends_in_the_data(name, walk, eta):
    m = PRESETS[name]
    ends = plane.walk(
        {"data": name, "walk": walk, "eta": eta, "num_inference_steps": 100}, normals(2000, 5), generator=seeded(6)
    )[-1]
    data = plane.drawn(m, 2000, seeded(7))
    torch.testing.assert_close(ends.mean(0), data.mean(0), atol=0.12, rtol=0)
    assert plane.spread(ends) == pytest.approx(plane.spread(data), rel=0.05)
    counts = torch.bincount(plane.landed(m, ends), minlength=2) / len(ends)
    torch.testing.assert_close(counts, torch.full_like(counts, 1 / len(counts)), atol=0.05, rtol=0)


def test_guidance_acts_only_within_its_interval_and_1_is_the_class_itself():
    first = normals(50, 8)
    view = {"data": "two blobs", "label": "A"}
    plain = plane.walk(view | {"guidance_scale": 1.0}, first)
    torch.testing.assert_close(plane.walk(view | {"guidance_scale": 7.0, "low": 0.9991, "high": 1.0}, first), plain)
    half = plane.walk(view | {"guidance_scale": 7.0, "low": 0.0, "high": 0.5}, first)
    same = [i for i, t in enumerate(plane.SCHEDULE.spaced_timesteps(50)) if t / 1000 > 0.5]
    torch.testing.assert_close(half[: same[-1] + 2], plain[: same[-1] + 2])
    assert (half[-1] - plain[-1]).norm(dim=1).mean() > 0.2


# ---- the claims, measured on many dots ----


def test_fresh_noise_decides_at_eta_1_and_first_noise_at_eta_0():
    rows = {row["eta"]: row for row in plane.who_decides((0.0, 1.0))}
    assert rows[0.0]["first"] > 0.6  # of four blobs three are others: 0.75 at most
    assert rows[0.0]["fresh"] == 0
    assert rows[1.0]["first"] < 0.01
    assert rows[1.0]["fresh"] > 0.6


def test_paths_are_straight_and_their_mean_bends():
    rows = {(row["data"], row["walk"]): row["bend"] for row in plane.bends()}
    for name in PRESETS:
        assert rows[name, "straight paths"] == pytest.approx(0, abs=1e-9)
        assert rows[name, "flow matching"] > 0.3


def test_one_step_of_flow_lands_on_the_mean_of_the_data():
    m = PRESETS["four blobs"]
    ends = plane.walk({"data": "four blobs", "walk": "flow", "num_inference_steps": 1}, normals(200, 9))[-1]
    mean = torch.from_numpy((m.weights[:, None] * m.means).sum(0))
    torch.testing.assert_close(ends, mean.expand_as(ends))
    log_p = plane.exact(m, torch.stack([mean, torch.from_numpy(m.means[0])]), 1.0, 1e-3).log_p
    assert log_p[0] < log_p[1] - 10  # where there is no data


def test_guidance_overshoots_and_the_interval_less():
    rows = {row["guidance_scale"]: row for row in plane.overshoots((1.0, 7.0))}
    assert rows[1.0]["everywhere"] == pytest.approx(0, abs=0.1)
    assert rows[7.0]["everywhere"] > 1.5
    assert 0.3 < rows[7.0]["interval"] < rows[7.0]["everywhere"] / 2


# ---- the links ----

SAID = {
    "data": "ring",
    "walk": "flow",
    "num_inference_steps": "7",
    "eta": "0.35",
    "shared": "fresh noise",
    "label": "B",
    "guidance_scale": "2.5",
    "low": "0.1",
    "high": "0.4",
    "arrows": "v",
    "trails": "none",
    "ring": "-0.5,1.25",
    "at": "0.25",
    "seed": "7",
}


def test_every_setting_is_read_from_a_link_as_it_was_written():
    assert SAID.keys() | {"dots"} == DEFAULTS.keys()
    for name, said in {**SAID, "dots": FACE}.items():
        assert text(name, read(name, said)) == said
        assert read(name, text(name, DEFAULTS[name])) == DEFAULTS[name]
        for nonsense in ("nan", "", "<b>", "inf,0", "1,2,3"):
            if (name, nonsense) not in (("dots", ""), ("dots", "nan")):  # nothing drawn, and one dot
                with pytest.raises(ValueError):  # noqa: PT011
                    read(name, nonsense)
    assert [read(name, said) for name, said in (("num_inference_steps", "1e9"), ("eta", "-3"), ("seed", "-1"))] == [100, 0.0, 0]
    assert read("ring", "99,0") == (9.0, 0.0)


def test_a_link_sets_the_view_and_the_address_tells_it():
    assert {name: address(opened("plane"))[name] for name in SAID} == {name: text(name, DEFAULTS[name]) for name in SAID}
    told = address(opened("plane", **SAID))
    assert {name: told[name] for name in SAID} == SAID
    assert "dots" not in told
    assert address(opened("plane", data=OWN_DOTS, dots="8nq"))["dots"] == "8nq"
    nonsense = address(opened("plane", **dict.fromkeys(SAID, "nan")))
    assert {name: nonsense[name] for name in SAID} == {name: text(name, DEFAULTS[name]) for name in SAID}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda c: c.name)
def test_a_claim_sets_what_can_be_set_and_is_one_sentence(claim):
    for name, value in claim.view.items():
        assert name in DEFAULTS
        if name in OPTIONS:
            assert value in OPTIONS[name]
        elif name in RANGES:
            assert RANGES[name][0] <= value <= RANGES[name][1]
    assert claim.question.endswith("?")
    assert claim.answer.count(".") == 1
    assert claim.answer.endswith(".")


# ---- what the browser computes ----


@pytest.fixture(scope="module")
def node(tmp_path_factory):
    """Asks plane_math.js: node([{"do": ...}, ...]) gives one answer a job."""
    if NODE is None:
        pytest.skip("the JavaScript of the plane is compared with Python's numbers in node, which is not installed")
    module = tmp_path_factory.mktemp("plane") / "plane_math.mjs"  # by its name node knows that it is a module
    module.write_text(components.read("plane_math.js"), encoding="utf-8")
    presets = {name: m.as_lists() for name, m in PRESETS.items()}

    def ask(jobs: list[dict]) -> list:
        told = json.dumps({"presets": presets, "jobs": jobs})
        command = [NODE, str(ROOT / "tests" / "plane_in_node.mjs"), str(module)]
        done = subprocess.run(command, input=told, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return ask


@pytest.fixture(scope="module")
def claimed(node):
    """What the browser computes for every claim's view, at two seeds."""
    views = [VIEWS[name] | {"seed": seed} for name in VIEWS for seed in SEEDS]
    answers = iter(node([{"do": "walk", "view": view} for view in views]))
    return {name: [next(answers) for _ in SEEDS] for name in VIEWS}


def test_the_schedule_of_the_browser_is_ours(node):
    table, *spaced = node([{"do": "schedule"}, *({"do": "spaced", "n": n} for n in range(1, 101))])
    np.testing.assert_allclose(table, plane.SCHEDULE.alphas_cumprod.numpy(), rtol=1e-9)
    assert spaced == [plane.SCHEDULE.spaced_timesteps(n) for n in range(1, 101)]
    between, clean = node([{"do": "alphaBar", "t": 499.25}, {"do": "alphaBar", "t": -0.5}])
    assert between == pytest.approx(0.75 * table[499] + 0.25 * table[500])
    assert clean == pytest.approx((1 + table[0]) / 2)


@pytest.mark.parametrize("label", [None, 0, 1])
@pytest.mark.parametrize("name", PRESETS)
def test_every_answer_of_the_browser_is_ours(node, name, label):
    levels = [(0.05, 0.9987), (0.6, 0.8), (0.999, 0.0447), (0.4, 0.6)]
    points = normals(25, 10)
    jobs = [
        {
            "do": "exact",
            "view": {"data": name},
            "points": points.tolist(),
            "signal": a,
            "noise": s,
            "label": -1 if label is None else label,
        }
        for a, s in levels
    ]
    for (signal, noise), answers in zip(levels, node(jobs), strict=True):
        ours = plane.exact(PRESETS[name], points, signal, noise, label)
        for field in ("x0_hat", "eps", "score", "v", "velocity"):
            np.testing.assert_allclose([a[field] for a in answers], getattr(ours, field), rtol=1e-8, atol=1e-8)
        apart = np.array([a["log_p"] for a in answers]) - ours.log_p.numpy()
        assert np.ptp(apart) < 1e-8  # but for a constant


def test_the_haze_is_p_t_and_its_lines_are_where_they_should_be(node):
    n, half = 24, 2.8
    (field,) = node([{"do": "density", "view": {"data": "letters"}, "signal": 0.8, "noise": 0.6, "nx": n, "ny": n}])
    axis = torch.arange(n, dtype=torch.float64) * 2 / n + 1 / n - 1
    grid = torch.stack(torch.meshgrid(axis * half, -axis * half, indexing="xy"), -1).reshape(-1, 2)
    p = plane.exact(PRESETS["letters"], grid, 0.8, 0.6).log_p.exp().numpy()
    np.testing.assert_allclose(np.array(field) / max(field), p / p.max(), atol=1e-5)
    bump = [math.exp(-((i - 11.5) ** 2 + (j - 11.5) ** 2) / 50) for j in range(n) for i in range(n)]
    (line,) = node([{"do": "contour", "field": bump, "nx": n, "ny": n, "level": 0.5}])
    radius = np.hypot(*(np.array(line).reshape(-1, 2) - 11.5).T)
    assert len(radius) > 80
    np.testing.assert_allclose(radius, math.sqrt(50 * math.log(2)), atol=0.06)


WALKS = [
    {"data": "four blobs", "eta": 1.0},
    {"data": "letters", "eta": 0.0, "num_inference_steps": 20},
    {"data": "two moons", "eta": 0.35, "num_inference_steps": 7},
    {"data": "ring", "eta": 1.0, "num_inference_steps": 1},
    {"data": "two blobs", "eta": 0.5, "label": "A", "guidance_scale": 7.0, "low": 0.2, "high": 0.6},
    {"data": "letters", "walk": "flow", "num_inference_steps": 10, "label": "B", "guidance_scale": 3.5, "low": 0.0, "high": 0.7},
    {"data": "four blobs", "walk": "flow", "num_inference_steps": 1},
    {"data": "four blobs", "walk": "straight"},
    {"data": "four blobs", "eta": 1.0, "shared": "first noise"},
    {"data": "four blobs", "eta": 1.0, "shared": "fresh noise"},
]


@pytest.mark.parametrize("changes", WALKS, ids=str)
def test_every_walk_of_the_browser_is_ours(node, changes, monkeypatch):
    view = DEFAULTS | changes
    (theirs,) = node([{"do": "walk", "view": view}])
    dots = len(theirs["first"]) // 2
    first, goals = (torch.tensor(theirs[name], dtype=torch.float64).reshape(dots, 2) for name in ("first", "goals"))
    noises = iter(torch.tensor(theirs["fresh"], dtype=torch.float64).reshape(-1, dots, 2, 1, 1))

    def drawn_by_the_browser(like, generator):
        z = next(noises)
        return z[:1].expand_as(z) if view["shared"] == "fresh noise" else z

    monkeypatch.setattr(samplers, "standard_normal", drawn_by_the_browser)
    if view["shared"] == "first noise":
        first = first[:1].expand_as(first)
    ours = plane.walk(view, first, goals=goals)
    path = np.array(theirs["path"]).reshape(-1, dots, 2)
    np.testing.assert_allclose(path, ours.numpy(), rtol=1e-6, atol=1e-6)
    m = PRESETS[view["data"]]
    assert theirs["landed"] == plane.landed(m, ours[-1]).tolist()
    assert theirs["bend"] == pytest.approx(plane.bend(ours), abs=1e-6)
    assert theirs["spread"] == pytest.approx(plane.spread(ours[-1]), abs=1e-6)
    if view["label"] != "any":
        assert theirs["past"] == pytest.approx(plane.past_the_middle(m, ours[-1], "AB".index(view["label"])), abs=1e-6)


def test_the_noise_is_normal_and_its_seed_decides(node):
    jobs = [{"do": "normals", "seed": s, "stream": k, "count": 20_000} for s, k in ((180, 0), (180, 0), (181, 0), (180, 1))]
    same, again, other, stream = (np.array(x) for x in node(jobs))
    assert (same == again).all()
    for x in (same, other, stream):
        assert abs(x.mean()) < 0.03
        assert abs(x.std() - 1) < 0.03
        assert abs((x**4).mean() - 3) < 0.25
        assert abs((x[::2] * x[1::2]).mean()) < 0.04
    assert abs((same * other).mean()) < 0.03
    assert abs((same * stream).mean()) < 0.03


def test_a_marked_dot_moved_by_hand_walks_as_if_it_had_started_there(node):
    view = VIEWS["start"] | {"num_inference_steps": 10}
    (answer,) = node([{"do": "marked", "view": view, "ring": [1.5, -0.7]}])
    assert answer["alone"] == answer["whole"]


def test_drawn_dots_survive_the_link(node):
    (there_and_back, nothing, cut) = node([{"do": "dots", "dots": text} for text in (FACE, "", FACE[:-1])])
    assert there_and_back == FACE
    assert nothing == ""
    assert cut == FACE[:-3]
    (walked,) = node([{"do": "walk", "view": VIEWS["start"] | {"data": OWN_DOTS}}])
    counts = np.bincount(walked["landed"], minlength=2)
    assert counts.min() > 60


def test_the_three_scripts_make_one_module(tmp_path):
    script = components.script("plane")
    assert [line for line in script.splitlines() if line.startswith(("export", "import"))] == [
        "export default function ({ data, parentElement, setStateValue }) {"
    ]
    if NODE is None:
        pytest.skip("node, which would read the module, is not installed")
    (tmp_path / "plane.mjs").write_text(script, encoding="utf-8")
    subprocess.run([NODE, "--check", str(tmp_path / "plane.mjs")], check=True)


def test_the_page_shows_what_was_measured():
    at = opened("plane")
    assert not at.exception
    assert [tab.label for tab in at.tabs][:5] == [
        "Things to try",
        "Which noise decides",
        "Which paths bend",
        "What guidance does",
        "The formulas",
    ]
    table = at.table[0].value
    assert set(table.index) == set(PRESETS)
    assert (table["straight paths"] == "0%").all()


# ---- every claim, as the browser shows it ----


def test_the_claims_about_noise(claimed):
    for walk in claimed["fresh_decides"]:
        assert np.bincount(walk["landed"], minlength=4).min() >= 25
    for name in ("first_decides", "first_forgotten"):
        for walk in claimed[name]:
            assert walk["spread"] < 0.05
            assert len(set(walk["landed"])) == 1
    assert np.std(claimed["first_forgotten"][0]["first"]) > 0.8  # and yet they started apart


def test_the_claims_about_paths(claimed):
    for paths, mean, one in zip(*(claimed[n] for n in ("straight_paths", "bent_mean", "one_step")), strict=True):
        assert paths["bend"] == pytest.approx(0, abs=1e-9)
        assert crossings(np.array(paths["path"]).reshape(-1, 200, 2)) > 100
        assert mean["bend"] > 0.3
        assert one["spread"] < 1e-6
        assert np.hypot(*np.reshape(one["path"], (2, 200, 2))[-1].T).max() < 1e-6


def crossings(path: np.ndarray) -> int:
    """How many pairs of straight paths (steps + 1, N, 2) cross."""
    a, b = path[0], path[-1]

    def side(p, q, r):
        return np.sign((q[..., 0] - p[..., 0]) * (r[..., 1] - p[..., 1]) - (q[..., 1] - p[..., 1]) * (r[..., 0] - p[..., 0]))

    one, two = (a[:, None], b[:, None]), (a[None], b[None])
    cross = (side(*one, two[0]) * side(*one, two[1]) < 0) & (side(*two, one[0]) * side(*two, one[1]) < 0)
    return int(np.triu(cross, 1).sum())


def test_the_claims_about_guidance(claimed):
    for pushed, within in zip(claimed["overshoot"], claimed["interval"], strict=True):
        assert pushed["past"] > 1.5
        assert within["past"] < pushed["past"] / 2
        assert set(within["landed"]) == {0}


def test_the_first_claim_draws_two_letters(claimed):
    for walk in claimed["start"]:
        assert np.bincount(walk["landed"], minlength=2).min() > 80
        ends = torch.tensor(walk["path"][-400:], dtype=torch.float64).reshape(200, 2)
        means = torch.from_numpy(PRESETS["letters"].means)
        assert (torch.cdist(ends, means).min(1).values < 0.3).double().mean() > 0.97
