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
        lesson.slug, "Which has the smallest mean squared error at high noise?", ["blur", "one step", "iterative"],
        "Usually one step: it paints the average of all pictures that could be hidden there, and MSE likes averages. "
        "Iterative denoising decides for one of them and is sharp. So look at MSE, at sharpness, and at the picture.",
    )  # fmt: skip

    name = st.session_state["model"]
    with meanwhile(lesson.slug, name):
        import torch

        from lessons_lib import metrics
        from lessons_lib.images import from_uint8, lowpass, to_uint8
        from lessons_lib.lessons import measures
        from lessons_lib.lessons.walks import denoise_from
        from lessons_lib.models.opening import open_model
        from lessons_lib.samplers import sample
        from lessons_lib.ui.sources import pick_picture

        model = open_model(name)
    warm(name)
    left, right = st.columns([1, 3], gap="large")
    with left:
        x0, picture = pick_picture(lesson.slug, model.shape)
        strides = (5, 10, 15, 30) if model.schedule.T < 1000 else (10, 20, 30, 60)
        stride = controls.select_slider(lesson.slug, f"stride_{name}", strides, model.stride, label="stride")
        timesteps = model.schedule.timesteps(stride)
        fraction = controls.slider(lesson.slug, "t_fraction", 0.1, 0.95, 0.69, 0.01, help="how far along the noising: t / T")
        i_start = min(range(len(timesteps) - 1), key=lambda i: abs(timesteps[i] - fraction * model.schedule.T))
        t = timesteps[i_start]
        st.caption(f"t = {t} of {model.schedule.T}, i_start = {i_start} of {len(timesteps)}")
        kernel, suits = measures.blur_for(fraction, model.shape[1])
        sigma = controls.slider(lesson.slug, "sigma", 0.0, 5.0, round(suits, 1), 0.1, help="of the Gaussian blur, in pixels")
        seed = controls.seed()
    eps = torch.randn(x0.shape, generator=torch.Generator().manual_seed(seed))
    xt = model.schedule.add_noise(x0, t, eps)
    about = {"model": model.title, "picture": picture, "t": t, "stride": stride, "seed": seed}
    with right:
        film = play(lesson.slug, name, about, lambda: denoise_from(model, xt, timesteps[i_start:], seed=seed), x0=x0)
        if film is not None and film.x0 is not None:
            clean, noisy = torch.from_numpy(film.x0)[None], torch.from_numpy(film.numbers[0][0])[None]
            blurred = lowpass(noisy, 2 * round(3 * sigma) + 1, sigma).clamp(-1, 1)
            one, many = from_uint8(film.x0_hat[0]), film.final_tensor()
            made = {"original": clean, "noisy": noisy, f"blur, sigma {sigma:g}": blurred, "one step": one, "iterative": many}
            pictures.in_a_row(
                to_uint8(torch.cat(list(made.values()))).numpy(), list(made), pictures.describe(film.about), wide=100
            )
            st.table(
                {
                    "": list(made)[1:],
                    "MSE (lower is nearer)": [
                        f"{metrics.mse(x.clamp(-1, 1), clean).item():.4f}" for x in list(made.values())[1:]
                    ],
                    "PSNR, dB": [f"{metrics.psnr(x.clamp(-1, 1), clean).item():.1f}" for x in list(made.values())[1:]],
                    "SSIM": [f"{metrics.ssim(x.clamp(-1, 1), clean).item():.3f}" for x in list(made.values())[1:]],
                    f"sharpness (original {metrics.sharpness(clean).item():.3f})": [
                        f"{metrics.sharpness(x.clamp(-1, 1)).item():.3f}" for x in list(made.values())[1:]
                    ],
                }
            )
    if film is not None:
        page.section("Every step of the walk")
        filmstrip(film, f"{lesson.slug}_strip", alt=pictures.describe(film.about), wide=330)
        pictures.downloads(film, f"denoise-{name}-{seed}")
        page.section("One step, one pixel")
        microscope(film, model.schedule, f"{lesson.slug}_scope")

    page.section("Over all noise levels")
    measure = st.segmented_control("plot", ["mse", "psnr", "ssim", "sharpness"], default="mse", required=True, key="denoise_plot")

    def draw(rows: list[dict], key: str) -> None:
        lines = {m: ([r["t"] for r in rows], [r[f"{m} {measure}"] for r in rows]) for m in ("blur", "one step", "iterative")}
        if measure == "sharpness":
            lines["the originals"] = ([r["t"] for r in rows], [r["sharpness of the originals"] for r in rows])
        plots.line_plot(lines, "t", measure, f"{key}_{measure}", mark=t, mark_label=f"t = {t}", markers=True)

    plots.measured("denoise", name, lambda: measures.denoise(model, num_images=8, points=6), draw, minutes="about ten seconds")
    st.caption(
        "MSE rewards the blurry average, sharpness rewards edges, right or wrong. Neither is the truth; together they show the "
        "trade that iterative denoising makes."
    )
    page.show_source(denoise_from, sample)
    page.things_to_try(
        lesson,
        [
            ("Little noise: does blur have a chance?", {"t_fraction": 0.2, "sigma": 0.6}),
            ("Nearly pure noise: what do one step and the walk invent?", {"t_fraction": 0.93}),
            ("A coarse walk of few moves", {f"stride_{name}": strides[-1]}),
        ],
    )
