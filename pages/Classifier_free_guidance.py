"""Classifier-free guidance: one noise at several scales, five pictures at one, the two answers and their difference."""

from lessons_lib.ui import controls, page, pictures, plots
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play, warm

with page.lesson_page("guidance", models=None) as lesson:
    import streamlit as st

    page.idea(
        "A network can be asked for the noise twice: once with your prompt, once without. **Guidance** starts at the second "
        "answer, walks towards the first, and does not stop there. A larger `guidance_scale` makes the picture obey, and costs "
        "variety."
    )
    page.question(
        lesson.slug, "You raise guidance_scale from 3 to 15. What happens?",
        ["ever better pictures", "more alike and overdone", "nothing"],
        "Below, one noise is walked at six scales at once, and further down the judge counts what each scale gains and loses.",
    )  # fmt: skip

    name = st.session_state["model"]
    with meanwhile(lesson.slug, name, columns=3):
        import numpy as np
        import torch

        from lessons_lib.denoisers import ask, guided
        from lessons_lib.images import eps_picture, to_uint8
        from lessons_lib.lessons import guidance
        from lessons_lib.lessons._common import from_noise
        from lessons_lib.models.opening import open_model

        model = open_model(name)
    warm(name)
    wide = model.shape[2] * max(1, 168 // model.shape[2])  # a whole number of screen pixels for each of the picture's
    left, right = st.columns([1, 3], gap="large")
    with left:
        prompt = controls.prompt(lesson.slug, model)
        pictures.unknown_words_hint(model, prompt)
        seed = controls.seed()
        clip_x0 = controls.toggle(lesson.slug, "clip_x0", True, help="keep x0_hat in [-1, 1] at every move")
    same = {"prompt": prompt, "seed": seed, "clip_x0": clip_x0}
    with right:
        about = guidance.about(model, **same)

        def captions(about):
            return [f"scale {s:g}" for s in guidance.SCALES]

        film = play(lesson.slug, name, about, lambda: guidance.walk(model, about), captions=captions, stream_wide=wide)
        st.caption(
            "One noise, six scales: only `guidance_scale` differs. 0 is unconditional, 1 conditional, above 1 guided."
            + (" Beside each scale, what the judge reads in the picture, and how surely." if model.judge else "")
        )
    if film is not None:
        page.section("Every step")
        filmstrip(film, f"{lesson.slug}_strip", alt=pictures.describe(film.about), columns=3, wide=420)
        pictures.downloads(film, f"guidance-{name}-{seed}", columns=3)

    page.section("Five pictures at one scale")
    left, right = st.columns([1, 3], gap="large")
    with left:
        gamma = controls.slider(lesson.slug, "guidance_scale", 0.0, 15.0, 7.0, 0.5, help="gamma in the equation; 7 in the course")
    with right:
        about_five = guidance.about_five(model, **same, guidance_scale=gamma)
        five = play(
            lesson.slug,
            name,
            about_five,
            lambda: guidance.walk_five(model, about_five),
            name="five",
            opening="guidance_five",
            captions=lambda about: [f"seed {about['seed'] + i}" for i in range(5)],
            stream_wide=3 * model.shape[2],
        )
    if five is not None:
        st.caption("The first of them on its way from noise to picture:")
        stills = range(len(five)) if five.kept else range(0, len(five), 5)
        way = [*(five.xt[i][0] for i in stills), five.final[0]]
        ts = [*(f"t = {five.t[i]}" for i in stills), "clean" if five.finished else f"t = {five.t_prev[-1]}"]
        pictures.in_a_row(np.stack(way), ts, pictures.describe(five.about), wide=3 * model.shape[2])

    page.section("Two answers and their difference")
    page.equation(r"\epsilon=\epsilon_{\text{uncond}}+\gamma\,(\epsilon_{\text{cond}}-\epsilon_{\text{uncond}})")
    st.caption("gamma is guidance_scale. Some write (1 + w) eps_cond - w eps_uncond: w = gamma - 1 (Ho & Salimans 2022, eq. 6).")
    if five is not None:
        fraction = controls.slider(lesson.slug, "t_fraction", 0.0, 1.0, 0.7, 0.01, help="where on the walk above: t / T")
        i = min(range(len(five)), key=lambda i: abs(five.t[i] - fraction * model.schedule.T))
        t, asked = five.t[i], five.about["prompt"]
        xt = torch.from_numpy(five.numbers[i][0])[None]
        cond, uncond = ask([model.denoiser(asked), model.denoiser("")], [xt, xt], t)
        combined = guided(lambda xt, t: cond, lambda xt, t: uncond, gamma)(xt, t)
        answers = {
            f"x_t at t = {t}": xt,
            "eps_uncond": eps_picture(uncond.eps),
            "eps_cond": eps_picture(cond.eps),
            "difference, 4 times": eps_picture(4 * (cond.eps - uncond.eps)),
            f"eps at {gamma:g}": eps_picture(combined.eps),
            f"x0_hat at {gamma:g}": model.schedule.predict_x0(xt, t, combined.eps).clamp(-1, 1),
        }
        pictures.in_a_row(
            to_uint8(torch.cat(list(answers.values()))).numpy(), list(answers), f"prompt {asked}, t = {t}", wide=wide
        )
        distance = (cond.eps - uncond.eps).pow(2).mean().sqrt().item()
        st.caption(
            f"live: the network was just asked, for the first of the five. Grey is zero. At t = {t} the two answers differ by "
            f"{distance:.3f} (RMS; the noise itself has 1), and guidance multiplies that by {gamma:g}."
        )
        page.section("One step, one pixel")
        microscope(five, model.schedule, f"{lesson.slug}_scope")

    if model.judge is not None:
        page.section("What it gains, what it costs")

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
                lines = {"diversity": (xs, [r["diversity"] for r in rows])}
                plots.line_plot(lines, "guidance_scale", "diversity (RMS between pictures)", f"{key}_b", **chosen)

        plots.measured("guidance", name, lambda: guidance.measure(model, num_images=20), draw, minutes="about a minute")
        st.caption(
            "Left: the judge, a classifier that never saw a generated picture, reads what was drawn. Right: how far apart "
            "pictures of one prompt are. Guidance buys the first with the second."
        )
    page.show_source(guided, guidance.over_scales, from_noise)
    page.things_to_try(
        lesson,
        [
            ("Without clipping, watch it burn", {"clip_x0": False, "guidance_scale": 15.0}),
            ("When do the two answers differ most?", {"t_fraction": 0.2}),
            ("Guidance 0: does the prompt still matter?", {"guidance_scale": 0.0}),
        ],
    )
