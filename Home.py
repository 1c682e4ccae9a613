from lessons_lib.ui import page

with page.lesson_page("home"):
    import streamlit as st

    st.title("Diffusion, Step by Step")
