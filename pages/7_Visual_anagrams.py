from lessons_lib.ui import controls, page, parts
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import play, warm

MOTIONS = {
    "turn 180": ("turn", 180),
    "quarter turn": ("turn", -90),
    "flip": ("flip", 180),
    "negative": ("fade", 0),
    "jigsaw": ("fade", 0),
}

with page.lesson_page("anagrams", models=None) as lesson:
    import streamlit as st
    import torch
    from PIL import Image

    from lessons_lib.denoisers import anagram
    from lessons_lib.images import from_uint8, to_uint8
    from lessons_lib.models import open_model
    from lessons_lib.openings import anagram_prompts
    from lessons_lib.pictures import tiled
    from lessons_lib.ui.contact import contact_sheet
    from lessons_lib.ui.turntable import under_the_hand
    from lessons_lib.views import VIEWS
    from lessons_lib.walks import anagrams

    page.idea(
        "Ask the network twice at every step: about the picture as it is, with one prompt, and about the picture turned, with "
        "another. Turn the second answer back and take the mean. The walk then ends at one picture that both prompts believe in, "
        "each from its own side."
    )
    page.question(
        lesson.slug, "Could the view be a blur instead of a turn?", ["yes", "no"],
        "No: the network expects noise whose pixels are independent and of equal strength. Turning and shuffling keep it so; a blur "
        "would not, and the network would see noise of a kind it never met.",
    )  # fmt: skip
    name = st.session_state["model"]
    warm(name)
    model = open_model(name)
    default, turned_default, default_view = anagram_prompts(name)
    left, right = st.columns([1, 2], gap="large")
    with left:
        prompt = controls.prompt(lesson.slug, model, default=default)
        turned_prompt = controls.prompt(lesson.slug, model, name="turned_prompt", default=turned_default)
        for p in (prompt, turned_prompt):
            parts.unknown_words_hint(model, p)
        view_name = controls.select(lesson.slug, "view", list(VIEWS), default=default_view)
        guidance_scale = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
        num_images = controls.slider(lesson.slug, "num_images", 1, 8, 6, 1)
        seed = controls.seed()
    about = {
        "model": model.title, "prompt": prompt, "turned_prompt": turned_prompt, "view": view_name, "seed": seed,
        "guidance_scale": guidance_scale,
    }  # fmt: skip

    def walk():
        view = VIEWS[view_name]
        return anagrams(model, prompt, turned_prompt, view, num_images=num_images, guidance_scale=guidance_scale, seed=seed)

    with right:
        film = play(lesson.slug, name, about, walk, columns=3)
        if film is not None:
            made = film.about
            view = VIEWS[made["view"]]
            final = from_uint8(torch.from_numpy(film.final))
            scores, captions = parts.two_readings(model, final, view.there(final), made["prompt"], made["turned_prompt"])
            chosen = contact_sheet(film.final, captions, scores, made, f"anagrams_keep_{name}", parts.describe(made))
            if scores is not None:
                st.caption(
                    "Best first: sorted by the worse of the two readings. Each number is the rank the judge gives the prompt; 1 is first."
                )
    if film is not None:
        page.section("Turn it yourself")
        motion, degrees = MOTIONS[view.name]
        one, two = st.columns(2)
        with one:
            first = Image.fromarray(tiled(film.final[chosen : chosen + 1], 1))
            seen = to_uint8(view.there(final[chosen : chosen + 1])).numpy()
            alt = f"{made['model']}: {made['prompt']}; through the view {view.name}: {made['turned_prompt']}"
            under_the_hand(first, f"{view.name}: slide, or press space", alt, "anagrams_hand", motion=motion, degrees=-degrees,
                           second=Image.fromarray(tiled(seen, 1)))  # fmt: skip
        with two:
            both = [film.final[chosen], seen[0]]
            import numpy as np

            parts.pictures_in_a_row(
                np.stack(both), [f"as it is: {made['prompt']}", f"{view.name}: {made['turned_prompt']}"], alt, wide=150
            )
        page.section("Every step")
        filmstrip(film, f"{lesson.slug}_strip", columns=3, alt=parts.describe(made), wide=480)
        parts.downloads(film, f"anagrams-{name}-{seed}", columns=3)
        page.section("The equation")
        page.equation(r"\epsilon=\tfrac12\bigl(\epsilon(x_t,p_1)+\mathrm{back}(\epsilon(\mathrm{there}(x_t),p_2))\bigr)")
        parts.microscope(film, model.schedule, f"{lesson.slug}_scope")
    page.show_source(anagram, type(VIEWS[view_name]), anagrams)
    tries = [
        ("Upside down", {"view": "flip"}),
        ("Light for dark", {"view": "negative"}),
        ("Cut in sixteen and laid anew", {"view": "jigsaw"}),
    ]
    page.things_to_try(lesson, tries)
