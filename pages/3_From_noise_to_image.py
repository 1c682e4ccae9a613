from lessons_lib.ui import controls, page, parts
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import play, warm

with page.lesson_page("sampling", models=None) as lesson:
    import streamlit as st
    import torch

    from lessons_lib import measures
    from lessons_lib.images import from_uint8
    from lessons_lib.models import open_model
    from lessons_lib.samplers import move, sample
    from lessons_lib.ui.measure import measured
    from lessons_lib.walks import from_noise, upscale

    page.idea(
        "Give the walk nothing but noise, and it still finds a picture: each move asks the network what could be hidden in the "
        "noise, and takes a small step towards it. The **seed** fixes the noise, so the same seed gives the same picture; "
        "**num_inference_steps** says how many moves the way is cut into."
    )
    page.question(
        lesson.slug, "50 steps instead of 20 from the same seed. What changes?",
        ["only the time", "details, at two and a half times the cost", "a wholly different picture"],
        "Time grows in proportion. The fresh noise on the way differs too, so the pictures are siblings, not twins; the measure "
        "below says whether the judge cares.",
    )  # fmt: skip

    name = st.session_state["model"]
    warm(name)
    model = open_model(name)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        prompt = controls.prompt(lesson.slug, model)
    parts.unknown_words_hint(model, prompt)
    one, two, three = st.columns(3)
    with one:
        guidance_scale = controls.slider(
            lesson.slug, "guidance_scale", 0.0, 15.0, model.guidance_scale, 0.5, help="1 is without guidance"
        )
    with two:
        num_images = controls.slider(lesson.slug, "num_images", 1, 8, 5, 1)
    with three:
        seed = controls.seed()
    films = {}
    for column, steps, opening in zip(st.columns(2, gap="large"), (20, 50), ("sampling", "sampling50"), strict=True):
        with column:
            st.markdown(f"**num_inference_steps = {steps}**")
            about = {
                "model": model.title, "prompt": prompt, "seed": seed, "guidance_scale": guidance_scale, "num_inference_steps": steps,
            }  # fmt: skip

            def walk(steps=steps):
                timesteps = model.schedule.spaced_timesteps(steps)
                return from_noise(
                    model, prompt, num_images=num_images, seed=seed, guidance_scale=guidance_scale, timesteps=timesteps
                )

            film = films[steps] = play(
                lesson.slug, name, about, walk, columns=3, name=f"film{steps}", opening=opening, shortcuts=steps == 20
            )
            if film is not None:
                readings = parts.readings(model, from_uint8(torch.from_numpy(film.final)))
                captions = [f"{i + 1}{r}" for i, r in enumerate(readings)]
                parts.pictures_in_a_row(film.final, captions, parts.describe(film.about), wide=128)
                filmstrip(film, f"sampling_strip_{steps}", columns=3, alt=parts.describe(film.about), wide=420)
                parts.downloads(film, f"sampling-{name}-{steps}-{seed}", columns=3)

    upscaler = model.upscaler()
    if upscaler is not None and films[20] is not None:
        page.section(f"Stage 2: from {model.shape[1]} to {upscaler.shape[1]} pixels")
        st.markdown(
            "The second network sees the small picture, enlarged and a little noised, beside its own noise. It walks the same way, "
            "and fills in what the small one had no room for."
        )
        noise_level = controls.slider(
            lesson.slug, "noise_level", 0, 499, 100, 1, help="timesteps of noise on the enlarged picture"
        )
        small = from_uint8(torch.from_numpy(films[20].final))
        about = {"model": model.title, "prompt": films[20].about["prompt"], "noise_level": noise_level, "seed": seed}
        large = play(lesson.slug, name, about, lambda: upscale(upscaler, small, about["prompt"], noise_level=noise_level, seed=seed),
                     columns=3, name="stage2", opening="stage2", shortcuts=False)  # fmt: skip
        if large is not None:
            parts.pictures_in_a_row(
                large.final, [str(i + 1) for i in range(len(large.final))], parts.describe(large.about), wide=192
            )
    elif model.shape[0] == 1:
        st.caption("Digits have one stage. The text-to-image models have a second one that makes the picture larger.")

    if films[20] is not None:
        page.section("One step, one pixel")
        parts.microscope(films[20], model.schedule, f"{lesson.slug}_scope")

    if model.judge is not None:
        page.section("What more steps buy")

        def draw(rows: list[dict], key: str) -> None:
            xs = [r["num_inference_steps"] for r in rows]
            left, right = st.columns(2)
            with left:
                lines = {
                    "read right at once": (xs, [r["accuracy"] for r in rows]),
                    "in the first five": (xs, [r["top5"] for r in rows]),
                }
                parts.line_plot(lines, "num_inference_steps", "share the judge reads as asked", f"{key}_a", markers=True)
            with right:
                lines = {"seconds": (xs, [r["seconds"] for r in rows])}
                parts.line_plot(lines, "num_inference_steps", "seconds a picture", f"{key}_b", markers=True)

        measured("sampling", name, lambda: measures.sampling(model, num_images=10), draw, minutes="about a minute")
    page.show_source(from_noise, sample, move)
    page.things_to_try(
        lesson,
        [
            ("Without guidance: five pictures of what the model dreams of", {"guidance_scale": 1.0}),
            ("Another seed", {"num_images": 8}),
        ],
    )
