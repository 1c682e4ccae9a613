"""Hand in: what a learner made, on the checklist of the course's year."""

from lessons_lib.ui import controls, page, stage

IN_A_LINE = 3  # lessons
SHOWN = 4  # pictures of a lesson

with page.lesson_page("hand_in") as lesson:
    import streamlit as st

    from lessons_lib.catalogue import PARTS, YEARS, written
    from lessons_lib.catalogue import lesson as lesson_of
    from lessons_lib.files import decoders
    from lessons_lib.files.typed import as_typed
    from lessons_lib.ui import hand_in, save, stamp

    stage.begin()
    page.idea(
        "Everything you computed in the lessons gathers here by itself, beside what the course wants to see: pictures, captions, "
        "seeds, settings, your notes, and a fingerprint of each network that made them. Take it away as one web page, or as a "
        "ZIP with every picture."
    )
    if taken := st.session_state.pop("hand_in_taken", None):
        st.success(taken, icon=":material/check:")
    help = "Part B walks by DDPM in 2024, and by flow matching in 2025"
    which, whose = st.columns([1, 4], gap="medium")
    with which:
        year = int(controls.choice(lesson.slug, "year", [str(y) for y in YEARS], help=help))
    deliverables = {slug: wanted for slug, wanted in hand_in.DELIVERABLES[year].items() if lesson_of(slug) in written()}
    records = hand_in.records()
    chosen = hand_in.chosen(year)

    author = whose.text_input(
        "Your name", key="hand_in_author", max_chars=80, persist_state="session", placeholder="printed at the top of the hand-in"
    )
    st.progress(len(chosen) / len(deliverables), f"{len(chosen)} of {len(deliverables)} lessons on your hand-in")
    with st.container(horizontal=True):
        nothing = not chosen
        st.download_button(
            "Hand-in as one page (HTML)",
            lambda: hand_in.as_html(author, chosen, year),
            "hand-in.html",
            "text/html",
            disabled=nothing,
            on_click="ignore",
            type="primary",
            icon=":material/download:",
            key="hand_in_html",
        )
        st.download_button(
            "Hand-in with every picture (ZIP)",
            lambda: hand_in.as_zip(author, chosen, year),
            "hand-in.zip",
            "application/zip",
            disabled=nothing,
            on_click="ignore",
            icon=":material/folder_zip:",
            key="hand_in_zip",
        )
    if nothing:
        st.info("Nothing yet: open a lesson, press **Run**, and come back.", icon=":material/play_arrow:")
    if hand_in.kept().failed:
        st.warning(
            "This browser keeps nothing (a private window?): save the ZIP before you close this tab.", icon=":material/warning:"
        )
    else:
        st.caption("This browser keeps your work and your notes, on this machine alone. To go on elsewhere, take the ZIP there.")

    elsewhere = [lesson_of(slug).title for slug in records if slug not in deliverables]
    if elsewhere:
        st.caption(f"Kept, but not on the list of {year}: {', '.join(elsewhere)}.")

    def card(slug: str, wanted: tuple[str, ...]) -> None:
        """A lesson of the list: the way to it, what is wanted, and what was made."""
        that, record = lesson_of(slug), records.get(slug)
        page.link_to(that, icon=page.DONE if record is not None else ":material/radio_button_unchecked:")
        if record is None:
            st.caption(f"not made yet: {' · '.join(wanted)}")
            return
        st.caption(" · ".join(wanted))
        st.checkbox(f"hand in what was made {as_typed(record.made)}", True, key=f"hand_in_{slug}")
        with st.container(horizontal=True, gap="small"):
            for picture in record.pictures[:SHOWN]:
                said = f"{picture.alt}: {picture.caption}" if picture.caption else picture.alt
                st.image(picture.content, width=64, alt=said)
        more, lines = len(record.pictures) - SHOWN, record.settings[:2]
        if more > 0:
            lines = [*lines, "and one more picture" if more == 1 else f"and {more} more pictures"]
        for line in lines:
            st.html(f'<div style="font-size: .8rem; opacity: .8">{save.rendered(line)}</div>')

    parts = {part: [slug for slug in deliverables if lesson_of(slug).part == part] for part in PARTS}
    parts = {part: slugs for part, slugs in parts.items() if slugs}
    names = [f"{PARTS[part]}: {sum(slug in records for slug in slugs)} of {len(slugs)}" for part, slugs in parts.items()]
    for tab, slugs in zip(st.tabs(names, key="hand_in_parts"), parts.values(), strict=True):
        with tab:
            for i in range(0, len(slugs), IN_A_LINE):
                for slug, place in zip(slugs[i : i + IN_A_LINE], st.columns(IN_A_LINE, gap="small"), strict=False):
                    with place.container(border=True, height="stretch", gap="xsmall"):
                        card(slug, deliverables[slug])

    chosen_hashes = hand_in.hashes(chosen)
    if chosen_hashes:
        page.section("The networks behind these pictures")
        st.dataframe([{"weights": f, "SHA-256": h} for f, h in chosen_hashes.items()], hide_index=True)
    with st.expander("Open a saved picture"):
        saved = st.file_uploader(
            "A PNG or GIF saved in a lesson, or out of a hand-in", key="hand_in_picture", max_upload_size=decoders.PICTURE_MB
        )
        if saved is not None:
            stamp.show(stamp.read(saved.getvalue()))
    with st.expander("Take back an earlier hand-in"):
        given = st.file_uploader("A ZIP saved on this page", type="zip", key="hand_in_given", max_upload_size=decoders.HAND_IN_MB)
        if given is not None and st.button("Take it back", icon=":material/upload:"):
            name, found = hand_in.from_zip(given.getvalue())
            fresh = [r for r in found if r.slug not in records]
            records.update({r.slug: r for r in fresh})
            hand_in.kept().taken |= {r.slug for r in fresh}
            kept = f"; {len(found) - len(fresh)} are here already and stay as they are" if len(fresh) < len(found) else ""
            st.session_state["hand_in_taken"] = f"{len(fresh)} lessons taken back{kept}."
            st.rerun()
    with st.expander("Forget all of it"):
        st.markdown(
            "On a machine that others use, too: take the ZIP first. Work, notes and marks are then gone from this browser."
        )
        st.button("Forget my work", key="hand_in_forget", on_click=hand_in.forget, icon=":material/delete:")
