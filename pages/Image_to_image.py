"""Image to image: one picture noised to six starts and walked back, its distance to the original, and every step."""

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
        lesson.slug,
        "Which i_start keeps more of the original?",
        ["1", "20", "no difference"],
        "At 20 the walk begins close to the clean end, with little noise. At 1 nearly nothing of the original is left, and the "
        "picture is a new one of what was asked for.",
        right="20",
    )
    name = st.session_state["model"]
    with meanwhile(lesson.slug, name, columns=3):
        import torch

        from lessons_lib import metrics
        from lessons_lib.images import to_uint8
        from lessons_lib.lessons import sdedit
        from lessons_lib.lessons._common import prompt_of
        from lessons_lib.models.opening import open_model
        from lessons_lib.ui.sources import pick_picture

        model = open_model(name)
    warm(name)
    i_starts = sdedit.i_starts_of(model)
    timesteps = model.schedule.timesteps(model.stride)
    left, right = st.columns([1, 3], gap="large")
    with left:
        kinds = [*model.picture_kinds, "upload", "draw"]
        x0, picture = pick_picture(lesson.slug, model.shape, kinds=kinds)
        with_prompt = controls.toggle(
            lesson.slug, "with_prompt", True, help="guide the walk by a prompt: text-conditional image to image"
        )
        asked = {"picture": picture, "prompt": "", "seed": controls.seed()}
        if with_prompt:
            asked["prompt"] = controls.prompt(
                lesson.slug, model, default=prompt_of(model, picture) or sdedit.about(model)["prompt"]
            )
            pictures.unknown_words_hint(model, asked["prompt"])
            asked["guidance_scale"] = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
    about = sdedit.about(model, **asked)
    with right:
        film = play(lesson.slug, name, about, lambda: sdedit.walk(model, about, x0), columns=3, x0=x0)
        if film is not None and film.x0 is not None:
            clean = torch.from_numpy(film.x0)[None]
            final = film.final_tensor()
            rmse = metrics.mse(final, clean.expand_as(final)).sqrt().tolist()
            readings = pictures.readings(model, torch.cat([final, clean]))
            captions = [f"i_start {i} (t = {timesteps[i]}){r}" for i, r in zip(i_starts, readings[:-1], strict=True)]
            both = to_uint8(torch.cat([final, clean])).numpy()
            pictures.in_a_row(both, [*captions, f"original{readings[-1]}"], pictures.describe(film.about), wide=128)
            if model.judge is not None:
                st.caption(pictures.JUDGE)
    if film is not None and film.x0 is not None:
        page.section("The distance to the original")
        lines = {"RMSE to the original": (i_starts, rmse)}
        axis = "i_start (more noise to the left)"
        plots.line_plot(lines, axis, "RMSE, pictures in [-1, 1]", "sdedit_rmse", markers=True, height=260)
        st.caption("From the pictures above: the less noise, the nearer to the original.")
        page.section("Every step, all starts together")
        filmstrip(
            film, f"{lesson.slug}_strip", scope=f"{lesson.slug}_scope", columns=3, alt=pictures.describe(film.about), wide=420
        )
        pictures.downloads(film, f"image-to-image-{name}-{asked['seed']}", columns=3)
        st.caption(
            "One batch, one walk. A picture whose start is not reached yet is held at the original, noised to the timestep in view."
        )
        page.section("One step, one pixel")
        page.equation(r"x_{t_{\text{start}}}=\sqrt{\bar\alpha}\,x_0+\sqrt{1-\bar\alpha}\,\epsilon")
        st.caption("From there the walk goes on as always. This is one of its moves:")
        microscope(film, model.schedule, f"{lesson.slug}_scope")
    page.show_source(sdedit.from_starts)
    tries = [
        ("A drawing of your own, made real", {"picture": "draw"}),
        ("Without a prompt: where does the walk drift when much is lost?", {"with_prompt": False}),
        ("Another seed, the same picture: what stays at every start?", {"seed": 7}),
    ]
    if model.prompt_kind == "words":
        tries.append(("A penguin, asked to be a rocket: who wins at which start?", {"prompt": "a rocket"}))
        tries.append(("A real photo, seen by a model that knows only emoji", {"picture": "photo", "with_prompt": False}))
    else:
        tries.append(("A 3, asked to be an 8", {"prompt": "8"}))
    page.things_to_try(lesson, tries)
