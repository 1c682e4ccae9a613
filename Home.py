from lessons_lib import plan
from lessons_lib.catalogue import PARTS, lesson, written
from lessons_lib.files.film import Film, opening_path
from lessons_lib.ui import controls, hand_in, page
from lessons_lib.ui.filmstrip import hero
from lessons_lib.ui.pictures import card
from lessons_lib.ui.playground import warm

with page.lesson_page("home"):
    import streamlit as st

    page.style("home")
    if (found := controls.follow(st.query_params.get("c", ""))) is not None:
        st.switch_page(lesson(found[0]).file, query_params=found[1])

    names = [n for n in ("emoji", "mnist") if opening_path("hero", n).exists()]
    words, moving = st.columns(2, gap="large", vertical_alignment="center")
    with words:
        st.title("Diffusion, Step by Step", anchor=False)
        st.markdown(
            "**See how noise becomes a picture**, one timestep at a time. Move a slider, press Run, and every picture is "
            "computed on this machine, by the code shown beside it. No graphics card, no account."
        )
        first = written()[0]
        with st.container(key="begin"):
            page.link_to(first, f"Begin with {first.title}", ":material/play_arrow:")
    film = Film.load(opening_path("hero", names[0])) if names else None
    if film is not None:
        with moving:
            hero(film, columns=4)
            st.caption(f"Kept from an earlier run ({film.kept}): {film.about['model']}, {len(film)} of {film.total} steps.")

    for part, title in PARTS.items():
        lessons = [x for x in written() if x.part == part]
        if not lessons:
            continue
        st.header(title, anchor=False)
        for row in range(0, len(lessons), 3):
            three = lessons[row : row + 3]
            for column, one in zip(st.columns(3), three, strict=False):
                with column, st.container(border=True, height="stretch", key=f"card_{one.slug}"):
                    picture = card(one.slug)
                    if picture is not None:
                        st.image(picture[0], alt=picture[1], width="stretch")
                    mark = ":material/check_circle:" if one.slug in hand_in.done() else None
                    page.link_to(one, f"**{one.title}**", mark)
                    st.caption(f"{one.summary} {one.minutes} minutes.")
    st.download_button(
        "Lesson plan",
        plan.plan,
        "lesson-plan.md",
        "text/markdown",
        on_click="ignore",
        icon=":material/school:",
        help="for the lecturer",
    )
    st.caption("For the class: open a lesson, set its sliders, and copy the link. It opens exactly there for everyone.")
    if names:
        warm(names[0])  # torch and the model load while this page is read
