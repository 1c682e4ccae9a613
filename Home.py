from lessons_lib.catalogue import PARTS, written
from lessons_lib.film import Film, opening_path
from lessons_lib.ui import page
from lessons_lib.ui.cards import card
from lessons_lib.ui.filmstrip import hero
from lessons_lib.ui.playground import warm

STYLE = """
<style>
  /* the whole card is the link, and its words begin where the pictures do */
  [class*="st-key-card_"] { position: relative; gap: .6rem; }
  [class*="st-key-card_"]:hover { border-color: currentColor; }
  [class*="st-key-card_"] [data-testid="stPageLink-NavLink"] { padding: 0; background: none; position: static; }
  [class*="st-key-card_"] [data-testid="stPageLink-NavLink"]::after { content: ""; position: absolute; inset: 0; }
  .st-key-begin [data-testid="stPageLink-NavLink"] { background: light-dark(#3b4cc0, #9aa8ff); padding: .5rem 1rem; }
  .st-key-begin [data-testid="stPageLink-NavLink"] * { color: light-dark(#fff, #12141c); font-weight: 600; }
</style>
"""

with page.lesson_page("home"):
    import streamlit as st

    st.html(STYLE)

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
            st.page_link(
                first.file, label=f"Begin with {first.title}", icon=":material/play_arrow:", query_params=page.travelling()
            )
    film = Film.load(opening_path("hero", names[0])) if names else None
    if film is not None:
        with moving:
            hero(film, columns=4)
            st.caption(f"Kept from an earlier run ({film.kept}): {film.about['model']}, {len(film)} of {film.total} steps.")

    for part, title in PARTS.items():
        lessons = [x for x in written() if x.part == part]
        if not lessons:
            continue
        st.subheader(title, anchor=False)
        for row in range(0, len(lessons), 3):
            three = lessons[row : row + 3]
            for column, lesson in zip(st.columns(3), three, strict=False):
                with column, st.container(border=True, height="stretch", key=f"card_{lesson.slug}"):
                    picture = card(lesson.slug)
                    if picture is not None:
                        st.image(picture[0], alt=picture[1], width="stretch")
                    st.page_link(lesson.file, label=f"**{lesson.title}**", query_params=page.travelling())
                    st.caption(lesson.summary)
    st.caption("For the class: open a lesson, set its sliders, and copy the link. It opens exactly there for everyone.")
    if names:
        warm(names[0])  # torch and the model load while this page is read
