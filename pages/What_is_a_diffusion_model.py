"""What a diffusion model is: the whole machine as one moving picture, before any symbol."""

from lessons_lib.ui import controls, page, pictures, stage
from lessons_lib.ui.page import pipeline

NOISES = ["this noise", "another noise"]

with page.lesson_page("what") as lesson:
    import numpy as np
    import streamlit as st

    from lessons_lib.files.film import Film, opening_path

    stage.begin()
    page.idea(
        "A diffusion model makes pictures that nobody has drawn: you say what, it begins with **noise**, grains of colour drawn by "
        "dice, and cleans them up until a picture stands there. Nobody can paint a strawberry out of noise in one go. But a network can "
        "learn a much easier thing: to look at a noisy picture and say **which part of it is noise**. That is all it ever does."
    )
    names = [n for n in ("emoji", "mnist") if opening_path("what", n).exists() and opening_path("what_training", n).exists()]
    walk, training = (Film.load(opening_path(name, names[0])) for name in ("what", "what_training"))
    prompts = walk.about["prompts"].split(", ")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        words = controls.choice(lesson.slug, "prompt", prompts, label="what it is asked for")
        noise = controls.choice(lesson.slug, "noise", NOISES, label="where it begins")
    which = NOISES.index(noise) * len(prompts) + prompts.index(words)
    pipeline(walk, training, which, words)
    page.caption(
        f"Both rows were really computed by one network, the {walk.about['model']} model of these lessons; kept from {walk.kept}. Above, "
        f"all of its {walk.total} steps. Below, six questions of the kind that taught it, asked again now that it has learned."
    )
    why, use, not_this = st.tabs(["Why guessing noise makes pictures", "What it is good for", "What it is not"])
    with why:
        st.markdown(
            "To say what is noise, one must know what is *not*. Under the grains below lies something, and the network can only tell "
            "noise from picture if it knows what strawberries, faces or digits look like. So whoever can guess the noise well **knows what "
            "pictures look like**, though nobody ever told it.\n\n"
            "Now give it noise with nothing underneath. It cannot know that: it is as sure as ever that something hides there, and says "
            "where. Believe it a little, take a little of the noise away, and the faint something is really there now. Ask again: this "
            "time it sees more. What was a guess becomes a picture. The words say in which direction to guess; the first noise, and the "
            "dice thrown on the way, say which of the endlessly many strawberries it becomes."
        )
        at = sorted({0, 1, 2, len(walk) // 2, len(walk) - 1})
        row = np.stack([walk.frames()[i][which] for i in [*at, len(walk)]])
        said = ["pure noise", *(f"after step {walk.index[i - 1] + 1}" for i in at[1:]), "the picture"]
        pictures.in_a_row(row, said, f"{words} on its way", wide=110)
    with use:
        st.markdown(
            "The same machine, with other words beside it or another start, does all that the lessons show: pictures from a sentence, "
            "a rough drawing made real (*Image to image*), a hole filled anew (*Inpainting*), one picture that is two things "
            "(*Visual anagrams*). Outside of these lessons it makes video and sound, sharpens photographs, and proposes molecules: "
            "whatever can be drowned in noise, bit by bit, can be fished out again."
        )
    with not_this:
        st.markdown(
            "- **It does not search a collection** and paste pieces: while it draws, there is no picture to look at, only the network's "
            "numbers. (It can still have learned a picture by heart, most of all one that it saw many times.)\n"
            "- **It does not undo anything.** Noise destroys for good: the picture that comes out was never in there.\n"
            "- **It does not understand words as you do.** To it they are numbers that stood beside pictures like these."
        )
    page.things_to_try(
        lesson,
        [
            ("Other noise, the same words: what changes?", {"noise": NOISES[1]}),
            ("The same noise, other words: what stays?", {"prompt": prompts[1]}),
            ("Other noise and other words", {"prompt": prompts[1], "noise": NOISES[1]}),
        ],
    )
