"""What a control shows where a rerun overtakes the message that sets its value: its own default, which is that value."""

import pytest

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
