from lessons_lib.ui import controls, page, parts
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.playground import play, warm

WEIGHTS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0)

with page.lesson_page("prompts", models=None) as lesson:
    import difflib

    import streamlit as st
    import torch
    from PIL import Image

    from lessons_lib.images import from_uint8
    from lessons_lib.models import open_model
    from lessons_lib.pictures import enlarge, tiled, to_png
    from lessons_lib.ui.contact import contact_sheet
    from lessons_lib.walks import blends, gaussian_for, hybrids

    page.idea(
        "To the network a prompt is a table of numbers, its **embedding**. Words it was taught have their place in it, words it never "
        "met do not. Between two prompts lie mixtures that nobody ever wrote, and the network draws them too."
    )
    name = st.session_state["model"]
    warm(name)
    model = open_model(name)
    if name == "emoji":
        from lessons_lib.text_to_image.data import STYLES, concepts, pictures, vocabulary

        page.section("What the model knows")
        known = [c.name for c in concepts()]
        search = controls.text(
            lesson.slug,
            "search",
            "cat",
            help="part of a word; what the model was taught is shown as it was drawn by three artists",
        )
        found = [i for i, n in enumerate(known) if search.lower().strip() and search.lower().strip() in n] or [
            known.index(n) for n in difflib.get_close_matches(search.lower().strip(), known, 6, 0.5)
        ]
        st.caption(
            f"{len(known)} things in {len(STYLES)} styles, {len(vocabulary())} words. {len(found)} found, the first six shown."
        )
        for i in found[:6]:
            first = i * len(STYLES)
            parts.pictures_in_a_row(
                pictures().images[first : first + 3].numpy(),
                [f"{known[i]}, {s}" for s in STYLES],
                "from the training set",
                wide=96,
            )
        if not found:
            st.info(f"Nothing like “{page.plain(search)}”: try {', '.join(known[:5])}.")
    else:
        st.info(
            "The words below belong to this model. For a model with a vocabulary, choose **emoji** in the sidebar.",
            icon=":material/lightbulb:",
        )

    page.section("Between two prompts")
    one, two, three = st.columns(3)
    with one:
        a = controls.prompt(lesson.slug, model, name="from_prompt", default=model.prompts[0])
    with two:
        b = controls.prompt(lesson.slug, model, name="to_prompt", default=model.prompts[1])
    with three:
        guidance_scale = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
        seed = controls.seed()
    for p in (a, b):
        parts.unknown_words_hint(model, p)
    about = {"model": model.title, "from_prompt": a, "to_prompt": b, "seed": seed, "guidance_scale": guidance_scale}
    film = play(
        lesson.slug,
        name,
        about,
        lambda: blends(model, a, b, WEIGHTS, guidance_scale=guidance_scale, seed=seed),
        columns=len(WEIGHTS),
    )
    if film is not None and len(film.final) == len(WEIGHTS):
        readings = parts.readings(model, from_uint8(torch.from_numpy(film.final)))
        captions = [f"{w:.0%}{r}" for w, r in zip(WEIGHTS, readings, strict=True)]
        parts.pictures_in_a_row(film.final, captions, parts.describe(film.about), wide=112)
        st.caption("One noise, seven mixtures of the two embeddings. The percentage is the share of the second prompt.")
        filmstrip(film, f"{lesson.slug}_strip", columns=len(WEIGHTS), alt=parts.describe(film.about), wide=760)
        parts.downloads(film, f"blend-{name}-{seed}", columns=len(WEIGHTS))
        page.equation(r"c=(1-w)\,c_{\text{from}}+w\,c_{\text{to}}")

    page.section("A logo of your own")
    st.markdown(
        "A hybrid of two prompts, as on the Hybrid images page: choose what is seen from afar and what from near, keep the best, print it."
    )
    left, right = st.columns(2)
    with left:
        far = controls.prompt(lesson.slug, model, name="logo_far", default=model.prompts[2])
    with right:
        near = controls.prompt(lesson.slug, model, name="logo_near", default=model.prompts[3])
    kernel_size, sigma = gaussian_for(model.shape[1])
    logo_about = {"model": model.title, "logo_far": far, "logo_near": near, "seed": seed, "guidance_scale": guidance_scale}

    def logo_walk():
        return hybrids(
            model, far, near, kernel_size=kernel_size, sigma=sigma, num_images=4, guidance_scale=guidance_scale, seed=seed
        )

    logo = play(lesson.slug, name, logo_about, logo_walk, columns=4, name="logo", opening="logo", shortcuts=False)
    if logo is not None:
        chosen = contact_sheet(
            logo.final,
            [str(i + 1) for i in range(len(logo.final))],
            None,
            logo.about,
            f"prompts_logo_{name}",
            parts.describe(logo.about),
        )

        def print_size() -> bytes:
            return to_png(enlarge(Image.fromarray(tiled(logo.final[chosen : chosen + 1], 1)), 2400), logo.about)

        st.download_button(
            "Logo at print size (PNG, 2400 pixels)",
            print_size,
            f"logo-{name}-{seed}.png",
            "image/png",
            on_click="ignore",
            icon=":material/print:",
        )

    with st.expander("Prompt embeddings for DeepFloyd IF"):
        st.markdown(
            "DeepFloyd's text encoder is too large for most machines; a file of precomputed embeddings does instead: a dict "
            "`{prompt: tensor}` saved with `torch.save`, each tensor (1, 77, 4096), the empty prompt among them. Check yours here."
        )
        file = st.file_uploader("embeddings (.pt, .pth)", key="prompts_embeddings")
        if file is not None:
            import tempfile
            from pathlib import Path

            from lessons_lib.text_to_image.model import embeddings_from_file

            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / Path(file.name).name
                path.write_bytes(file.getvalue())
                embeddings = embeddings_from_file(path)
            st.success(
                f"{len(embeddings)} prompts: {', '.join(list(embeddings)[:8])} ... Point `DEEPFLOYD_EMBEDDINGS` at this file and start the app."
            )
    page.show_source(blends, hybrids)
    page.things_to_try(lesson, [("Other seeds, other half-way creatures", {"guidance_scale": 5.0})])
