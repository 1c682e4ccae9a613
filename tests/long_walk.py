"""A page with nothing but a walk of 300 steps of forty digits, its filmstrip and its microscope, for the browser tests."""

import streamlit as st

from benchmarks.rerun import film_of
from lessons_lib.maths.schedule import Schedule
from lessons_lib.ui.filmstrip import filmstrip
from lessons_lib.ui.microscope import microscope


@st.cache_resource
def film():
    return film_of(40, {"prompt": "digits"})


filmstrip(film(), "strip", columns=10, alt="digits", scope="scope")
microscope(film(), Schedule.linear(300), "scope")
st.text_input("My notes", key="notes")
