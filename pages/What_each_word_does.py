"""What each word does: where the network looks, by word and step; a word left out, doubled, moved; pairs it was never taught."""

from lessons_lib.ui import controls, digits, page, pictures, plots, stage
from lessons_lib.ui.playground import meanwhile, play, warm

NAME = "emoji"

with page.lesson_page("words") as lesson:
    import streamlit as st

    stage.begin()
    with stage.idea(
        "At every step the network asks, at each place of its innermost picture, *what matters here?* It divides its **attention** among "
        "the words of the prompt, the padding behind them and the picture itself. Where a word gets more, that word has more say."
    ):
        page.question(
            lesson.slug,
            "Of *a red car in twemoji style*, which word gets the most attention?",
            ["a", "red", "car", "twemoji"],
            "The thing: see the maps, and *By kind of word* for the mean of many prompts.",
            right="car",
        )
    settings, picture = stage.columns(narrow=True)
    with picture, meanwhile(lesson.slug, NAME, columns=7):
        import numpy as np
        import torch

        from lessons_lib.lessons import words
        from lessons_lib.maths.images import from_uint8, to_uint8
        from lessons_lib.models import attention as looking
        from lessons_lib.models.opening import open_model

        model = open_model(NAME)
    warm(NAME)
    with settings:
        with stage.needs_run():
            prompt = controls.prompt(lesson.slug, model, default=words.PROMPT)
            pictures.unknown_words_hint(model, prompt)
            change = controls.choice(lesson.slug, "change", list(words.CHANGES), help="what is done to each word in turn")
            guidance = controls.slider(lesson.slug, "guidance_scale", 1.0, 15.0, model.guidance_scale, 0.5)
        with stage.more():
            seed = controls.seed()
    about = words.about(model, prompt=prompt, change=change, seed=seed, guidance_scale=guidance)

    def said(made: dict) -> list[str]:
        return list(words.variants(made["prompt"], made["change"]))

    with picture:
        film = play(
            lesson.slug, NAME, about, lambda: words.walk(model, about), channels=("x0_hat",), captions=said, stream_wide=96
        )
        if film is not None:
            n = len(film)
            step = int(controls.slider(lesson.slug, "step", 1, n, min(n, 3), 1)) if n > 1 else 1
            t, xt = film.t[step - 1], torch.from_numpy(film.numbers[step - 1][0])[None]
            made = film.about["prompt"]
            seen = film.once(f"attention {step}", lambda: model.attention(made, xt, t))
            guess = from_uint8(film.x0_hat[step - 1])[0]
            most = max(0.02, max((m.max().item() for m in seen.maps), default=0.02))
            laid = [words.laid_over(guess, m, most) for m in seen.maps[: words.MOST]]
            captions = [f"{w}: {s:.1%}" for w, s in zip(seen.words, seen.shares, strict=True)][: words.MOST]
            shown = np.stack([to_uint8(guess[None])[0].numpy(), *laid])
            pictures.in_a_row(shown, ["its guess: then", *captions], f"attention at t = {t}", wide=96, key=f"{lesson.slug}_seen")
            page.caption(
                f"Above: one noise, and what differs is the word. Below: the guess of the first at t = {t}, and where it looks at each word "
                f"then: {most:.0%} of the attention is full orange. Padding gets {seen.padding:.0%}, the picture itself {seen.picture:.0%}."
            )

    tabs = stage.below(
        lesson.slug,
        "Things to try",
        film and "Step by step",
        "By kind of word",
        "What a word changes",
        "Never taught",
        "Code",
        walks={"held_out": "Never taught"},
    )
    with tabs["Things to try"]:
        page.things_to_try(
            lesson,
            [
                ("Each word twice: does it count double?", {"change": "doubled"}),
                ("Each word first: does the order matter?", {"change": "moved to the front"}),
                ("Another thing and style", {"prompt": "a penguin in noto style"}),
                ("A word that it was never taught", {"prompt": "a gloomy castle in twemoji style"}),
                ("Stronger guidance: do the small words count now?", {"guidance_scale": 7.0}),
            ],
            titled=False,
        )
    if film is not None:
        with tabs["Step by step"]:
            xts = [torch.from_numpy(v[0])[None] for v in film.numbers]
            lines = film.once("shares", lambda: words.shares_over_time(model, film.about["prompt"], xts, film.t))
            shown = {k: (film.t, v) for k, v in lines.items() if k not in ("padding", "the picture itself")}
            plots.line_plot(
                shown,
                "t (the walk goes from right to left)",
                "share of the attention",
                f"{lesson.slug}_steps",
                mark=t,
                mark_label=f"t = {t}",
                markers=True,
            )
            page.caption("The first picture's walk: the mean share of each word over all places.")
    with tabs["By kind of word"]:

        def draw_kinds(rows: list[dict], key: str) -> None:
            lines = {k: ([r["t"] for r in rows], [r[k] for r in rows]) for k in rows[0] if k != "t"}
            plots.line_plot(lines, "t", "share of the attention", key, markers=True, height=380)

        plots.measured("words_attention", NAME, lambda: words.attention_by_kind(model), draw_kinds, minutes="about a minute")
        page.caption(
            "Twenty-four pictures by the artists, noised to t and told what they are. Of all words those of the thing get the most, at every "
            "t, and the more noise, the more. Most of the attention goes to no word at all, but to the picture itself and to the padding."
        )
    with tabs["What a word changes"]:

        def draw_effect(rows: list[dict], key: str) -> None:
            digits.table(
                [
                    {
                        "change": r["change"],
                        "distance (RMS)": f"{r['distance']:.3f}",
                        "the thing is read": f"{r['read right']:.0%}",
                    }
                    for r in rows
                ]
            )

        plots.measured("words", NAME, lambda: words.effect_of_words(model), draw_effect, minutes="one to three minutes")
        page.caption(
            "Eight prompts a row, *a THING in STYLE style*, at the model's own guidance. The distance is to the picture of the whole prompt, "
            "from the same noise. Without the thing it is another picture, farther away than another seed's."
        )
    with tabs["Never taught"]:
        st.markdown(
            "One pair of thing and style in sixteen was kept from the model. It knows the thing from other styles and the style from other "
            "things: can it put them together?"
        )
        never = words.about_held_out(model, seed=seed, guidance_scale=guidance)
        of = words.pairs(6)
        captions = [words.caption(*p) for p in of]
        held = play(
            lesson.slug,
            NAME,
            never,
            lambda: words.walk_held_out(model, never),
            name="held_out",
            shortcuts=False,
            opening="words_held_out",
            captions=lambda made: captions,
            stream_wide=96,
            channels=("x0_hat",),
        )
        page.caption("Below: what the artists drew, which the model never saw.")
        pictures.in_a_row(to_uint8(words.true_pictures(of, model.shape[1])).numpy(), captions, "the artist's own", wide=96)

        def draw_held(rows: list[dict], key: str) -> None:
            digits.table(
                [
                    {
                        "pairs": r["pairs"],
                        "number": r["n"],
                        "the thing is read": f"{r['read right']:.0%}",
                        "in the artists' own": f"{r['real']:.0%}",
                    }
                    for r in rows
                ]
            )

        plots.measured("words_held_out", NAME, lambda: words.held_out_against_taught(model), draw_held, minutes="three minutes")
        page.caption(
            "Thirty-two pairs a row, read by the judge. It sees whether the thing is there, not whether the style is right: for that, "
            "compare the two rows by eye."
        )
    with tabs["Code"]:
        page.show_source(looking._looked_at, looking.watched, words.variants, titled=False)
