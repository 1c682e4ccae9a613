from lessons_lib.ui import controls, page, pictures, plots
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play, warm

with page.lesson_page("sdedit", models=None) as lesson:
    import streamlit as st

    page.idea(
        "Noise a picture a little, and walk back: the network repairs what the noise destroyed, with what it thinks belongs there. "
        "Noise it a lot, and only the coarsest shapes of the original survive. **i_start** says how far: the index in the list of "
        "timesteps where the walk begins, small for much noise, large for little."
    )
    page.question(
        lesson.slug, "Which i_start keeps more of the original?", ["1", "20", "no difference"],
        "20: the walk begins close to the clean end, with little noise. At 1 nearly nothing of the original is left.",
    )  # fmt: skip
    name = st.session_state["model"]
    with meanwhile(lesson.slug, name, columns=3):
        import torch

        from lessons_lib import metrics
        from lessons_lib.images import to_uint8
        from lessons_lib.lessons.openings import i_starts_of
        from lessons_lib.lessons.walks import image_to_image
        from lessons_lib.models.opening import open_model
        from lessons_lib.ui.sources import pick_picture

        model = open_model(name)
    warm(name)
    i_starts = i_starts_of(model)
    timesteps = model.schedule.timesteps(model.stride)
    left, right = st.columns([1, 3], gap="large")
    with left:
        kinds = ["digit", "upload", "draw"] if model.shape[0] == 1 else ["emoji", "photo", "upload", "draw"]
        x0, picture = pick_picture(lesson.slug, model.shape, kinds=kinds)
        with_prompt = controls.toggle(
            lesson.slug, "with_prompt", False, help="guide the walk by a prompt: text-conditional image to image"
        )
        prompt = controls.prompt(lesson.slug, model) if with_prompt else ""
        pictures.unknown_words_hint(model, prompt)
        guidance_scale = controls.slider(
            lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5, help="used with a prompt"
        )
        seed = controls.seed()
    about = {"model": model.title, "picture": picture, "prompt": prompt, "seed": seed, "guidance_scale": guidance_scale}
    with right:
        film = play(
            lesson.slug, name, about, lambda: image_to_image(model, x0, prompt, i_starts, guidance_scale=guidance_scale, seed=seed),
            columns=3, x0=x0,
        )  # fmt: skip
        if film is not None and film.x0 is not None:
            clean = torch.from_numpy(film.x0)[None]
            final = film.final_tensor()
            rmse = metrics.mse(final, clean.expand_as(final)).sqrt().tolist()
            readings = pictures.readings(model, torch.cat([final, clean]))
            captions = [f"i_start {i} (t = {timesteps[i]}){r}" for i, r in zip(i_starts, readings[:-1], strict=True)]
            both = to_uint8(torch.cat([final, clean])).numpy()
            pictures.in_a_row(both, [*captions, f"original{readings[-1]}"], pictures.describe(film.about), wide=128)
    if film is not None and film.x0 is not None:
        page.section("The distance to the original")
        plots.line_plot(
            {"RMSE to the original": (i_starts, rmse)},
            "i_start (more noise to the left)",
            "RMSE",
            "sdedit_rmse",
            markers=True,
            height=260,
        )
        st.caption("From the pictures above. It should fall from left to right: less noise, nearer to the original.")
        page.section("Every step, all starts together")
        filmstrip(
            film, f"{lesson.slug}_strip", scope=f"{lesson.slug}_scope", columns=3, alt=pictures.describe(film.about), wide=420
        )
        pictures.downloads(film, f"image-to-image-{name}-{seed}", columns=3)
        st.caption(
            "One batch, one walk. A picture whose start is not reached yet is held at the original, noised to the timestep in view."
        )
        page.section("One step, one pixel")
        page.equation(r"x_{t_{\text{start}}}=\sqrt{\bar\alpha}\,x_0+\sqrt{1-\bar\alpha}\,\epsilon")
        st.caption("From there the walk goes on as always. This is one of its moves:")
        microscope(film, model.schedule, f"{lesson.slug}_scope")
    page.show_source(image_to_image)
    group = "".join(k[0] for k in kinds)
    tries = [
        ("A drawing of your own, made real", {f"picture_{group}": "draw"}),
        ("The same noise, other seed: what stays?", {"with_prompt": False}),
    ]
    if model.shape[0] == 3:
        tries.append(("A dog, asked to be a cat", {"with_prompt": True, "prompt": "a cat"}))
        tries.append(("A real photo, seen by a model that knows only emoji", {f"picture_{group}": "photo"}))
    page.things_to_try(lesson, tries)
