"""Classifier-free guidance: one noise at several scales, five pictures at one, the two answers and their difference."""

from lessons_lib.ui import controls, page, pictures, plots, stage
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play, row_key, warm

with page.lesson_page("guidance", models=None) as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "A network can be asked for the noise twice: once with your prompt, once without. **Guidance** starts at the second "
        "answer, walks towards the first, and does not stop there. A little makes the pictures of a prompt more alike; too much "
        "burns them."
    ):
        page.question(
            lesson.slug,
            "You raise guidance_scale from 3 to 15. What happens?",
            ["ever better pictures", "overdone pictures that obey less", "nothing"],
            "Up to 3 or 5 the pictures of a prompt grow more alike; beyond, they burn out: contrast and clutter grow, and of the "
            "text-to-image model's the judge reads fewer as asked. Here one noise is walked at six scales at once.",
            right="overdone pictures that obey less",
        )

    name = st.session_state["model"]
    with meanwhile(lesson.slug, name, columns=3):
        import numpy as np
        import torch

        from lessons_lib.files import kept
        from lessons_lib.lessons import guidance
        from lessons_lib.maths import metrics
        from lessons_lib.maths.denoisers import ask, guided, within
        from lessons_lib.maths.images import eps_picture, to_uint8
        from lessons_lib.models.opening import open_model

        model = open_model(name)
    warm(name)
    settings, picture = stage.columns()
    with settings, stage.needs_run():
        prompt = controls.prompt(lesson.slug, model)
        pictures.unknown_words_hint(model, prompt)
        clip_x0 = controls.toggle(lesson.slug, "clip_x0", True, help="keep x0_hat in [-1, 1] at every move")
        seed = controls.seed()
    with settings:
        page.caption(
            "One noise, six scales: only `guidance_scale` differs. 0 is unconditional, 1 conditional, above 1 guided."
            + (f" {pictures.JUDGE}" if model.judge else "")
        )
    same = {"prompt": prompt, "seed": seed, "clip_x0": clip_x0}
    about = guidance.about(model, **same)

    def captions(about):
        return [f"scale {s:g}" for s in guidance.SCALES]

    with picture:
        wide = 4 * model.shape[2]  # three by two, and the strip, on one screen
        film = play(lesson.slug, name, about, lambda: guidance.walk(model, about), captions=captions, stream_wide=wide)
        if film is not None:
            strip, alt = f"{lesson.slug}_strip", pictures.describe(film.about)
            filmstrip(film, strip, alt=alt, columns=3, row=row_key(lesson.slug, name))
    tabs = stage.below(
        lesson.slug,
        "Things to try",
        "Five pictures",
        "Two answers",
        "One pixel",
        model.judge and "What it gains, what it costs",
        "Save",
        "Code",
        walks={"five": "Five pictures"},
    )
    with tabs["Five pictures"]:
        left, right = st.columns([1, 3], gap="large")
        with left:
            gamma = controls.slider(
                lesson.slug, "guidance_scale", 0.0, 15.0, 7.0, 0.5, help="gamma in the equation; 7 in the course"
            )
            last = model.schedule.T - 1
            between = {
                "guide_from": controls.slider(lesson.slug, "guide_from", 0, last, last, 10, help="guidance is on below this t"),
                "guide_to": controls.slider(lesson.slug, "guide_to", 0, last, 0, 10, help="guidance is on above this t"),
            }
            page.caption("Guidance in an interval of timesteps only, as Kynkäänniemi et al. 2024 have it; elsewhere gamma is 1.")
        with right:
            about_five = guidance.about_five(model, **same, guidance_scale=gamma, **between)
            five = play(
                lesson.slug,
                name,
                about_five,
                lambda: guidance.walk_five(model, about_five),
                name="five",
                shortcuts=False,
                opening="guidance_five",
                captions=lambda about: [f"seed {about['seed'] + i}" for i in range(5)],
                stream_wide=3 * model.shape[2],
            )
        if five is not None:
            page.caption("The first of them on its way from noise to picture:")
            stills = range(len(five)) if five.kept else range(0, len(five), 5)
            way = [*(five.xt[i][0] for i in stills), five.final[0]]
            ts = [*(f"t = {five.t[i]}" for i in stills), "clean" if five.finished else f"t = {five.t_prev[-1]}"]
            pictures.in_a_row(np.stack(way), ts, pictures.describe(five.about), wide=3 * model.shape[2])

    with tabs["Two answers"]:
        page.equation(r"\epsilon=\epsilon_{\text{uncond}}+\gamma\,(\epsilon_{\text{cond}}-\epsilon_{\text{uncond}})")
        if page.solutions():
            page.caption(
                "gamma is guidance_scale. Some write (1 + w) eps_cond - w eps_uncond: w = gamma - 1 (Ho & Salimans 2022, eq. 6)."
            )
        if five is not None:
            fraction = controls.slider(lesson.slug, "t_fraction", 0.0, 1.0, 0.7, 0.01, help="where on the walk above: t / T")
            i = min(range(len(five)), key=lambda i: abs(five.t[i] - fraction * model.schedule.T))
            t, asked = five.t[i], five.about["prompt"]
            xt = torch.from_numpy(five.numbers[i][0])[None]
            cond, uncond = ask([model.denoiser(asked), model.denoiser("")], [xt, xt], t)
            combined = guided(lambda xt, t: cond, lambda xt, t: uncond, gamma)(xt, t)
            clean = [model.schedule.predict_x0(xt, t, answer.eps).clamp(-1, 1) for answer in (uncond, cond, combined)]
            answers = {
                f"x_t at t = {t}": xt,
                "eps_uncond": eps_picture(uncond.eps),
                "eps_cond": eps_picture(cond.eps),
                "difference, 10 times": eps_picture(10 * (cond.eps - uncond.eps)),
                "x0_hat without the prompt": clean[0],
                "x0_hat with it": clean[1],
                f"x0_hat at {gamma:g}": clean[2],
            }
            shown = to_uint8(torch.cat(list(answers.values()))).numpy()
            pictures.in_a_row(shown, list(answers), f"prompt {asked}, t = {t}", wide=4 * model.shape[2])
            distance = (cond.eps - uncond.eps).pow(2).mean().sqrt().item()
            apart = metrics.mse(clean[0], clean[1]).sqrt().item()
            page.caption(
                f"live: the network was just asked, for the first of the five. Grey is zero noise. At t = {t} the two answers differ by "
                f"{distance:.3f} in the noise (RMS; the noise itself has 1), which is {apart:.3f} in the picture it implies: the same "
                "difference, times √((1 - alpha_bar) / alpha_bar), and clipped."
            )
            differ = kept.measure("guidance_answers", name)
            if differ is not None:
                late, early = (max(differ["rows"], key=lambda r: r[k])["t"] for k in ("eps", "x0_hat"))
                ts = [row["t"] for row in differ["rows"]]
                lines = {k: (ts, [row[k] for row in differ["rows"]]) for k in ("eps", "x0_hat")}
                axis = "RMS difference with and without the prompt"
                plots.line_plot(lines, "t", axis, "guidance_answers", mark=t, mark_label=f"t = {t}", height=260)
                page.caption(
                    f"In eps the two answers differ most at t = {late}, in x0_hat at t = {early}: near t = 0 a difference in eps hardly "
                    "moves the picture. What the prompt changes in x0_hat it changes early, at much noise. "
                    f"Kept from {differ['made']}: `{differ['command']}`"
                )
    with tabs["One pixel"]:
        if five is not None:
            page.caption("The first of the five pictures.")
            microscope(five, model.schedule, f"{lesson.slug}_scope")
    if model.judge is not None:
        with tabs["What it gains, what it costs"]:

            def draw(rows: list[dict], key: str) -> None:
                xs = [r["guidance_scale"] for r in rows]
                left, right = st.columns(2)
                chosen = {"mark": gamma, "mark_label": f"{gamma:g}", "markers": True}
                with left:
                    lines = {
                        "read right at once": (xs, [r["accuracy"] for r in rows]),
                        "in the first five": (xs, [r["top5"] for r in rows]),
                    }
                    plots.line_plot(lines, "guidance_scale", "share the judge reads as asked", f"{key}_a", **chosen)
                with right:
                    seen = ("diversity of shapes", "diversity of features", "sharpness")
                    plots.line_plot({k: (xs, [r[k] for r in rows]) for k in seen}, "guidance_scale", "mean", f"{key}_b", **chosen)

            plots.measured("guidance", name, lambda: guidance.measure(model, num_images=20), draw, minutes="about a minute")
            page.caption(
                "Left: the share that the judge reads as asked. Right: how far apart pictures of one prompt are, in their coarse shapes "
                "(RMS after a blur) and in what the judge sees in them; and how sharp they are. Up to 3 or 5, guidance makes the pictures of a "
                "prompt more alike; beyond, sharpness is clutter, and of the text-to-image model's pictures fewer are read as asked."
            )
    with tabs["Save"]:
        if film is not None:
            pictures.downloads(film, f"guidance-{name}-{seed}", columns=3)
    with tabs["Code"]:
        page.show_source(guided, within, guidance.over_scales, guidance.walk_five, titled=False)
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("No clipping of x0_hat: the high scales burn", {"clip_x0": False}),
                ("Near t = 0: how far apart are the two noises, how far the two pictures?", {"t_fraction": 0.05}, "five"),
                ("Guidance 0: does the prompt still matter?", {"guidance_scale": 0.0}, "five"),
                (
                    "Guidance 15 in the middle of the walk only: is it overdone?",
                    {"guidance_scale": 15.0, "guide_from": round(0.8 * last, -1), "guide_to": round(0.2 * last, -1)},
                    "five",
                ),
            ],
            titled=False,
        )
