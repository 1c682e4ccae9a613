"""Inpainting: five pictures that are new inside a mask, every step of them, and the constraint as it acts."""

from lessons_lib.ui import controls, page, pictures, stage
from lessons_lib.ui.playground import meanwhile, play_sheet, warm

with page.lesson_page("inpainting", models=None) as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "Walk from pure noise as always, but after every move put the original back everywhere outside a mask, noised to the timestep just "
        "reached. Nothing is trained for this: it is one line more in the walk. What is new often fits its surroundings, but not always."
    ):
        page.question(
            lesson.slug,
            "Why is the original noised before it is put back?",
            ["to hide the seam", "so that both parts carry the same noise", "it need not be"],
            "The network was trained on pictures with the same noise everywhere. A clean part in a noisy picture would be a lie about t.",
            right="so that both parts carry the same noise",
        )
    name = st.session_state["model"]
    with meanwhile(lesson.slug, name, columns=5):
        import torch

        from lessons_lib.errors import LessonsError
        from lessons_lib.files import kept
        from lessons_lib.lessons import inpainting
        from lessons_lib.lessons._common import prompt_of, seeds_of
        from lessons_lib.maths.images import to_uint8
        from lessons_lib.maths.samplers import inpaint
        from lessons_lib.models.opening import open_model
        from lessons_lib.ui.originals import mask_on, pick_picture

        model = open_model(name)
    warm(name)
    settings, picture = stage.columns(wide=controls.peek(lesson.slug, "mask") == "paint it")
    with settings, stage.needs_run():
        x0, named = pick_picture(lesson.slug, model.shape, kinds=[*model.picture_kinds, "upload"])
        mask, mask_name = mask_on(lesson.slug, x0)
        prompt = controls.prompt(lesson.slug, model, default=prompt_of(model, named) or inpainting.about(model)["prompt"])
        pictures.unknown_words_hint(model, prompt)
        guidance_scale = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
        resamplings = controls.slider(
            lesson.slug,
            "resamplings",
            1,
            8,
            1,
            1,
            help="RePaint: how often each move is walked, with noise added back in between",
        )
        asked = {"picture": named, "mask": mask_name, "prompt": prompt, "guidance_scale": guidance_scale}
        about = inpainting.about(model, **asked, resamplings=resamplings, seed=controls.seed())
    with settings:
        shown = torch.cat([x0, (2 * mask - 1).expand_as(x0), x0 * (1 - mask) + mask * 0.5])
        pictures.in_a_row(to_uint8(shown).numpy(), ["original", "mask: white is new", "region to replace"], named, wide=64)

    with picture:

        def walk():
            if mask.sum() == 0:
                raise LessonsError("The mask is empty: paint the region to replace, or choose a preset mask.")
            return inpainting.walk(model, about, x0, mask)

        def read(film):
            final, seeds = film.final_tensor(), seeds_of(film.about["seed"], len(film.final))
            label = model.class_of(film.about["prompt"])
            scores = model.judge.read(final)[:, label].tolist() if model.judge and label is not None else None
            captions = [f"seed {seed}{r}" for seed, r in zip(seeds, pictures.readings(model, final), strict=True)]
            return pictures.Sheet(captions, scores, seeds)

        def waiting(about):
            return [f"seed {seed}{': ' + chr(0xA0) if model.judge else ''}" for seed in seeds_of(about["seed"], 5)]

        film, _ = play_sheet(
            lesson.slug,
            name,
            about,
            walk,
            x0=x0,
            read=read,
            waiting=waiting,
            sortable=model.class_of(prompt) is not None,
            columns=5,
        )
        if film is not None and model.judge:
            page.caption(f"{pictures.JUDGE} Outside the mask all five are the original, to the bit.")
    measured = kept.measure("inpainting", name)
    fits = measured is not None and measured["rows"][0]["seam"] > measured["rows"][0]["original"]  # not so where strokes cross it
    tabs = stage.below(lesson.slug, "Things to try", "The constraint, as it acts", fits and "Does it fit?", "Save", "Code")
    with tabs["The constraint, as it acts"]:
        if film is not None:
            page.equation(r"x_{t'}\leftarrow m\,x_{t'}+(1-m)\,\mathrm{forward}(x_{\text{orig}},t')")
            if film.x0 is not None and len(film) > 1:
                wanted = min(controls.slider(lesson.slug, "step", 1, film.total, 4, 1), film.total) - 1
                i = min(range(len(film)), key=lambda k: abs(film.index[k] - wanted))
                t, t_prev = film.t[i], film.t_prev[i]
                numbers = torch.from_numpy(film.numbers[i])
                before = model.schedule.posterior_mean(numbers[1][None], numbers[0][None], t, t_prev)
                row = torch.cat([numbers[0][None], numbers[1][None], before, numbers[3][None]]).clamp(-1, 1)
                names = [f"x_t at t = {t}", "x0_hat", f"mean at t' = {t_prev}, before", "x_t' after the constraint"]
                pictures.in_a_row(to_uint8(row).numpy(), names, f"step {film.index[i] + 1}", wide=150)
                page.caption(
                    f"Step {film.index[i] + 1} of {film.total}, the first of the five. Before the constraint (without its fresh noise) the move touched every pixel; after it, only the mask is the walk's own."
                )
    if fits:
        with tabs["Does it fit?"]:
            rows = measured["rows"]
            table = {"each move is walked": [f"{r['resamplings']} times" if r["resamplings"] > 1 else "once" for r in rows]}
            table["difference across the mask's edge"] = [f"{r['seam']:.3f}" for r in rows]
            st.table(table)
            page.caption(
                "The mean difference of neighbouring pixels across the edge, over five pictures at the page's first settings; in the "
                f"original it is {rows[0]['original']:.3f}. Walked once, what is new cannot go back on what it decided before the "
                "surroundings were clear; RePaint noises the whole picture again by one move and lets both parts agree. "
                f"Kept from {measured['made']}: `{measured['command']}`"
            )
    with tabs["Save"]:
        if film is not None:
            pictures.downloads(film, f"inpainting-{name}-{about['seed']}", columns=5)
    with tabs["Code"]:
        page.show_source(inpaint, inpainting.painted_in, titled=False)
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("Everything around the centre made anew", {"mask": "around the centre"}),
                ("Paint your own mask", {"mask": "paint it"}),
                ("Walk each move four times, as RePaint does: is there still a seam?", {"resamplings": 4}),
                *(
                    [("A strawberry for a head: does that fit at all?", {"prompt": "a strawberry"})]
                    if model.prompt_kind == "words"
                    else []
                ),
                ("No guidance: what is in the hole now?", {"guidance_scale": 1.0}),
            ],
            titled=False,
        )
