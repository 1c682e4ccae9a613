"""What a control shows where a rerun overtakes the message that sets its value: its own default, which is that value."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.pages import opened

LINKS = {"forward": {"t": "321", "schedule": "linear", "size": "128", "seed": "7", "picture": "digit"}, "denoise": {"seed": "7"}}


@pytest.mark.parametrize("slug", LINKS)
def test_each_control_has_its_value_as_its_own_default(slug):
    at = opened(slug, model="mnist", **LINKS[slug])
    assert not at.exception
    for e in [*at.toggle, *at.number_input, *at.text_area]:
        assert e.proto.default == e.value, e.key
    for e in at.slider:
        assert list(e.proto.default) == [e.value], e.key
    for e in at.select_slider:
        assert list(e.proto.default) == [list(e.options).index(e.format_func(e.value))], e.key
    for e in at.selectbox:
        assert e.proto.default == e.index, e.key
    for e in at.segmented_control:
        assert [e.options[i] for i in e.proto.default] == [e.value], e.key
    assert at.slider
    assert at.number_input(key="seed").proto.default == 7
    assert at.segmented_control


def a_few():
    from lessons_lib.ui import controls, view

    view.begin("forward")
    controls.select_slider("forward", "rate", (1e-5, 0.002, 0.5), 0.5)
    controls.select_slider("forward", "count", (1, 10, 60_000), 1)
    controls.toggle("forward", "on", False)
    controls.toggle("forward", "off", True)
    controls.select("forward", "name", ["mean", "Largest", "5"])
    controls.text("forward", "words", "a cat", max_chars=12)


WRITTEN = [
    ("rate", "2e-3", 0.002),
    ("rate", "0.0020", 0.002),
    ("rate", "1e-05", 1e-5),
    ("rate", "0.3", 0.5),
    ("rate", "nan", 0.5),
    ("rate", "1e999", 0.5),
    ("count", "10.0", 10),
    ("count", "+10", 10),
    ("count", " 6e4 ", 60_000),
    ("count", "１０", 10),
    ("count", "true", 1),
    ("on", "1", True),
    ("on", "YES", True),
    ("on", "True", True),
    ("on", "2", False),
    ("off", "0", False),
    ("off", "off", False),
    ("off", "", True),
    ("name", "LARGEST", "Largest"),
    ("name", "5.0", "mean"),
    ("name", "[1]", "mean"),
    ("words", "a\nb\r\n c", "a b c"),
    ("words", "\0x", "\ufffdx"),
    ("words", "", ""),
    ("words", "\u05d0\u202e%", "\u05d0\u202e%"),
    ("words", "\n" * 5000 + "x", " x"),
]


@pytest.mark.parametrize(("name", "written", "value"), WRITTEN)
def test_a_link_written_by_hand(name, written, value):
    at = AppTest.from_function(a_few)
    at.query_params[name] = written
    at.run()
    assert not at.exception
    found = {w.key: w.value for w in [*at.select_slider, *at.toggle, *at.selectbox, *at.text_input]}
    assert found[f"forward_{name}"] == value
    assert type(found[f"forward_{name}"]) is type(value)
