from lessons_lib.ui import controls, page, parts
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import play, warm

from lessons_lib.openings import GUIDANCE_SCALES as SCALES

with page.lesson_page("guidance", models=None) as lesson:
    import streamlit as st

    page.idea(
        "A network can be asked for the noise twice: once with your prompt, once without. **Guidance** walks from the second "
        "answer towards the first and does not stop there: `eps = eps_uncond + guidance_scale * (eps_cond - eps_uncond)`. "
        "A larger scale makes the picture obey, and costs variety."
    )
    page.question(
        lesson.slug, "You raise guidance_scale from 3 to 15. What happens?",
        ["ever better pictures", "more alike and overdone", "nothing"],
        "Below, one noise is walked at eight scales at once, and further down the judge counts what each scale gains and loses.",
    )  # fmt: skip

    name = st.session_state["model"]
    warm(name)
    from lessons_lib.models import open_model
    from lessons_lib.walks import over_guidance_scales

    model = open_model(name)
    left, right = st.columns([1, 3], gap="large")
    with left:
        prompt = controls.prompt(lesson.slug, model)
        seed = controls.seed()
        clip_x0 = controls.toggle(lesson.slug, "clip_x0", True, help="keep x0_hat in [-1, 1] at every move")
    about = {"model": model.title, "prompt": prompt, "seed": seed, "clip_x0": clip_x0, "guidance_scale": "0 to 15"}
    with right:
        film = play(lesson.slug, name, about, lambda: over_guidance_scales(model, prompt, SCALES, seed=seed, clip_x0=clip_x0))
        if film is not None:
            captions = [f"guidance_scale {s:g}" for s in SCALES]
            parts.pictures_in_a_row(film.final, captions, parts.describe(film.about), wide=100)
    if film is not None:
        page.section("Every step")
        filmstrip(film, f"{lesson.slug}_strip", alt=parts.describe(film.about))
        parts.downloads(film, f"guidance-{name}-{seed}")
        page.section("One step, one pixel")
        parts.microscope(film, model.schedule, f"{lesson.slug}_scope")
    page.show_source(over_guidance_scales)
    page.things_to_try(lesson, [("Without clipping, watch it burn", {"clip_x0": False})])
