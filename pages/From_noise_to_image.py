from lessons_lib.ui import controls, page, pictures, plots
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import Take, meanwhile, play, play_each, warm

with page.lesson_page("sampling", models=None) as lesson:
    import streamlit as st

    page.idea(
        "Give the walk nothing but noise, and it still finds a picture: each move asks the network what could be hidden in the "
        "noise, and takes a small step towards it. The **seed** fixes the noise, so the same seed gives the same picture; "
        "**num_inference_steps** says how many moves the way is cut into."
    )
    page.question(
        lesson.slug, "50 steps instead of 20 from the same seed. What changes?",
        ["only the time", "details, at two and a half times the cost", "a wholly different picture"],
        "The time, in proportion. The first noise decides most of the picture; how much the number of moves still changes, with "
        "fresh noise on each (eta = 1) and without (eta = 0), the measure below says in figures, and whether the judge cares.",
    )  # fmt: skip

    name = st.session_state["model"]
    with meanwhile(lesson.slug, name):
        from lessons_lib.lessons import measures
        from lessons_lib.lessons.walks import from_noise, upscale
        from lessons_lib.models.opening import open_model
        from lessons_lib.samplers import move, sample
        from lessons_lib.ui.typed import quoted

        model = open_model(name)
    warm(name)
    wide = model.shape[2] * max(1, 128 // model.shape[2])  # a whole number of screen pixels for each of the picture's
    one, two = st.columns(2, gap="large")
    with one:
        prompts = controls.prompts(lesson.slug, model)
        pictures.unknown_words_hint(model, " ".join(prompts))
        seed = controls.seed()
    with two:
        guidance_scale = controls.slider(
            lesson.slug, "guidance_scale", 0.0, 15.0, model.guidance_scale, 0.5, help="1 is without guidance"
        )
        eta = controls.slider(
            lesson.slug, "eta", 0.0, 1.0, 1.0, 0.1, help="fresh noise on every move: 1 is DDPM, 0 is DDIM, without any"
        )
    same = {"model": model.title, "seed": seed, "eta": eta}

    def in_steps(steps: int, opening: str) -> Take:
        def walk():
            return from_noise(
                model, prompts, num_images=len(prompts), seed=seed, guidance_scale=guidance_scale, eta=eta,
                timesteps=model.schedule.spaced_timesteps(steps),
            )  # fmt: skip

        about = {**same, "prompts": ", ".join(prompts), "guidance_scale": guidance_scale, "num_inference_steps": steps}
        return Take(about, walk, opening, captions=lambda about: about["prompts"].split(", "))

    takes = {
        "num_inference_steps = 20": in_steps(20, "sampling"),
        "num_inference_steps = 50": in_steps(50, "sampling50"),
    }
    three_fit = model.shape[2] * max(1, 115 // model.shape[2])
    twenty, fifty = play_each(lesson.slug, name, takes, stream_wide=three_fit).values()
    page.section("Every step")
    for column, steps, film in zip(st.columns(2, gap="large"), (20, 50), (twenty, fifty), strict=True):
        if film is not None:
            with column:
                st.caption(f"num_inference_steps = {steps}" + (", eight of them kept" if film.kept else ""))
                filmstrip(
                    film,
                    f"sampling_strip_{steps}",
                    scope=f"{lesson.slug}_scope" if steps == 20 else None,
                    alt=pictures.describe(film.about),
                    wide=430,
                )
                pictures.downloads(film, f"sampling-{name}-{steps}-{seed}")

    page.section("Stage 2")
    upscaler = model.upscaler()
    if upscaler is None:
        st.markdown(
            "Digits have one stage: 28 pixels are all that MNIST has."
            if model.shape[0] == 1
            else "No second stage ships for this model: its pictures stay as large as they are."
        )
    elif twenty is not None:
        st.markdown(
            f"The second network makes {model.shape[1]} pixels into {upscaler.shape[1]}: it sees the small picture, enlarged and a "
            "little noised, beside its own noise, walks the same way, and fills in what the small one had no room for."
        )
        noise_level = controls.slider(
            lesson.slug, "noise_level", 0, 499, 100, 1, help="timesteps of noise on the enlarged picture, to hide its flaws"
        )
        asked = twenty.about["prompts"]
        small = twenty.final_tensor()

        def larger():
            return upscale(upscaler, small, asked.split(", "), noise_level=noise_level, seed=seed)

        play(
            lesson.slug, name, {"model": model.title, "prompts": asked, "noise_level": noise_level, "seed": seed}, larger,
            name="stage2", opening="sampling_stage2", captions=lambda about: about["prompts"].split(", "),
            stream_wide=2 * upscaler.shape[2],
        )  # fmt: skip

    page.section("Five samples of one prompt")
    st.markdown(
        f"Five noises from one seed, all asked for {quoted(prompts[0])}: first only asked, then with guidance. Whatever differs within a "
        "row, the noise decided."
    )

    def five(scale: float, opening: str) -> Take:
        about = {**same, "prompt": prompts[0], "guidance_scale": scale}

        def walk():
            return from_noise(model, prompts[0], seed=seed, guidance_scale=scale, eta=eta)

        return Take(about, walk, opening, captions=lambda about: "12345")

    guided_scale = guidance_scale if guidance_scale != 1 else model.guidance_scale
    takes = {
        "without guidance": five(1.0, "sampling_free"),
        f"with guidance, guidance_scale = {guided_scale:g}": five(guided_scale, "sampling_guided"),
    }
    play_each(lesson.slug, name, takes, name="five", shortcuts=False, stream_wide=wide, side_by_side=False)

    if twenty is not None:
        page.section("One step, one pixel")
        microscope(twenty, model.schedule, f"{lesson.slug}_scope")

    if model.judge is not None:
        page.section("What more steps buy, and what a seed changes")

        def draw(rows: list[dict], key: str) -> None:
            rows = sorted(rows, key=lambda r: r["num_inference_steps"])
            xs = [r["num_inference_steps"] for r in rows]
            lines = {"read right at once": "accuracy", "in the first five": "top5"}
            distances = ("same seed, eta 0", "same seed, eta 1", "another seed")
            three = (
                ("share the judge reads as asked", {k: (xs, [r[v] for r in rows]) for k, v in lines.items()}),
                ("seconds a picture", {"seconds": (xs, [r["seconds"] for r in rows])}),
                (f"RMS distance to {xs[-1]} steps", {k: (xs, [r[k] for r in rows]) for k in distances}),
            )
            for i, (column, (y, lines)) in enumerate(zip(st.columns(3), three, strict=True)):
                with column:
                    plots.line_plot(lines, "num_inference_steps", y, f"{key}_{i}", markers=True)

        plots.measured("sampling", name, lambda: measures.sampling(model, num_images=20), draw, minutes="about a minute")
        st.caption(
            "The third plot compares each picture with the one that most steps make of the same seed. At eta = 0 step counts "
            "refine one picture; at eta = 1 they draw another of its kind; a new seed is a new picture altogether."
        )
    page.show_source(from_noise, sample, move)
    page.things_to_try(
        lesson,
        [
            ("No fresh noise on the way: do 20 and 50 steps agree now?", {"eta": 0.0}),
            ("Without guidance: what does the model draw when it is only asked?", {"guidance_scale": 1.0}),
            (
                "One prompt three times: the seed gives each picture its own noise",
                {controls.prompts_name(model): ", ".join([model.prompts[0]] * 3)},
            ),
        ],
    )
