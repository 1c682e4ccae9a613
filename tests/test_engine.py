"""Where things compute: here, unless a cluster was joined; who asks one that cannot be joined hears it in one sentence. Without Ray."""

import threading

import pytest
import torch

from lessons_lib import engine
from lessons_lib.engine import Engine, Place
from lessons_lib.errors import LessonsError
from lessons_lib.maths.denoisers import Prediction
from lessons_lib.models import names
from lessons_lib.models.batching import Batched
from lessons_lib.ui import cluster
from tests.pages import opened, press


@pytest.fixture(autouse=True)
def nothing_joined():
    yield
    engine.end()


class Elsewhere:
    """A cluster that answers nothing but ones, from a node of its own."""

    def __init__(self):
        self.asked = []

    def network(self, recipe, patience):
        def answer(xt, t, condition):
            self.asked.append(recipe)
            engine.note(Place("lab-7 (ab12cd)", 2))
            return Prediction(torch.ones_like(xt))

        return answer


def zeros(xt, t, condition):
    return Prediction(torch.zeros_like(xt))


X, T, NOTHING = torch.full((1, 1, 4, 4), 0.5), torch.zeros(1, dtype=torch.long), torch.zeros(1, 10)


def test_what_has_a_recipe_is_asked_of_the_cluster_and_the_rest_here():
    named, unnamed, there = Batched(zeros, recipe=("model", "mnist")), Batched(zeros), Elsewhere()
    assert named(X, T, NOTHING).eps.max() == 0
    engine.begin(lambda: Engine(there, None))
    with engine.noting() as places:
        assert named(X, T, NOTHING).eps.min() == 1
        assert unnamed(X, T, NOTHING).eps.max() == 0
    assert there.asked == [("model", "mnist")]
    assert places == [Place("lab-7 (ab12cd)", 2)]
    engine.end()
    assert named(X, T, NOTHING).eps.max() == 0


def test_who_asks_while_the_cluster_is_joined_waits_for_it():
    ready, there = threading.Event(), Elsewhere()

    def join():
        ready.wait(60)
        return Engine(there, None)

    engine.begin(join)
    engine.begin(lambda: pytest.fail("it is joined once"))
    threading.Timer(0.2, ready.set).start()
    assert engine.current().networks is there


def test_a_cluster_that_cannot_be_joined_is_one_sentence_and_is_tried_again():
    def refuse():
        raise ConnectionError("Could not find any running Ray instance.\nDetails")

    engine.begin(refuse)
    with pytest.raises(LessonsError, match=r"cannot be joined \(Could not find any running Ray instance\.\): start it") as told:
        Batched(zeros, recipe=("model", "mnist"))(X, T, NOTHING)
    assert "\n" not in str(told.value)
    engine.begin(lambda: Engine(Elsewhere(), None))  # the next page
    assert engine.current() is not None


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ([Place("a", 0)], "Computed on node a; nobody else waited at the last step."),
        ([Place("a", 4), Place("a", 1)], "Computed on node a; 1 other waited at the last step."),
        ([Place("b", 0), Place("a", 9), Place("b", 3)], "Computed on 2 nodes, b, a; 3 others waited at the last step."),
    ],
)
def test_the_foot_says_where_and_how_many_waited(places, said):
    assert cluster.said(places) == said


def test_deepfloyd_is_offered_where_the_cluster_may_have_it(monkeypatch):
    monkeypatch.setattr(names, "fetched", lambda name: False)
    monkeypatch.setenv("DEEPFLOYD_EMBEDDINGS", "embeddings.pt")
    monkeypatch.delenv(engine.SETTING, raising=False)
    assert "IF-I-M" not in names.available()
    monkeypatch.setenv(engine.SETTING, "auto")
    assert "IF-I-M" in names.available()


def test_a_page_says_at_its_foot_where_its_live_picture_was_computed(monkeypatch):
    def feet(app):
        return [c.value for c in app.caption if c.value.startswith("Computed on")]

    monkeypatch.setenv(engine.SETTING, "auto")
    engine.begin(lambda: Engine(Elsewhere(), None))
    app = opened("time")
    assert feet(app) == []  # it opens on a picture of an earlier run
    press(app, "Run")
    assert feet(app) == ["Computed on node lab-7 (ab12cd); 2 others waited at the last step."]
    monkeypatch.delenv(engine.SETTING)
    app.run()
    assert feet(app) == []
