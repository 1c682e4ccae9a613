from lessons_lib.ui import controls, page, pictures
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import meanwhile, play, warm

with page.lesson_page("inpainting", models=None) as lesson:
    import streamlit as st

    page.idea(
        "Walk from pure noise as always, but after every move put the original back everywhere outside a mask, noised to the "
        "timestep just reached. The network sees the surroundings at every step and fills the hole so that it fits. "
        "Nothing is trained for this: it is one line more in the walk."
    )
    page.question(
        lesson.slug, "Why is the original noised before it is put back?",
        ["to hide the seam", "so that both parts carry the same noise", "it need not be"],
        "The network was trained on pictures with the same noise everywhere. A clean part in a noisy picture would be a lie about t.",
    )  # fmt: skip
    name = st.session_state["model"]
    with meanwhile(lesson.slug, name, columns=5):
        import torch

        from lessons_lib.errors import LessonsError
        from lessons_lib.images import to_uint8
        from lessons_lib.lessons.walks import inpainting
        from lessons_lib.models.opening import open_model
        from lessons_lib.samplers import inpaint
        from lessons_lib.ui.canvas import mask_on
        from lessons_lib.ui.sources import pick_picture
        from lessons_lib.ui.typed import quoted

        model = open_model(name)
    warm(name)
    left, right = st.columns([1, 2], gap="large")
    with left:
        x0, picture = pick_picture(lesson.slug, model.shape)
        mask, mask_name = mask_on(lesson.slug, x0)
        prompt = controls.prompt(lesson.slug, model)
        pictures.unknown_words_hint(model, prompt)
        guidance_scale = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
        seed = controls.seed()
    about = {
        "model": model.title, "picture": picture, "mask": mask_name, "prompt": prompt, "seed": seed, "guidance_scale": guidance_scale,
    }  # fmt: skip
    with right:
        shown = torch.cat([x0, (2 * mask - 1).expand_as(x0), x0 * (1 - mask) + mask * 0.5])
        pictures.in_a_row(to_uint8(shown).numpy(), ["original", "mask: white is new", "region to replace"], picture, wide=128)

        def walk():
            if mask.sum() == 0:
                raise LessonsError("The mask is empty: paint the region to replace, or choose a preset mask.")
            return inpainting(model, x0, mask, prompt, guidance_scale=guidance_scale, seed=seed)

        film = play(lesson.slug, name, about, walk, columns=5, x0=x0)
        if film is not None:
            final = film.final_tensor()
            label = model.class_of(prompt)
            scores = model.judge.read(final)[:, label].tolist() if model.judge and label is not None else None
            captions = [f"picture {i + 1}{r}" for i, r in enumerate(pictures.readings(model, final))]
            pictures.contact_sheet(lesson.slug, name, film.final, captions, scores, film.about, pictures.describe(film.about))
            if scores is not None:
                st.caption(f"Best first, by how surely the judge reads {quoted(film.about['prompt'])}.")
    if film is not None:
        page.section("Every step, all five")
        filmstrip(film, f"{lesson.slug}_strip", columns=5, alt=pictures.describe(film.about), wide=620)
        pictures.downloads(film, f"inpainting-{name}-{seed}", columns=5)
        page.section("The constraint, as it acts")
        page.equation(r"x_{t'}\leftarrow m\,x_{t'}+(1-m)\,\mathrm{forward}(x_{\text{orig}},t')")
        if film.x0 is not None and len(film) > 1:
            i = min(controls.slider(lesson.slug, "step", 1, 34, 4, 1), len(film)) - 1
            t, t_prev = film.t[i], film.t_prev[i]
            numbers = torch.from_numpy(film.numbers[i])
            before = model.schedule.posterior_mean(numbers[1][None], numbers[0][None], t, t_prev)
            row = torch.cat([numbers[0][None], numbers[1][None], before, numbers[3][None]]).clamp(-1, 1)
            names = [f"x_t at t = {t}", "x0_hat", f"mean at t' = {t_prev}, before", "x_t' after the constraint"]
            pictures.in_a_row(to_uint8(row).numpy(), names, f"step {i + 1}", wide=150)
            st.caption(
                "The first of the five. Before the constraint (without its fresh noise) the move touched every pixel; after it, only the mask is the walk's own."
            )
    page.show_source(inpaint, inpainting)
    page.things_to_try(
        lesson,
        [
            ("Everything around the centre made anew", {"mask": "around the centre"}),
            ("Paint your own mask", {"mask": "paint it"}),
            ("No guidance: does the hole still fit?", {"guidance_scale": 1.0}),
        ],
    )
