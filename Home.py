from lessons_lib.film import Film, first_picture, opening_path
from lessons_lib.ui import page, parts
from lessons_lib.ui.hero import hero
from lessons_lib.ui.lessons import PARTS, written
from lessons_lib.ui.playground import warm

with page.lesson_page("home"):
    import streamlit as st

    names = [n for n in ("emoji", "mnist") if opening_path("hero", n).exists()]
    words, moving = st.columns([2, 3], gap="large", vertical_alignment="center")
    with words:
        st.title("Diffusion, Step by Step", anchor=False)
        st.markdown(
            "**See how noise becomes a picture**, one timestep at a time. Move a slider, press Run, and every picture is "
            "computed on this machine, by the code shown beside it. No graphics card, no account."
        )
        first = written()[0]
        st.page_link(first.file, label=f"Begin with {first.title}", icon=":material/play_arrow:", query_params=page.travelling())
    film = Film.load(opening_path("hero", names[0])) if names else None
    if film is not None:
        with moving:
            hero(film, columns=6)
            st.caption(
                f"Kept from an earlier run ({film.kept}): {film.about['model']}, {film.total} of {film.about['steps']} steps."
            )

    for part, title in PARTS.items():
        lessons = [x for x in written() if x.part == part]
        if not lessons:
            continue
        st.subheader(title, anchor=False)
        for row in range(0, len(lessons), 3):
            for column, lesson in zip(st.columns(3), lessons[row : row + 3], strict=False):
                with column, st.container(border=True, height="stretch"):
                    pixels = first_picture(lesson.slug)
                    if pixels is not None:
                        parts.picture(pixels, f"a picture from {lesson.title}", wide=96)
                    st.page_link(lesson.file, label=f"**{lesson.title}**", query_params=page.travelling())
                    st.caption(lesson.summary)
    st.caption("For the class: open a lesson, set its sliders, and copy the link. It opens exactly there for everyone.")
    if names:
        warm(names[0])  # torch and the model load while this page is read
