"""Visual anagrams: pictures that two prompts share through a view, one of them to turn by hand, and every step."""

from lessons_lib.ui import controls, page, pictures, plots, stage
from lessons_lib.ui.microscope import microscope
from lessons_lib.ui.playground import meanwhile, play_pairs, warm

MOTIONS = {  # view -> how it looks under the hand, a fade for one that is not here; CSS turns with the clock, the view against it
    "turn 180": ("turn", 180),
    "quarter turn": ("turn", -90),
    "flip": ("flip", 0),
    "negative": ("fade", 0),
    "jigsaw": ("fade", 0),
}

with page.lesson_page("anagrams", models=None) as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "Ask the network twice at every step: about the picture as it is, with one prompt, and about the picture turned, with another. Turn the "
        "second answer back and take the mean. Where the two have a shape in common, the picture is one thing as it is and the other turned."
    ):
        page.question(
            lesson.slug,
            "Could the view be a blur instead of a turn?",
            ["yes", "no"],
            "The network expects noise whose pixels are independent and of equal strength. Turning and shuffling keep it so; a blur "
            "would not, and the network would see noise of a kind it never met.",
            right="no",
        )
    name = st.session_state["model"]
    with meanwhile(lesson.slug, name, columns=3):
        import torch

        from lessons_lib.lessons import anagrams
        from lessons_lib.lessons._common import seeds_of
        from lessons_lib.lessons._readings import read_both
        from lessons_lib.maths.denoisers import anagram
        from lessons_lib.maths.images import to_uint8
        from lessons_lib.maths.views import VIEWS
        from lessons_lib.models.opening import open_model
        from lessons_lib.ui.pictures import drag_picture

        model = open_model(name)
    warm(name)
    default = anagrams.about(model)
    settings, picture = stage.columns()
    with settings, stage.needs_run():
        prompt = controls.prompt(lesson.slug, model, default=default["prompt"])
        turned_prompt = controls.prompt(lesson.slug, model, name="turned_prompt", default=default["turned_prompt"])
        for p in (prompt, turned_prompt):
            pictures.unknown_words_hint(model, p)
        view_name = controls.select(lesson.slug, "view", list(VIEWS), default=default["view"])
        guidance_scale = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
        num_images = controls.slider(lesson.slug, "num_images", 1, 8, 6, 1, help="each of its own seed: seed, seed + 1, ...")
        seed = controls.seed()
    asked = {"prompt": prompt, "turned_prompt": turned_prompt, "view": view_name, "seed": seed}
    about = anagrams.about(model, **asked, num_images=num_images, guidance_scale=guidance_scale)

    def sides_of(made):
        return made["prompt"], f"{made['turned_prompt']} ({made['view']})"

    def found_in(film):
        final, view = film.final_tensor(), VIEWS[film.about["view"]]
        sides = film.about["prompt"], film.about["turned_prompt"]
        return film.once("found", lambda: read_both(model, final, view.there(final), *sides))

    with picture:
        film, chosen = play_pairs(
            lesson.slug,
            name,
            about,
            lambda: anagrams.walk(model, about),
            num_images=num_images,
            judge=model.judge,
            found_in=found_in,
            sides_of=sides_of,
            columns=3,
            scope=f"{lesson.slug}_scope",
        )
        if film is not None:
            made, view, final, found = film.about, VIEWS[film.about["view"]], film.final_tensor(), found_in(film)
            seeds, sides = seeds_of(made["seed"], len(film.final)), sides_of(made)
            if found:
                page.caption(
                    "After each prompt: as which of its readings **the judge** has it, and how sure it is. The judge is a small "
                    "classifier, trained on real pictures; it must choose one of the things it knows, and what it ranks fourth no "
                    "person would see."
                )
    tabs = stage.below(
        lesson.slug,
        "Things to try",
        "Turn it yourself",
        "One pixel",
        film is not None and found and "Which seeds work?",
        "Save",
        "Code",
    )
    if film is not None:
        with tabs["Turn it yourself"]:
            motion, degrees = MOTIONS.get(view.name, ("fade", 0))
            seen = to_uint8(view.there(final[chosen : chosen + 1])).numpy()
            both = [film.final[chosen], seen[0]]
            words = [f"as it is: {made['prompt']}", f"{view.name}: {made['turned_prompt']}"]
            alt = f"{made['model']}, seed {seeds[chosen]}"
            one, two = st.columns(2)
            with one:
                drag_picture(
                    both,
                    words,
                    f"{view.name}: slide, drag the picture, or press space",
                    alt,
                    "anagrams_hand",
                    motion=motion,
                    degrees=degrees,
                )
            with two:
                pictures.in_a_row(torch.stack([torch.from_numpy(b) for b in both]).numpy(), words, alt, wide=150)
                if model.judge is not None:
                    first, second = pictures.readings(
                        model, torch.cat([final[chosen : chosen + 1], view.there(final[chosen : chosen + 1])])
                    )
                    page.caption(f"What the judge reads first{first}; through the view{second}.")
        with tabs["One pixel"]:
            page.equation(r"\epsilon=\tfrac12\bigl(\epsilon(x_t,p_1)+\mathrm{back}(\epsilon(\mathrm{there}(x_t),p_2))\bigr)")
            page.equation(r"\epsilon(x,p)=\epsilon_u(x)+\gamma\,(\epsilon_c(x,p)-\epsilon_u(x))")
            microscope(film, model.schedule, f"{lesson.slug}_scope")
        if found:
            with tabs["Which seeds work?"]:
                plots.bars(found, seeds, sides, f"{lesson.slug}_bars")
        with tabs["Save"]:
            pictures.downloads(film, f"anagrams-{name}-{seed}", columns=3)
    with tabs["Code"]:
        page.show_source(anagram, type(VIEWS[view_name]), anagrams.seen_twice, titled=False)
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                *((f"{p}, and turned {q}", {"prompt": p, "turned_prompt": q}) for p, q in model.pairs_for("anagrams")[1:4]),
                ("The same prompts, flipped upside down", {"view": "flip"}),
                ("Light for dark", {"view": "negative"}),
                ("Cut in sixteen and laid anew: noise stays noise, but no shape is shared", {"view": "jigsaw"}),
                ("Strong guidance: do the two sides fight harder?", {"guidance_scale": 12.0}),
            ],
            titled=False,
        )
