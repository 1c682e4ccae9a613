"""Three ways to denoise: blur, one step and the walk of one noisy picture; the three at the course's t; all noise levels."""

from lessons_lib.ui import controls, page, pictures, plots, stage
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play, row_key, warm

with page.lesson_page("denoise", models=None) as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "One noisy picture, three ways out. **Gaussian blur** averages the noise away, and the edges with it. A network can estimate all the noise "
        "and remove it **in one step**; or remove a little, look again, and so on: **iterative denoising**, as every diffusion model does."
    ):
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

        from lessons_lib.files import kept
        from lessons_lib.lessons import denoise
        from lessons_lib.lessons._common import Opening, made_so, prompt_of
        from lessons_lib.maths import metrics
        from lessons_lib.maths.images import from_uint8, to_uint8
        from lessons_lib.maths.samplers import sample
        from lessons_lib.models.opening import open_model
        from lessons_lib.ui.originals import pick_picture
        from lessons_lib.ui.pictures import live_noise

        model = open_model(name)
    warm(name)
    settings, picture = stage.columns()
    strides = sorted({*((5, 10, 15, 30) if model.schedule.T < 1000 else (10, 20, 30, 60)), model.stride})
    with settings, stage.live("live: all but the walk follows"):
        fraction = controls.slider(lesson.slug, "t_fraction", 0.1, 0.95, 0.69, 0.01, help="how far along the noising: t / T")
        sigma = controls.slider(
            lesson.slug, "sigma", 0.0, 6.0, 2.1, 0.1, label="width of the blur: sigma", help="of the Gaussian, in pixels"
        )
        said = st.empty()
        x0, named = pick_picture(lesson.slug, model.shape, kinds=[*model.picture_kinds, "upload"])
    with settings, stage.needs_run():
        told = prompt_of(model, named)
        with_prompt = bool(told) and controls.toggle(
            lesson.slug, "with_prompt", True, help="tell the network what the picture shows; there is no guidance yet"
        )
        stride = controls.select_slider(lesson.slug, f"stride_{name}", strides, model.stride, argument="stride")
        asked = {"picture": named, "prompt": told if with_prompt else "", "seed": controls.seed()}
    t = denoise.nearest(model, fraction, stride)
    about = denoise.about(model, **asked, t=t, stride=stride)
    xt = denoise.noisy(model, about, x0)
    best = denoise.best_sigma(model.schedule, xt, t, x0)
    said.caption(f"t = {t} of {model.schedule.T}. The blur nearest to this original has sigma {best:g}.")

    def same(film):
        return film is not None and len(film) > 0 and made_so(film, about, x0)

    with picture:
        before = st.session_state.get(f"{lesson.slug}_film_{name}") or kept.film_or_none(lesson.slug, name)
        one = from_uint8(torch.from_numpy(before.x0_hat[0])) if same(before) else denoise.one_step(model, about, x0)
        made = {
            "original": x0,
            f"noisy, t = {t}": xt,
            f"blur, sigma {sigma:g}": denoise.blurred(model.schedule, xt, t, sigma),
            "one step": one,
        }
        wide, alt = 4 * model.shape[2], pictures.describe(about)
        four, fractions = f"{lesson.slug}_four", [i / 100 for i in range(10, 96)]
        pictures.in_a_row(to_uint8(torch.cat(list(made.values()))).numpy(), list(made), alt, wide=wide, key=four)
        live_noise(
            x0,
            denoise.noise_of(about, x0),
            model.schedule,
            slider=controls.key_of(lesson.slug, "t_fraction"),
            row=four,
            index=1,
            caption="noisy, t = {t}",
            key=f"{lesson.slug}_live",
            ts=[denoise.nearest(model, f, stride) for f in fractions],
            low=fractions[0],
            step=0.01,
            numbers=False,
            blur={"slider": controls.key_of(lesson.slug, "sigma"), "index": 2, "caption": "blur, sigma {sigma}"},
        )

        def walk():
            return denoise.walk(model, about, x0)

        def finals(film):
            return ["iterative" if same(film) else "iterative: press Run"]

        how = {"captions": lambda made: ["iterative"], "finals": finals, "stream_wide": wide}
        film = play(lesson.slug, name, about, walk, x0=x0, **how)
        if film is not None:
            strip, scope, row = f"{lesson.slug}_strip", f"{lesson.slug}_scope", row_key(lesson.slug, name)
            filmstrip(film, strip, scope=scope, alt=pictures.describe(film.about), row=row)
    tabs = stage.below(
        lesson.slug, "Things to try", "Measured", "Three noise levels", "One pixel", "Over all noise levels", "Save", "Code"
    )
    with tabs["Measured"]:
        if same(film):
            made["iterative"] = film.final_tensor()
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
        page.caption(
            "MSE is of pictures in [-1, 1]. The blur is of the noisy picture divided by √alpha_bar, which is as bright as the "
            "original. All but the walk follow the sliders at once."
        )
    with tabs["Three noise levels"]:
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
        page.caption(
            "The course's three timesteps, each noised anew from the original. Each blur is the best one for this picture."
        )
    with tabs["One pixel"]:
        if film is not None:
            microscope(film, model.schedule, f"{lesson.slug}_scope")
    with tabs["Over all noise levels"]:
        axes = {"mse": "MSE, pictures in [-1, 1]", "psnr": "PSNR, dB", "ssim": "SSIM", "sharpness": "sharpness"}
        measure = controls.choice(lesson.slug, "plot", list(axes))

        def draw(rows: list[dict], key: str) -> None:
            lines = {m: ([r["t"] for r in rows], [r[f"{m} {measure}"] for r in rows]) for m in ("blur", "one step", "iterative")}
            if measure == "sharpness":
                lines["the originals"] = ([r["t"] for r in rows], [r["sharpness of the originals"] for r in rows])
            plots.line_plot(lines, "t", axes[measure], f"{key}_{measure}", mark=t, mark_label=f"t = {t}", markers=True)

        plots.measured("denoise", name, lambda: denoise.measure(model, num_images=8, points=6), draw, minutes="about ten seconds")
        page.caption(
            "In MSE one step is the nearest at every noise level, and the walk pays for having decided. In sharpness the walk stays near "
            "the originals when the noise grows; one step loses more and more, and blur most. Neither figure is the truth; together "
            "they show the trade."
        )
    with tabs["Save"]:
        if film is not None:
            pictures.downloads(film, f"denoise-{name}-{asked['seed']}")
    with tabs["Code"]:
        page.show_source(denoise.walk, sample, denoise.blurred, titled=False)
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("Little noise: does blur have a chance?", {"t_fraction": 0.2, "sigma": 0.7}),
                ("Nearly pure noise: what do one step and the walk invent?", {"t_fraction": 0.93, "sigma": 4.0}),
                ("Without the prompt: one step grows paler, and the walk goes astray", {"with_prompt": False}),
                ("A coarse walk of few moves", {"stride": strides[-1]}),
            ],
            titled=False,
        )
