"""Check my code: right code of many styles is called right, the classic mistakes are named, and no file is trusted.

tests/check_cases holds what students write, as they write it. Every case runs through the script that is handed out, and what
that saves through check().
"""

import io
import json
import runpy
import shutil
import subprocess
import sys
import types
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from lessons_lib.checking import check_my_code, part_a
from lessons_lib.checking.mistakes import MISTAKES
from lessons_lib.errors import LessonsError
from lessons_lib.lessons import check
from lessons_lib.maths.schedule import Schedule
from tests.pages import opened

CASES = Path(__file__).with_name("check_cases")
RIGHT, WRONG = (sorted((CASES / kind).glob("*.py")) for kind in ("right", "wrong"))


@pytest.fixture
def checked(tmp_path, capsys):
    """names -> {function: Verdict}, all that are in the file: the script run on them, its file checked."""

    def verdicts(names: dict) -> dict[str, check.Verdict]:
        check_my_code.run(names, file=tmp_path / "my-arrays.npz")
        found = check.check((tmp_path / "my-arrays.npz").read_bytes())
        return {v.function: v for v in found if v.state != "missing"}

    return verdicts


def named(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize("case", RIGHT, ids=named)
def test_right_code_is_right(checked, case):
    verdicts = checked(runpy.run_path(str(case)))
    assert verdicts
    assert {f: v for f, v in verdicts.items() if not v.right} == {}


@pytest.mark.parametrize("case", WRONG, ids=named)
def test_a_mistake_is_named(checked, case):
    names = runpy.run_path(str(case))
    verdicts = checked(names)
    for function, mistakes in names["EXPECT"].items():
        v = verdicts[function]
        assert (v.state, list(v.mistakes)) == ("wrong", mistakes), v.said
        assert all(MISTAKES[m].title in v.said for m in mistakes if m in MISTAKES)
        assert names.get("SAYS", {}).get(function, "") in v.said
    accused = {f: v.said for f, v in verdicts.items() if not v.right and f not in names["EXPECT"]}
    assert accused == {}, "of the helpers beside it, none is wrong"


def test_there_are_enough_of_both():
    assert len(RIGHT) >= 30
    assert len(WRONG) >= 84
    pairs = [c for c in WRONG if max(map(len, runpy.run_path(str(c))["EXPECT"].values())) == 2]
    assert len(pairs) >= 3


def words_of(checked, case: str) -> str:
    return " ".join(v.said for v in checked(runpy.run_path(str(CASES / "right" / f"{case}.py"))).values())


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("clipped", "x0_hat is clipped"),
        ("ddpm_algorithm_2", "sqrt(beta) z: a valid choice"),
        ("fixed_small_in_double", "posterior: a valid choice"),
        ("half_on_cuda", "float16"),
        ("brain_float", "bfloat16"),
        ("schedule_in_half", "alpha_bar is read in float16"),
        ("down_to_the_clean_image", "to the clean image: fine"),
        ("channels_last", "Channels last: understood"),
        ("without_a_batch", "without a batch: understood"),
        ("shown_as_an_image", "DDIM"),
        ("part_b_paper_times", "t from 1 to T, as the paper"),
        ("chi_lets_the_caller_call_eval", "whoever calls it must"),
        ("ben_changes_things_in_place", "hand it a copy"),
    ],
)
def test_another_right_way_gets_a_word(checked, case, said):
    assert said in words_of(checked, case)


def test_missing_functions_are_no_mistakes(checked):
    verdicts = checked(runpy.run_path(str(CASES / "right" / "numpy_only.py")))
    assert set(verdicts) == {"forward", "one_step", "guidance"}
    assert check.first_wrong(list(verdicts.values())) is None
    assert check.headline(list(verdicts.values())) == "All 3 are right."


def test_the_first_wrong_one_is_the_headline(checked):
    def forward(im, t):
        raise ValueError("no `such` *luck*")

    def inpaint(original_image, mask, prompt_embeds, uncond_prompt_embeds, timesteps):
        return original_image

    verdicts = checked({"forward": forward, "inpaint": inpaint})
    assert verdicts["forward"].state == "failed"
    assert verdicts["forward"].said.endswith("ValueError: no `such` *luck*")
    assert check.first_wrong(list(verdicts.values())).function == "inpaint"
    assert "never asked" in verdicts["inpaint"].said


def test_an_unknown_mistake_is_told_by_its_weights(checked):
    """Right but for the noise, doubled."""
    source = (CASES / "right" / "the_notebook.py").read_text()
    names: dict = {}
    exec(source.replace("torch.exp(0.5 * log_variance) *", "2 * torch.exp(0.5 * log_variance) *"), names)
    v = checked({"iterative_denoise": names["iterative_denoise"]})["iterative_denoise"]
    assert v.state == "wrong"
    assert v.mistakes == ()
    assert "z 0.45" in v.said
    assert "(right: 0.22" in v.said


def test_noise_that_is_not_followed_is_said(checked):
    source = (CASES / "right" / "the_notebook.py").read_text()
    names: dict = {}
    exec(source.replace("torch.randn_like(image)", "torch.from_numpy(RNG.standard_normal(image.shape)).float()"), names)
    names["RNG"] = np.random.default_rng(0)
    assert "draw it there" in checked({"iterative_denoise": names["iterative_denoise"]})["iterative_denoise"].said


def test_what_yours_changes_in_place_is_handed_out_anew(checked):
    """t = 30, 250 and 750 of the same picture; and ddpm_schedule's tables, which four functions are given."""

    def forward(im, t, alphas_cumprod):
        a = alphas_cumprod[t]
        return im.mul_(a.sqrt()).add_((1 - a).sqrt() * torch.randn_like(im))

    names = runpy.run_path(str(CASES / "right" / "part_b_ddpm.py"))
    original = names["ddpm_forward"]

    def ddpm_forward(unet, ddpm_schedule, x_0, c, p_uncond, num_ts):
        loss = original(unet, ddpm_schedule, x_0, c, p_uncond, num_ts)
        ddpm_schedule["alpha_bars"].zero_()
        x_0.zero_()
        return loss

    verdicts = checked(
        {"forward": forward, **{k: names[k] for k in ("ddpm_schedule", "ddpm_sample")}, "ddpm_forward": ddpm_forward}
    )
    assert {f: v.said for f, v in verdicts.items() if not v.right} == {}
    assert "in place" in verdicts["forward"].said


@pytest.mark.parametrize("case", ["the_notebook", "part_b_flow"])
def test_a_notebook_that_computes_in_double(checked, case):
    torch.set_default_dtype(torch.float64)
    try:
        verdicts = checked(runpy.run_path(str(CASES / "right" / f"{case}.py")))
    finally:
        torch.set_default_dtype(torch.float32)
    assert {f: v.said for f, v in verdicts.items() if not v.right} == {}


def test_frames_are_judged_by_the_picture_that_is_meant(checked):
    """Joined, stacked, in a list or a dict, first or last, alone or beside other pictures; and a wrong one stays wrong."""
    source = (CASES / "right" / "clipped.py").read_text()

    def returning(made):
        names = {"made": made}
        exec(source, names)
        exec(
            "walk = iterative_denoise\n\ndef iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):\n    return made(im_noisy, walk(im_noisy, i_start, prompt_embeds, timesteps))",
            names,
        )
        return checked({"iterative_denoise": names["iterative_denoise"]})["iterative_denoise"].right

    assert returning(lambda a, b: torch.cat([a, a, b]))
    assert returning(lambda a, b: torch.cat([b, a, a]))
    assert returning(lambda a, b: torch.stack([a, b]))
    assert returning(lambda a, b: torch.stack([a, b], 1))
    assert returning(lambda a, b: [b, a])
    assert returning(lambda a, b: (a, {"x": b}))
    assert not returning(lambda a, b: torch.cat([a, b, a]))
    assert not returning(lambda a, b: (a, b + 0.1))


# ---- the script -------------------------------------------------------------------------------------------------------


def test_the_scripts_schedules_are_the_librarys():
    np.testing.assert_allclose(check_my_code.squared_cosine(), Schedule.cosine(1000).alphas_cumprod, rtol=1e-12)
    np.testing.assert_allclose(check_my_code.linear(), Schedule.linear(300).alphas_cumprod, rtol=1e-9)
    assert Schedule.cosine(1000).timesteps(30) == check_my_code.TIMESTEPS


def test_the_stand_in_scheduler_is_diffusers():
    diffusers = pytest.importorskip("diffusers")
    theirs = diffusers.DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range")
    theirs.set_timesteps(timesteps=check_my_code.TIMESTEPS)
    mine = check_my_code.Scheduler(check_my_code.Log())
    v = torch.linspace(-1, 1, 12).view(1, 3, 2, 2)
    for t in (990, 480, 30, 0):
        torch.testing.assert_close(mine._get_variance(t, v), theirs._get_variance(t, v), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(mine.alphas_cumprod, theirs.alphas_cumprod, rtol=0, atol=1e-6)


def test_the_notebook_is_as_before(checked):
    names = runpy.run_path(str(CASES / "right" / "the_notebook.py"))
    of_functions = names["forward"].__globals__
    of_functions |= {"stage_1": "the real one", "alphas_cumprod": "the real table"}
    randn_like, randn = torch.randn_like, np.random.randn
    state = torch.get_rng_state()
    checked(names)
    assert of_functions["stage_1"] == "the real one"
    assert of_functions["alphas_cumprod"] == "the real table"
    assert "strided_timesteps" not in of_functions
    assert torch.randn_like is randn_like
    assert np.random.randn is randn
    assert torch.equal(torch.get_rng_state(), state)


def test_helpers_in_another_file_see_the_stand_ins(checked):
    """`from utils import forward, iterative_denoise`, where utils has a stage_1 of its own."""
    module = types.ModuleType("utils")
    module.stage_1, module.alphas_cumprod = None, None
    exec((CASES / "right" / "the_notebook.py").read_text(), vars(module))
    mine = {"helper": module.add_variance}
    walk = "def iterative_denoise(im_noisy, i_start, prompt_embeds, timesteps):\n    return original(im_noisy, i_start, prompt_embeds, timesteps, False)\n"
    mine["original"] = module.iterative_denoise
    exec(walk, mine)
    assert checked(mine)["iterative_denoise"].right
    assert module.stage_1 is None


def test_a_parameter_that_nobody_knows_is_asked_for(checked, capsys, monkeypatch):
    def forward(im, t, strength, colour):
        return im

    assert "'colour' is not known" in checked({"forward": forward})["forward"].said
    assert "EXTRA" in capsys.readouterr().out
    monkeypatch.setitem(check_my_code.EXTRA, "strength", 1.0)
    monkeypatch.setitem(check_my_code.EXTRA, "colour", "red")
    assert checked({"forward": forward})["forward"].state == "wrong"


def test_without_functions_it_says_so(tmp_path, capsys):
    check_my_code.run({}, file=tmp_path / "none.npz")
    assert "No function of yours was found" in capsys.readouterr().out
    assert not (tmp_path / "none.npz").exists()


@pytest.mark.slow
def test_the_script_runs_alone(tmp_path):
    """As a student has it: the one file in a folder of theirs, without this project."""
    (tmp_path / "check_my_code.py").write_text(check.script())
    shutil.copy(CASES / "right" / "the_notebook.py", tmp_path / "mine.py")
    command = [sys.executable, "-I", "check_my_code.py", "mine.py"]
    ran = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert ran.returncode == 0, ran.stderr
    assert "inpaint                ran" in ran.stdout
    verdicts = check.check((tmp_path / "my-arrays.npz").read_bytes())
    assert [v.function for v in verdicts if v.right] == ["forward", "iterative_denoise", "iterative_denoise_cfg", "inpaint"]
    assert (tmp_path / "my-arrays.npz").stat().st_size < 2_000_000


# ---- the file ---------------------------------------------------------------------------------------------------------


def saved(tmp_path) -> dict[str, np.ndarray]:
    names = runpy.run_path(str(CASES / "right" / "clipped.py"))
    check_my_code.run({"iterative_denoise": names["iterative_denoise"]}, file=tmp_path / "a.npz")
    return dict(np.load(tmp_path / "a.npz"))


def npz(arrays: dict) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "file", [b"", b"hello", npz({"forward": np.zeros(3)}), npz({"about": np.zeros(3, np.uint8)})], ids=range(4)
)
def test_what_the_script_did_not_make_is_refused(file):
    with pytest.raises(LessonsError, match="file"):
        check.check(file)


def test_a_damaged_file_gets_a_sentence(tmp_path):
    """Every array taken away, cut, or of another kind; every entry of what was told, likewise."""
    arrays = saved(tmp_path)
    about = json.loads(arrays["about"].tobytes())
    files = []
    for name in arrays:
        files += [
            arrays | {name: v} for v in (arrays[name][:1], np.zeros(3), np.full(arrays[name].shape, np.nan), np.array(["a"]))
        ]
    for key in about["runs"]["iterative_denoise"]:
        for value in (None, [], "x", [1e300] * 23, ["x"] * 23):
            told = json.loads(json.dumps(about))
            told["runs"]["iterative_denoise"][key] = value
            files.append(arrays | {"about": np.frombuffer(json.dumps(told).encode(), np.uint8)})
    said = 0
    for file in files:
        try:
            verdicts = check.check(npz(file))
        except LessonsError:
            said += 1
        else:
            assert all(v.said for v in verdicts)
    assert said > len(files) / 4


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path):
    """100 MB of zeros in 0.1 MB: refused by its size in the directory; with a directory that lies, by what its header says."""
    path = tmp_path / "bomb.npz"
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (25_000_000,)})
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z, z.open("forward.out.npy", "w", force_zip64=True) as f:
        f.write(header.getvalue())
        for _ in range(100):
            f.write(bytes(1_000_000))
    with pytest.raises(LessonsError, match="unpacks to 95"):
        check.check(path.read_bytes())
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as z:
        z.writestr("forward.out.npy", header.getvalue() + bytes(1000))
    with pytest.raises(LessonsError, match="file"):
        check.check(path.read_bytes())


def test_nothing_is_unpickled():
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("code in the file ran",))

    with pytest.raises(LessonsError):
        check.check(npz({"about": np.array([Trap()], dtype=object)}))


# ---- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_hands_out_the_script_and_folds_the_formulas():
    at = opened("check")
    assert not at.exception
    assert [e.label for e in at.expander] == ["What it looks for", "Read the script", "The right formulas"]
    assert any("iterative_denoise_cfg" in m.value for m in at.markdown)


def test_a_teachers_link_hides_the_solutions():
    at = opened("check", solutions="0")
    assert not at.exception
    assert "The right formulas" not in [e.label for e in at.expander]


def test_float16_does_not_hide_the_index_at_250():
    """x0 and eps weigh alike at t = 500, and an index off by one moves x_t by a thousandth; the three t tell it apart."""
    assert 250 in check_my_code.FORWARD_T
    x0, z = part_a.given()["x0"], part_a.given()["noise"]
    a = {t: Schedule.cosine(1000).add_noise(x0[None, None, None], t, z[None, None, None]) for t in (250, 251)}
    assert 1e-3 < (a[250] - a[251]).square().mean().sqrt() < 3e-3


def test_what_the_page_says_of_an_upload(tmp_path):
    """A wrong one first, then one that did not run: its words are shown as they are, not read as markdown."""

    def forward(im, t):
        raise ValueError("![x](http://host/t.png)")

    wrong = runpy.run_path(str(CASES / "wrong" / "guidance_sign.py"))
    check_my_code.run({"forward": forward, "cfg": wrong["cfg"]}, file=tmp_path / "a.npz")
    at = opened("check")
    at.file_uploader[0].upload("my-arrays.npz", (tmp_path / "a.npz").read_bytes(), "application/octet-stream").run()
    assert not at.exception
    assert "guidance" in at.warning[0].value
    said = " ".join(m.value for m in at.markdown)
    assert MISTAKES["guidance_sign"].title in said
    assert "`![x](http://host/t.png)`" in said
    assert any(c.value.startswith("Not in the file, of Part A: one_step, ") for c in at.caption)
    assert not any("Part B" in c.value for c in at.caption if c.value.startswith("Not in"))
