from lessons_lib.ui import controls, page, parts
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import play, warm

with page.lesson_page("guidance", models=None) as lesson:
    import streamlit as st
    import torch

    from lessons_lib import measures
    from lessons_lib.denoisers import ask, guided
    from lessons_lib.images import eps_picture, from_uint8, to_uint8
    from lessons_lib.measures import GUIDANCE_SCALES
    from lessons_lib.models import open_model
    from lessons_lib.ui.measure import measured
    from lessons_lib.walks import from_noise, over_guidance_scales

    page.idea(
        "A network can be asked for the noise twice: once with your prompt, once without. **Guidance** starts at the second "
        "answer, walks towards the first, and does not stop there. A larger `guidance_scale` makes the picture obey, and costs "
        "variety."
    )
    page.question(
        lesson.slug, "You raise guidance_scale from 3 to 15. What happens?",
        ["ever better pictures", "more alike and overdone", "nothing"],
        "Below, one noise is walked at eight scales at once, and further down the judge counts what each scale gains and loses.",
    )  # fmt: skip

    name = st.session_state["model"]
    warm(name)
    model = open_model(name)
    left, right = st.columns([1, 3], gap="large")
    with left:
        prompt = controls.prompt(lesson.slug, model)
        seed = controls.seed()
        clip_x0 = controls.toggle(lesson.slug, "clip_x0", True, help="keep x0_hat in [-1, 1] at every move")
    about = {"model": model.title, "prompt": prompt, "seed": seed, "clip_x0": clip_x0}
    with right:

        def walk():
            return over_guidance_scales(model, prompt, GUIDANCE_SCALES, seed=seed, clip_x0=clip_x0)

        film = play(lesson.slug, name, about, walk, columns=4)
        if film is not None and len(film.final) == len(GUIDANCE_SCALES):
            reading = parts.readings(model, from_uint8(torch.from_numpy(film.final)))
            captions = [f"scale {s:g}{r}" for s, r in zip(GUIDANCE_SCALES, reading, strict=True)]
            parts.pictures_in_a_row(film.final, captions, parts.describe(film.about), wide=128)
            st.caption(
                "One noise, eight scales. 0 is unconditional, 1 conditional, above 1 guided. Below each: what the judge reads."
            )
    if film is not None:
        page.section("Every step")
        filmstrip(film, f"{lesson.slug}_strip", alt=parts.describe(film.about), columns=4, wide=560)
        parts.downloads(film, f"guidance-{name}-{seed}", columns=4)

    page.section("Two answers and their difference")
    page.equation(r"\epsilon=\epsilon_{\text{uncond}}+\gamma\,(\epsilon_{\text{cond}}-\epsilon_{\text{uncond}})")
    st.caption(
        "gamma is guidance_scale. The paper writes (1 + w) eps_cond - w eps_uncond: w = gamma - 1 (Ho & Salimans 2022, eq. 6)."
    )
    if film is not None:
        one, two = st.columns(2)
        with one:
            i = len(film) // 2
            if len(film) > 1:
                i = controls.slider(lesson.slug, "step", 1, 33, 6, 1, help="of the walk above") - 1
            i = min(i, len(film) - 1)
        with two:
            gamma = controls.slider(lesson.slug, "guidance_scale", 0.0, 15.0, 7.0, 0.5)
        t = film.t[i]
        xt = torch.from_numpy(film.numbers[i][0])[None]
        cond, uncond = ask([model.denoiser(prompt), model.denoiser("")], [xt, xt], t)
        combined = guided(model.denoiser(prompt), model.denoiser(""), gamma)(xt, t)
        answers = {
            f"x_t at t = {t}": xt,
            "eps_uncond": eps_picture(uncond.eps),
            "eps_cond": eps_picture(cond.eps),
            "difference, 4 times": eps_picture(4 * (cond.eps - uncond.eps)),
            f"eps at {gamma:g}": eps_picture(combined.eps),
            f"x0_hat at {gamma:g}": model.schedule.predict_x0(xt, t, combined.eps).clamp(-1, 1),
        }
        parts.pictures_in_a_row(
            to_uint8(torch.cat(list(answers.values()))).numpy(), list(answers), f"{prompt}, step {i + 1}", wide=128
        )
        st.caption("live: the network was just asked, for the first picture of the strip above. Grey is zero.")
        page.section("One step, one pixel")
        parts.microscope(film, model.schedule, f"{lesson.slug}_scope")

    if model.judge is not None:
        page.section("What it gains, what it costs")

        def draw(rows: list[dict], key: str) -> None:
            xs = [r["guidance_scale"] for r in rows]
            left, right = st.columns(2)
            with left:
                lines = {
                    "read right at once": (xs, [r["accuracy"] for r in rows]),
                    "in the first five": (xs, [r["top5"] for r in rows]),
                }
                parts.line_plot(lines, "guidance_scale", "share the judge reads as asked", f"{key}_a", markers=True)
            with right:
                lines = {"diversity": (xs, [r["diversity"] for r in rows])}
                parts.line_plot(lines, "guidance_scale", "diversity (RMS between pictures)", f"{key}_b", markers=True)

        measured("guidance", name, lambda: measures.guidance(model, num_images=20), draw, minutes="about a minute")
    page.show_source(guided, over_guidance_scales, from_noise)
    page.things_to_try(
        lesson,
        [
            ("Without clipping, watch it burn", {"clip_x0": False}),
            ("Early or late: at which step do the two answers differ most?", {"step": 2, "guidance_scale": 15.0}),
            ("Guidance 0: does the prompt still matter?", {"guidance_scale": 0.0}),
        ],
    )
