"""From noise to image: three prompts through both stages at two step counts, and five pictures of one prompt."""

from lessons_lib.ui import controls, page, pictures, plots, stage
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import Take, each_row_key, meanwhile, play_each, warm

with page.lesson_page("sampling", models=None) as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "Give the walk nothing but noise, and it still finds a picture: each step asks the network what could be hidden in the noise, and moves a "
        "little towards it. The **seed** fixes all the noise, so the same seed and prompt give the same picture."
    ):
        page.question(
            lesson.slug,
            "50 steps instead of 20 from the same seed, with fresh noise on every move (eta = 1). What comes out?",
            ["the same picture", "the same picture with finer details", "another picture of the same thing"],
            "The noise added on the way decides much of the picture, and at another number of steps other noise is added. At eta = 0 there is "
            "none: then the first noise decides everything, and 20 and 50 steps agree in the large.",
            right="another picture of the same thing",
        )

    name = st.session_state["model"]
    with meanwhile(lesson.slug, name):
        from lessons_lib.files import kept
        from lessons_lib.files.typed import as_typed
        from lessons_lib.lessons import sampling
        from lessons_lib.lessons._common import from_noise, seeds_of
        from lessons_lib.maths.samplers import move, sample
        from lessons_lib.models.opening import open_model

        model = open_model(name)
    warm(name)
    settings, picture = stage.columns()
    with settings, stage.needs_run():
        prompts = controls.prompts(lesson.slug, model)
        pictures.unknown_words_hint(model, " ".join(prompts))
        eta = controls.slider(
            lesson.slug, "eta", 0.0, 1.0, 1.0, 0.1, help="fresh noise on every move: 1 is DDPM, 0 is DDIM, without any"
        )
        seed = controls.seed()
        with stage.more():
            help = "how hard a walk is pushed towards its prompt; 1 is without. The next lesson is about it: leave it where it is"
            guidance_scale = controls.slider(lesson.slug, "guidance_scale", 0.0, 15.0, model.guidance_scale, 0.5, help=help)
    with settings:
        page.caption(
            "All three prompts share the seed, so within a row only the prompt differs."
            + (f" {pictures.JUDGE}" if model.judge is not None else "")
        )
    asked = {"prompts": ", ".join(prompts), "seed": seed, "guidance_scale": guidance_scale, "eta": eta}

    def captions(about):
        return sampling.prompts_of(about)

    def in_steps(steps: int, opening: str) -> Take:
        about = sampling.about(model, **asked, num_inference_steps=steps)
        return Take(about, lambda: sampling.walk(model, about), opening, captions=captions)

    takes = {"20 steps": in_steps(20, "sampling"), "50 steps": in_steps(50, "sampling50")}
    with picture:
        wide = 3 * model.shape[2]
        films = play_each(lesson.slug, name, takes, stream_wide=wide, gap="small")
        strips = st.columns(2, gap="small")
        for i, (place, steps, film) in enumerate(zip(strips, (20, 50), films.values(), strict=True)):
            if film is not None:
                scope, row = (f"{lesson.slug}_scope" if steps == 20 else None), each_row_key(lesson.slug, name, i)
                with place:
                    filmstrip(film, f"sampling_strip_{steps}", scope=scope, alt=pictures.describe(film.about), row=row)

    decided = kept.measure("sampling_noise", name)
    tabs = stage.below(
        lesson.slug,
        "Things to try",
        "Stage 2",
        "Five samples of one prompt",
        "One pixel",
        decided is not None and "Which noise decides?",
        model.judge is not None and "What more steps buy",
        "Save",
        "Code",
        walks={"stage2": "Stage 2", "five": "Five samples of one prompt"},
    )
    with tabs["Stage 2"]:
        upscaler = model.upscaler()
        if upscaler is None:
            st.markdown(model.no_upscaler)
        elif all(film is not None for film in films.values()):
            st.markdown(
                f"The second network makes {model.shape[1]} pixels into {upscaler.shape[1]}: it sees the small picture, enlarged and a "
                "little noised, beside its own noise, walks the same way, and fills in what the small one had no room for."
            )
            noise_level = controls.slider(
                lesson.slug, "noise_level", 0, 499, 100, 1, help="timesteps of noise on the enlarged picture, to hide its flaws"
            )

            def enlarged(steps: int, film, opening: str) -> Take:
                made, small = film.about, film.final_tensor()
                how = {"prompts": made["prompts"], "seed": made["seed"], "noise_level": noise_level}
                about = sampling.about_large(model, **how, num_inference_steps=steps)
                return Take(about, lambda: sampling.walk_large(upscaler, about, small), opening, captions=captions)

            openings = ("sampling_stage2", "sampling_stage250")
            play_each(
                lesson.slug,
                name,
                {f"{k} in both stages": enlarged(k, f, o) for k, f, o in zip((20, 50), films.values(), openings, strict=True)},
                name="stage2",
                shortcuts=False,
                stream_wide=2 * upscaler.shape[2],
            )

    with tabs["Five samples of one prompt"]:
        first = seeds_of(seed, 5)
        st.markdown(
            f"Five seeds, {first[0]} to {first[-1]}, all asked for **{as_typed(prompts[0])}**: first only asked, then with guidance. "
            "Whatever differs within a row, the noise decided. The course asks for *a high quality photo*, which means: anything."
        )

        def five(scale: float, opening: str) -> Take:
            about = sampling.about_five(model, prompt=prompts[0], seed=seed, guidance_scale=scale, eta=eta)

            def by_seed(about):
                return [f"seed {s}" for s in seeds_of(about["seed"], 5)]

            return Take(about, lambda: sampling.walk_five(model, about), opening, captions=by_seed)

        guided_scale = guidance_scale if guidance_scale != 1 else model.guidance_scale
        takes = {
            "without guidance": five(1.0, "sampling_free"),
            f"with guidance, guidance_scale = {guided_scale:g}": five(guided_scale, "sampling_guided"),
        }
        wide = model.shape[2] * max(1, 128 // model.shape[2])  # a whole number of screen pixels for each of the picture's
        play_each(lesson.slug, name, takes, name="five", shortcuts=False, stream_wide=wide, side_by_side=False)

    with tabs["One pixel"]:
        if films["20 steps"] is not None:
            microscope(films["20 steps"], model.schedule, f"{lesson.slug}_scope")
    if decided is not None:
        with tabs["Which noise decides?"]:
            shared = ("the noise on the way", "the first noise", "neither")
            rows = {"two pictures that share": list(shared)}
            for row in decided["rows"]:
                rows[f"RMS distance at eta = {row['eta']:g}"] = [f"{row[k]:.3f}" for k in shared]
            st.table(rows)
            page.caption(
                "Pictures of the same prompt. At eta = 1 the noise on the way decides: nearly all of the text-to-image model's pictures, "
                "and as much as the first noise of the digits. At eta = 0 there is none, and the first noise decides everything. "
                f"Kept from {decided['made']}: `{decided['command']}`"
            )

    if model.judge is not None:
        with tabs["What more steps buy"]:

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
                        plots.line_plot(lines, "number of steps", y, f"{key}_{i}", markers=True)

            plots.measured("sampling", name, lambda: sampling.measure(model, num_images=20), draw, minutes="about a minute")
            page.caption(
                "Left: beyond 20 steps the pictures are not read any better; they only take longer. Right: how far each picture is from "
                "the one that most steps make of its seed. At eta = 0 more steps come nearer and nearer to that one picture; at eta = 1 "
                "they make another picture of the same thing, more than half as far away as another seed's."
            )
    with tabs["Save"]:
        for column, steps, film in zip(st.columns(2, gap="large"), (20, 50), films.values(), strict=True):
            if film is not None:
                with column:
                    page.caption(f"{steps} steps")
                    pictures.downloads(film, f"sampling-{name}-{steps}-{seed}")
    with tabs["Code"]:
        page.show_source(sampling.walk, from_noise, sample, move, titled=False)
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("No fresh noise on the way: do 20 and 50 steps agree now?", {"eta": 0.0}),
                ("Without guidance: what does the model draw when it is only asked?", {"guidance_scale": 1.0}),
                *(
                    [("The course's prompt: anything, as long as it is of high quality", {"prompts": "a high quality picture"})]
                    if model.prompt_kind == "words"
                    else []
                ),
            ],
            titled=False,
        )
