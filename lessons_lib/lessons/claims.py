"""Every claim that a lesson makes, and what it rests on: docs/claims.md, `python -m lessons_lib.lessons.claims` writes it anew.

A claim rests on a kept measure (cache/openings/measure-NAME-MODEL.json), whose figures stand in its sentence, or on a test. So no
figure is written by hand, and a measure that says otherwise fails tests/test_claims.py. keep.py writes the page after every run that measures.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from lessons_lib.catalogue import lesson
from lessons_lib.files import kept
from lessons_lib.places import ROOT

PATH = ROOT / "docs" / "claims.md"
Rows = list[dict]


@dataclass(frozen=True)
class Claim:
    """One claim.

    says: the sentence, {names} in it filled by figures. test: "tests/FILE.py::NAME" that holds it.
    measure: (name, model) of the kept measure. figures: its rows -> {name: figure}. holds: whether the figures say so.
    mends: the finding of 2026-11 that it puts right, "T1" to "T12".
    """

    slug: str
    says: str
    test: str = ""
    measure: tuple[str, str] | None = None
    figures: Callable[[Rows], dict] = lambda rows: {}
    holds: Callable[[dict], bool] = lambda figures: True
    mends: str = ""


def at(rows: Rows, **where) -> dict:
    """The one row with these values. Raises StopIteration if there is none."""
    return next(r for r in rows if all(r[k] == v for k, v in where.items()))


def _noise(rows: Rows) -> dict:
    one, zero = at(rows, eta=1.0), at(rows, eta=0.0)
    return {"way": one["the noise on the way"], "first": one["the first noise"], "zero": zero["the first noise"]}


def _guidance(rows: Rows) -> dict:
    low, high = at(rows, guidance_scale=1.0), at(rows, guidance_scale=5.0)
    a, b = (r["diversity of features"] for r in (low, high))
    return {"low": low["accuracy"], "high": high["accuracy"], "a": a, "b": b, "most": rows[-1]["accuracy"]}


def _answers(rows: Rows) -> dict:
    a, b = rows[0], rows[-1]
    return {"t1": a["t"], "t0": b["t"], "e1": a["eps"], "e0": b["eps"], "x1": a["x0_hat"], "x0": b["x0_hat"]}


def _time(rows: Rows) -> dict:
    first, last = rows[0], rows[-1]
    epoch = list(first)[-1]
    return {"t0": first["t"], "t1": last["t"], "e0": first[epoch], "e1": last[epoch], "x0": first["x0_hat"], "x1": last["x0_hat"]}


def _ways(rows: Rows) -> dict:
    r = rows[len(rows) // 2]
    return {"t": r["t"], **{w.replace(" ", "_"): r[f"{w} mse"] for w in ("blur", "one step", "iterative")}}


def _told(rows: Rows) -> dict:
    r = rows[-1]
    return {"t": r["t"], "right": r["the right class"], "hidden": r["class hidden"], "wrong": r["a wrong class"]}


def _lie(rows: Rows) -> dict:
    columns = [k for k in rows[0] if k != "told"]
    return {f"told{i}": min(rows, key=lambda r: r[k])["told"] for i, k in enumerate(columns)} | {
        f"true{i}": int(k.rsplit(" ", 1)[-1]) for i, k in enumerate(columns)
    }


def _flow(rows: Rows) -> dict:
    r = at(rows, num_inference_steps=3)
    return {"flow": r["flow, Euler"], "large": r["DDPM, fixed_large"], "small": r["DDPM, fixed_small"], "ddim": r["DDIM"]}


def _perfect(rows: Rows) -> dict:
    r = rows[len(rows) // 2]
    new, old = r["network, test digits"], r["network, training digits"]
    return {"t": r["t"], "new": new, "old": old, "best": r["perfect, training digits"], "copies": r["perfect, test digits"]}


def _copies(rows: Rows) -> dict:
    network, best, real = rows
    return {"network": network["nearest"], "best": best["farthest"], "real": real["nearest"]}


def _solvers(rows: Rows) -> dict:
    r = at(rows, calls=9)
    return {"ddim": r["DDIM"], "heun": r["Heun"], "dpm": r["DPM-Solver++(2M)"]}


def _inversion(rows: Rows) -> dict:
    first, last = rows[0], rows[-1]
    return {
        "n0": first["num_inference_steps"],
        "n1": last["num_inference_steps"],
        "off0": first["1 look"],
        "off1": last["1 look"],
        "other": last["told another"],
        "like": last["correlation"],
    }


def _looked_at(rows: Rows) -> dict:
    r = rows[len(rows) // 2]
    return {"t": r["t"], "thing": r["the thing"], "style": r["the style's name"], "padding": r["padding"]}


def _changed(rows: Rows) -> dict:
    of = {r["change"]: r["distance"] for r in rows}
    return {"thing": of["the thing: left out"], "small": of["in: left out"], "seed": of["another seed"]}


EMOJI, MNIST = "emoji", "mnist"
CLAIMS = (
    Claim(
        "what",
        "Every picture is read as what was asked for, and other noise makes another.",
        "tests/test_what.py::test_every_picture_is_read_as_what_was_asked_for_and_other_noise_makes_another",
    ),
    Claim("plane", "At eta 1 the fresh noise decides, at eta 0 the first.", "tests/test_plane.py::test_the_claims_about_noise"),
    Claim("plane", "Straight training paths have a mean that bends.", "tests/test_plane.py::test_the_claims_about_paths"),
    Claim("plane", "Guidance overshoots the mode.", "tests/test_plane.py::test_the_claims_about_guidance"),
    Claim(
        "forward",
        "alpha_bar at 500 of 1000, cosine, is about half.",
        "tests/test_lesson_forward.py::test_the_answer_to_the_question",
    ),
    Claim("forward", "Fine details drown first.", "tests/test_lesson_forward.py::test_fine_details_drown_first"),
    Claim(
        "denoise",
        "In squared error one step is nearest (t = {t}: blur {blur:.3f}, one step {one_step:.3f}, walk {iterative:.3f}).",
        "tests/test_lesson_denoise.py::test_one_step_has_the_least_mse_and_the_walk_the_sharpness_of_the_originals",
        ("denoise", EMOJI),
        _ways,
        lambda f: f["one_step"] < min(f["blur"], f["iterative"]),
    ),
    Claim(
        "denoise",
        "Blur is of a picture as bright as the original, with the best sigma.",
        "tests/test_lesson_denoise.py::test_blur_is_of_a_picture_as_bright_as_the_original",
        mends="T7",
    ),
    Claim(
        "sampling",
        "At eta 1 the noise on the way decides the small model's picture: two first noises {way:.3f} apart, two noises on the way "
        "{first:.3f}. At eta 0 the first noise decides all ({zero:.3f}).",
        "tests/test_lesson_sampling.py::test_the_noise_on_the_way_decides_at_eta_1_and_the_first_noise_at_eta_0",
        ("sampling_noise", EMOJI),
        _noise,
        lambda f: f["way"] < f["first"] / 3 and f["zero"] == 0,
        mends="T1",
    ),
    Claim(
        "sampling",
        "Beyond 20 steps the judge sees nothing more: {a:.0%} read right at 20, {b:.0%} at 50.",
        "tests/test_lesson_sampling.py::test_more_steps_buy_nothing_the_judge_sees_and_refine_only_without_fresh_noise",
        ("sampling", EMOJI),
        lambda rows: {"a": at(rows, num_inference_steps=20)["accuracy"], "b": at(rows, num_inference_steps=50)["accuracy"]},
        lambda f: 0.8 < min(f["a"], f["b"]) <= 1 and abs(f["a"] - f["b"]) < 0.1,
        mends="T9",
    ),
    Claim(
        "guidance",
        "Up to guidance 5 the pictures of a prompt grow more alike ({a:.2f} at 1, {b:.2f} at 5 between features), and nearly all are read "
        "right ({low:.0%}, {high:.0%}); of the strongest's fewer ({most:.0%}).",
        "tests/test_lesson_guidance.py::test_guidance_makes_pictures_alike_and_too_much_of_it_burns_them",
        ("guidance", EMOJI),
        _guidance,
        lambda f: min(f["low"], f["high"]) > 0.8 and f["most"] < f["high"] - 0.2 and 0 < f["b"] < 0.9 * f["a"],
        mends="T6",
    ),
    Claim(
        "guidance",
        "With and without prompt the answers differ late as noise (eps: {e1:.3f} at t = {t1}, {e0:.3f} at {t0}) and early as "
        "pictures (x0_hat: {x1:.3f}, {x0:.3f}).",
        "tests/test_lesson_guidance.py::test_the_answers_differ_late_as_noise_and_early_as_pictures",
        ("guidance_answers", EMOJI),
        _answers,
        lambda f: f["e1"] < f["e0"] and f["x1"] > f["x0"],
        mends="T8",
    ),
    Claim(
        "sdedit",
        "The less noise, the nearer to the original.",
        "tests/test_lesson_sdedit.py::test_the_less_noise_the_nearer_to_the_original",
    ),
    Claim(
        "sdedit",
        "Guidance is named only where there is a prompt.",
        "tests/test_lesson_sdedit.py::test_guidance_is_named_only_where_there_is_a_prompt",
        mends="T10",
    ),
    Claim(
        "inpainting",
        "What is pasted often does not fit; walking each move again mends the seam ({a:.2f} to {b:.2f}; the original's own {c:.2f}).",
        "tests/test_lesson_inpainting.py::test_often_it_does_not_fit_and_resampling_mends_the_seam",
        ("inpainting", EMOJI),
        lambda rows: {"a": rows[0]["seam"], "b": rows[-1]["seam"], "c": rows[0]["original"]},
        lambda f: f["a"] > f["b"] > f["c"],
    ),
    Claim("anagrams", "One picture is read both ways.", "tests/test_lesson_two_prompts.py::test_one_anagram_is_read_both_ways"),
    Claim(
        "hybrids",
        "One from afar, one from near.",
        "tests/test_lesson_two_prompts.py::test_one_hybrid_is_read_from_afar_and_from_near",
    ),
    Claim(
        "prompts",
        "Mixtures begin and end with their prompts.",
        "tests/test_lesson_two_prompts.py::test_a_mixture_begins_and_ends_with_its_prompts",
    ),
    Claim(
        "words",
        "Of all words the thing gets the most attention (t = {t}: {thing:.1%}; the style's name {style:.1%}; the padding {padding:.0%}).",
        "tests/test_lesson_words.py::test_the_thing_gets_the_most_attention_of_all_words",
        ("words_attention", EMOJI),
        _looked_at,
        lambda f: 0.5 > f["thing"] > f["style"] > 0,
    ),
    Claim(
        "words",
        "Without the thing it is another picture ({thing:.2f} off; another seed {seed:.2f}), without *in* much the same ({small:.2f}).",
        "tests/test_lesson_words.py::test_without_the_thing_another_picture_and_without_a_small_word_much_the_same",
        ("words", EMOJI),
        _changed,
        lambda f: f["thing"] > 2 * f["small"] > 0,
    ),
    Claim(
        "words",
        "Pairs of thing and style that it was never taught are read right in {never:.0%}, taught ones in {taught:.0%}.",
        "",
        ("words_held_out", EMOJI),
        lambda rows: {"never": rows[0]["read right"], "taught": rows[1]["read right"]},
        lambda f: 0.5 < f["never"] <= f["taught"] <= 1,
    ),
    Claim(
        "one_step",
        "The smallest squared error is the mean's.",
        "tests/test_one_step.py::test_no_blind_guess_is_nearer_than_the_mean",
    ),
    Claim(
        "out_of_its_depth",
        "Without noise it changes the digit all the same (MSE {a:.4f}); at sigma 2 its MSE is {b:.3f}.",
        "",
        ("out_of_its_depth", MNIST),
        lambda rows: {"a": rows[0]["cleaned mse"], "b": rows[-1]["cleaned mse"]},
        lambda f: 0 < f["a"] < f["b"],
    ),
    Claim(
        "time",
        "eps is hardest near t = 0 ({e0:.3f} at t = {t0}, {e1:.3f} at {t1}), the picture at the noisy end ({x0:.5f}, {x1:.3f}).",
        "",
        ("time", MNIST),
        _time,
        lambda f: f["e0"] > f["e1"] and f["x0"] < f["x1"],
        mends="T8",
    ),
    Claim(
        "time",
        "The network listens to t: the error is least where the t it is told is about the true one ({told0} for {true0}, {told1} for "
        "{true1}, {told2} for {true2}).",
        "",
        ("time_lie", MNIST),
        _lie,
        lambda f: all(abs(f[f"told{i}"] - f[f"true{i}"]) <= 30 for i in range(3)),
    ),
    Claim(
        "perfect",
        "At t = {t} the network errs on test digits as on training digits ({new:.4f}, {old:.4f}); the perfect denoiser less on the one "
        "({best:.4f}) and more on the other ({copies:.4f}).",
        "tests/test_lesson_perfect.py::test_what_the_plot_says",
        ("perfect", MNIST),
        _perfect,
        lambda f: f["best"] < f["old"] and f["new"] < f["copies"],
    ),
    Claim(
        "perfect",
        "A walk by the perfect denoiser ends in a training digit (at most {best:.0e} off); the network's samples are {network:.2f} from "
        "their nearest, test digits {real:.2f}.",
        "tests/test_lesson_perfect.py::test_who_copies",
        ("perfect_copies", MNIST),
        _copies,
        lambda f: f["best"] < 1e-4 and f["network"] > f["real"],
    ),
    Claim(
        "class",
        "The right class helps most at high noise (t = {t}: {right:.4f} right, {hidden:.4f} hidden, {wrong:.4f} wrong).",
        "tests/test_walks_digits.py::test_being_told_the_class_does_most_and_guidance_the_rest",
        ("class_told", MNIST),
        _told,
        lambda f: f["right"] < f["hidden"] < f["wrong"],
    ),
    Claim(
        "unet",
        "A block is named with all its channels, also where some are drawn.",
        "tests/test_page_unet.py::test_a_block_of_which_some_channels_are_drawn_is_named_with_all",
        mends="T11",
    ),
    Claim(
        "unet",
        "The operations in a block are the course's.",
        "tests/test_inside.py::test_the_operations_in_a_block_are_the_courses",
    ),
    Claim(
        "train",
        "On the same digits Muon is below Adam (loss {muon:.3f} against {adam:.3f} at step {step}).",
        "tests/test_mnist.py::test_what_the_race_says_is_so",
        ("race", MNIST),
        lambda rows: rows[-1],
        lambda f: f["muon"] < f["adam"],
    ),
    Claim(
        "flow",
        "In three moves at guidance 5 it is fixed_large's noise that fails ({large:.0%} read right), not diffusion: fixed_small {small:.0%}, "
        "DDIM {ddim:.0%}, flow {flow:.0%}.",
        "tests/test_walks_digits.py::test_few_moves_fail_by_the_noise_put_back_and_not_by_the_network",
        ("flow", MNIST),
        _flow,
        lambda f: f["large"] < min(f["small"], f["ddim"], f["flow"]) - 0.2,
        mends="T2",
    ),
    Claim(
        "solvers",
        "At nine calls DPM-Solver++(2M) is nearest to where the equation leads ({dpm:.3f}), then Heun ({heun:.3f}), then DDIM ({ddim:.3f}).",
        "tests/test_lesson_solvers.py::test_at_equal_calls_dpm_solver_is_nearest_then_heun_then_ddim",
        ("solvers_error", MNIST),
        _solvers,
        lambda f: f["dpm"] < f["heun"] < f["ddim"],
    ),
    Claim(
        "solvers",
        "There and back, a digit comes back {off0:.3f} off with {n0} steps each way, {off1:.3f} with {n1}; told another digit {other:.3f}, for "
        "the noise found is like the digit (correlation {like:.2f}).",
        "tests/test_lesson_solvers.py::test_the_noise_found_holds_the_digit_whatever_the_walk_is_told",
        ("solvers_inversion", MNIST),
        _inversion,
        lambda f: f["off1"] < f["off0"] and f["other"] < 0.15 and f["like"] > 0.7,
    ),
    Claim("solvers", "DDIM is Euler's method.", "tests/test_solvers.py::test_ddim_is_eulers_method"),
    Claim(
        "bugs",
        "Every symptom is what the kept pictures show.",
        "tests/test_bugs.py::test_the_symptom_is_what_the_kept_pictures_show",
        mends="T3",
    ),
    Claim("check", "Right code is right.", "tests/test_check.py::test_right_code_is_right"),
    Claim("check", "A mistake is named.", "tests/test_check.py::test_a_mistake_is_named"),
    Claim(
        "hand_in",
        "What is asked differs between the years as the course does.",
        "tests/test_hand_in.py::test_the_years_differ_as_the_course_does",
    ),
)
EVERYWHERE = (
    Claim(
        "",
        "The microscope says clipped where the channel in view was.",
        "tests/test_microscope.py::test_it_says_clipped_where_the_channel_in_view_was",
        mends="T4",
    ),
    Claim(
        "",
        "At eta 0 the move is DDIM's, and nothing is left over.",
        "tests/test_microscope.py::test_at_eta_0_the_line_is_ddims_and_nothing_is_left",
        mends="T5",
    ),
    Claim(
        "",
        "The judge of digits is unsure of noise.",
        "tests/test_judges.py::test_the_judge_of_digits_reads_digits_and_nothing_in_noise",
        mends="T12",
    ),
)


def said(claim: Claim) -> str:
    """The claim's sentence with its figures as they are kept. Raises LookupError for a measure that is not kept."""
    if claim.measure is None:
        return claim.says
    return claim.says.format(**claim.figures(_report(claim)["rows"]))


def _report(claim: Claim) -> dict:
    report = kept.measure(*claim.measure)
    if report is None:
        raise LookupError(f"no measure {claim.measure} is kept")
    return report


def page() -> str:
    """docs/claims.md, as it has to be."""
    out = [
        "# What the lessons claim, and what it rests on",
        "",
        "Written by `python -m lessons_lib.lessons.claims`; the figures are those of the kept measures, and `tests/test_claims.py` holds "
        "every sentence against them. T1 to T12 are errors that were found in November 2026 and are held by what stands beside them.",
        "",
    ]
    for slug in dict.fromkeys(c.slug for c in CLAIMS):
        out += [f"## {lesson(slug).title}", "", *(_line(c) for c in CLAIMS if c.slug == slug), ""]
    out += ["## On every page", "", *map(_line, EVERYWHERE), ""]
    return "\n".join(out)


def _line(claim: Claim) -> str:
    says, rests = said(claim), [f"`{claim.test}`"] if claim.test else []
    if claim.measure is not None:
        report = _report(claim)
        rests.append(f"`{kept.measure_path(*claim.measure).relative_to(ROOT).as_posix()}`: `{report['command']}`")
    return f"- {says}{f' ({claim.mends})' if claim.mends else ''}  \n  {'; '.join(rests)}"


def main() -> None:
    """Write docs/claims.md."""
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_text(page(), encoding="utf-8")
    print(PATH.relative_to(ROOT))


if __name__ == "__main__":
    main()
