"""Three ways to denoise: blur, one step and the walk of one noisy picture; the three at the course's t; all noise levels."""

from lessons_lib.ui import controls, page, pictures, plots
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play, warm

with page.lesson_page("denoise", models=None) as lesson:
    import streamlit as st

    page.idea(
        "One noisy picture, three ways out. **Gaussian blur** averages the noise away, and the edges with it. A network can "
        "estimate all the noise and remove it **in one step**; or remove a little, look again, and so on: **iterative "
        "denoising**, the walk that every diffusion model is made of."
    )
    page.question(
        lesson.slug,
        "Which has the smallest mean squared error at high noise?",
        ["blur", "one step", "iterative"],
        "One step paints the average of all pictures that could be hidden there, and MSE likes averages. Iterative denoising "
        "decides for one of them and is sharp. So look at MSE, at sharpness, and at the picture.",
        right="one step",
    )

    name = st.session_state["model"]
    with meanwhile(lesson.slug, name):
        import numpy as np
        import torch

        from lessons_lib import kept, metrics
        from lessons_lib.images import from_uint8, to_uint8
        from lessons_lib.lessons import denoise
        from lessons_lib.lessons._common import Opening, made_so, prompt_of
        from lessons_lib.models.opening import open_model
        from lessons_lib.samplers import sample
        from lessons_lib.ui.sources import pick_picture

        model = open_model(name)
    warm(name)
    left, right = st.columns([1, 3], gap="large")
    with left:
        x0, picture = pick_picture(lesson.slug, model.shape, kinds=[*model.picture_kinds, "upload"])
        strides = (5, 10, 15, 30) if model.schedule.T < 1000 else (10, 20, 30, 60)
        fraction = controls.slider(lesson.slug, "t_fraction", 0.1, 0.95, 0.69, 0.01, help="how far along the noising: t / T")
        stride = controls.select_slider(lesson.slug, f"stride_{name}", strides, model.stride, argument="stride")
        told = prompt_of(model, picture)
        with_prompt = bool(told) and controls.toggle(
            lesson.slug, "with_prompt", True, help="tell the network what the picture shows; there is no guidance yet"
        )
        asked = {"picture": picture, "prompt": told if with_prompt else "", "seed": controls.seed()}
        t = denoise.nearest(model, fraction, stride)
        about = denoise.about(model, **asked, t=t, stride=stride)
        xt = denoise.noisy(model, about, x0)
        best = denoise.best_sigma(model.schedule, xt, t, x0)
        sigma = controls.slider(
            lesson.slug, "sigma", 0.0, 6.0, 2.1, 0.1, label="width of the blur: sigma", help="of the Gaussian, in pixels"
        )
        st.caption(f"t = {t} of {model.schedule.T}. The blur nearest to this original has sigma {best:g}.")
    with right:
        film = play(lesson.slug, name, about, lambda: denoise.walk(model, about, x0), x0=x0)
        if film is not None:
            walked = made_so(film, about, x0)
            one = from_uint8(torch.from_numpy(film.x0_hat[0])) if walked else denoise.one_step(model, about, x0)
            made = {
                "original": x0,
                f"noisy, t = {t}": xt,
                f"blur, sigma {sigma:g}": denoise.blurred(model.schedule, xt, t, sigma),
                "one step": one,
            }
            if walked:
                made["iterative"] = film.final_tensor()
            shown = to_uint8(torch.cat(list(made.values()))).numpy()
            if len(made) < 5:
                shown = np.concatenate([shown, np.full_like(shown[:1], 128)])
            pictures.in_a_row(shown, [*made, "iterative: press Run"][:5], pictures.describe(about), wide=140)
            rows = {k: v.clamp(-1, 1) for k, v in list(made.items())[1:]}
            st.table(
                {
                    "way": list(rows),
                    "MSE (lower is nearer)": [f"{metrics.mse(x, x0).item():.3f}" for x in rows.values()],
                    "SSIM (1 is the same)": [f"{metrics.ssim(x, x0).item():.2f}" for x in rows.values()],
                    f"sharpness (original {metrics.sharpness(x0).item():.2f})": [
                        f"{metrics.sharpness(x).item():.2f}" for x in rows.values()
                    ],
                }
            )
            st.caption(
                "MSE is of pictures in [-1, 1]. The blur is of the noisy picture divided by √alpha_bar, which is as bright as the "
                "original. All but the walk follow the sliders at once."
            )
    if film is not None:
        page.section("The walk")
        filmstrip(film, f"{lesson.slug}_strip", scope=f"{lesson.slug}_scope", alt=pictures.describe(film.about), wide=330)
        pictures.downloads(film, f"denoise-{name}-{asked['seed']}")

    page.section("Three noise levels at once")
    about_three = denoise.about_three(model, **asked)
    three = st.session_state.get(f"{lesson.slug}_three_{name}") or kept.film_or_none("denoise_three", name)
    if three is None or not made_so(three, about_three, x0):
        opening = Opening("denoise_three", about_three, lambda: denoise.three(model, about_three, x0), x0=x0)
        three = st.session_state[f"{lesson.slug}_three_{name}"] = opening.filmed()
    for column, level, x0_hat in zip(st.columns(3), three.t, three.x0_hat, strict=True):
        noised = denoise.noisy(model, about_three, x0, level)
        best = denoise.best_sigma(model.schedule, noised, level, x0)
        row = to_uint8(torch.cat([noised, denoise.blurred(model.schedule, noised, level, best)])).numpy()
        with column:
            words = [f"t = {level}", f"blur, sigma {best:g}", "one step"]
            pictures.in_a_row(np.concatenate([row, x0_hat]), words, pictures.describe(about_three), wide=112)
    st.caption("The course's three timesteps, each noised anew from the original. Each blur is the best one for this picture.")

    if film is not None:
        page.section("One step, one pixel")
        microscope(film, model.schedule, f"{lesson.slug}_scope")

    page.section("Over all noise levels")
    axes = {"mse": "MSE, pictures in [-1, 1]", "psnr": "PSNR, dB", "ssim": "SSIM", "sharpness": "sharpness"}
    measure = controls.choice(lesson.slug, "plot", list(axes))

    def draw(rows: list[dict], key: str) -> None:
        lines = {m: ([r["t"] for r in rows], [r[f"{m} {measure}"] for r in rows]) for m in ("blur", "one step", "iterative")}
        if measure == "sharpness":
            lines["the originals"] = ([r["t"] for r in rows], [r["sharpness of the originals"] for r in rows])
        plots.line_plot(lines, "t", axes[measure], f"{key}_{measure}", mark=t, mark_label=f"t = {t}", markers=True)

    plots.measured("denoise", name, lambda: denoise.measure(model, num_images=8, points=6), draw, minutes="about ten seconds")
    st.caption(
        "In MSE one step is the nearest at every noise level, and the walk pays for having decided. In sharpness the walk stays near "
        "the originals when the noise grows; one step loses more and more, and blur most. Neither figure is the truth; together "
        "they show the trade."
    )
    page.show_source(denoise.walk, sample, denoise.blurred)
    page.things_to_try(
        lesson,
        [
            ("Little noise: does blur have a chance?", {"t_fraction": 0.2, "sigma": 0.7}),
            ("Nearly pure noise: what do one step and the walk invent?", {"t_fraction": 0.93, "sigma": 4.0}),
            ("Without the prompt: one step grows paler, and the walk goes astray", {"with_prompt": False}),
            ("A coarse walk of few moves", {"stride": strides[-1]}),
        ],
    )
