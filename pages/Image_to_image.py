"""Image to image: one picture noised to six starts and walked back, its distance to the original, and every step."""

from lessons_lib.ui import controls, page, pictures, plots, stage
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play, row_key, warm

with page.lesson_page("sdedit", models=None) as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "Noise a picture a little, and walk back: the network repairs what the noise destroyed, with what it thinks belongs there. Noise it a lot, "
        "and only the coarsest shapes survive. **i_start** is the index in the list of timesteps where the walk begins: small is much noise."
    ):
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

        from lessons_lib.lessons import sdedit
        from lessons_lib.lessons._common import prompt_of
        from lessons_lib.maths import metrics
        from lessons_lib.maths.images import to_uint8
        from lessons_lib.models.opening import open_model
        from lessons_lib.ui.originals import pick_picture

        model = open_model(name)
    warm(name)
    i_starts = sdedit.i_starts_of(model)
    timesteps = model.schedule.timesteps(model.stride)
    draws = (
        controls.peek(lesson.slug, f"picture_{''.join(k[0] for k in (*model.picture_kinds, 'upload', 'draw'))}", "picture")
        == "draw"
    )
    settings, picture = stage.columns(wide=draws)
    with settings, stage.needs_run():
        kinds = [*model.picture_kinds, "upload", "draw"]
        x0, named = pick_picture(lesson.slug, model.shape, kinds=kinds)
        with_prompt = controls.toggle(
            lesson.slug, "with_prompt", True, help="guide the walk by a prompt: text-conditional image to image"
        )
        asked = {"picture": named, "prompt": "", "seed": 0}
        if with_prompt:
            asked["prompt"] = controls.prompt(
                lesson.slug, model, default=prompt_of(model, named) or sdedit.about(model)["prompt"]
            )
            pictures.unknown_words_hint(model, asked["prompt"])
            asked["guidance_scale"] = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
        asked["seed"] = controls.seed()
    about = sdedit.about(model, **asked)

    def captions(made):
        return [f"i_start {i} (t = {timesteps[i]})" for i in i_starts]

    with picture:
        wide, row = 4 * model.shape[2], row_key(lesson.slug, name)
        film = play(lesson.slug, name, about, lambda: sdedit.walk(model, about, x0), x0=x0, captions=captions, stream_wide=wide)
        if film is not None:
            filmstrip(
                film, f"{lesson.slug}_strip", scope=f"{lesson.slug}_scope", columns=3, alt=pictures.describe(film.about), row=row
            )
    rmse = []
    if film is not None and film.x0 is not None:
        clean = torch.from_numpy(film.x0)[None]
        final = film.final_tensor()
        rmse = metrics.mse(final, clean.expand_as(final)).sqrt().tolist()
        with settings:
            (read,) = film.once("original", lambda: pictures.readings(model, clean))
            pictures.in_a_row(to_uint8(clean).numpy(), [f"original{read}"], pictures.describe(film.about), wide=64)
            if model.judge is not None:
                page.caption(pictures.JUDGE)
    tabs = stage.below(lesson.slug, "Things to try", rmse and "Distance to the original" or None, "One pixel", "Save", "Code")
    if rmse:
        with tabs["Distance to the original"]:
            lines = {"RMSE to the original": (i_starts, rmse)}
            axis = "i_start (more noise to the left)"
            plots.line_plot(lines, axis, "RMSE, pictures in [-1, 1]", "sdedit_rmse", markers=True, height=260)
            page.caption("From the pictures above: the less noise, the nearer to the original.")
    with tabs["One pixel"]:
        page.equation(r"x_{t_{\text{start}}}=\sqrt{\bar\alpha}\,x_0+\sqrt{1-\bar\alpha}\,\epsilon")
        page.caption("From there the walk goes on as always. This is one of its moves:")
        if film is not None:
            microscope(film, model.schedule, f"{lesson.slug}_scope")
    with tabs["Save"]:
        if film is not None:
            pictures.downloads(film, f"image-to-image-{name}-{asked['seed']}", columns=3)
    with tabs["Code"]:
        page.show_source(sdedit.from_starts, titled=False)
    with tabs["Things to try"]:
        page.caption(
            "One batch, one walk. A picture whose start is not reached yet is held at the original, noised to the timestep in view."
        )
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
        page.things_to_try(lesson, tries, titled=False)
