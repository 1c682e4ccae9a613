"""Models answer for themselves, so that nothing else asks which one it is; and what cannot be opened says why."""

import ast
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lessons_lib import sources
from lessons_lib.errors import LessonsError
from lessons_lib.log import causes
from lessons_lib.maths.denoisers import Conditioned, Prediction
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models import names, opening, pipelines
from lessons_lib.models.batching import Batched
from lessons_lib.models.model import Model
from lessons_lib.models.names import TITLES, available
from lessons_lib.models.opening import open_model
from lessons_lib.places import ROOT
from lessons_lib.ui import controls
from tests.pages import opened

SHIPPED = [n for n in available() if n in ("emoji", "mnist")]


@pytest.fixture(params=SHIPPED)
def model(request):
    return open_model(request.param)


def test_a_model_has_a_picture_to_begin_with_and_a_prompt_for_it(model):
    kind, name = model.first_picture
    assert name in sources.names(kind)
    assert model.class_of(model.prompt_of(kind, name)) is not None
    assert model.prompt_of("photo", "cat") == ""


def test_all_that_it_is_asked_for_is_something_its_judge_knows(model):
    pairs = [p for lesson in ("anagrams", "hybrids") for pair in model.pairs_for(lesson) for p in pair]
    assert len(pairs) >= 20
    classes = model.judge.classes
    for prompt in (*model.prompts, *pairs):
        assert 0 <= model.class_of(prompt) < len(classes), prompt
        assert not model.unknown_words(prompt)


def test_a_model_without_pairs_of_its_own_gives_its_first_two_prompts(model):
    assert replace(model, pairs={}).pairs_for("anagrams") == (tuple(model.prompts[:2]),)


def test_what_kind_of_prompt_it_takes():
    digits = open_model("mnist")
    assert digits.prompt_kind == "digit"
    assert (digits.vocabulary, digits.embedding_width) == (None, None)
    assert "28 pixels" in digits.no_upscaler
    if "emoji" in SHIPPED:
        emoji = open_model("emoji")
        assert emoji.prompt_kind == "words"
        assert emoji.embedding_width == 128
        assert "penguin" in emoji.vocabulary


@pytest.mark.parametrize("name", [n for n in SHIPPED if n != "mnist"])
def test_the_width_is_that_of_its_embeddings(name):
    model = open_model(name)
    assert model.denoiser("").condition.shape == (1, 77, model.embedding_width)


@pytest.mark.parametrize("name", SHIPPED)
def test_the_weights_of_a_shipped_model_are_named(name):
    files = names.weights(name)
    assert files
    assert all(f.is_file() for f in files)
    assert names.weights("IF-I-M") == []


ASKS = re.compile(rf"""\.name\s*[!=]=\s*["']({"|".join(TITLES)})["']|judge_name|shape\[0\]\s*[!=]=\s*[13]\b""")


def test_nothing_outside_models_asks_which_model_it_is():
    files = [*(ROOT / "lessons_lib").rglob("*.py"), *(ROOT / "pages").glob("*.py"), ROOT / "Home.py"]
    allowed = ROOT / "lessons_lib" / "models", ROOT / "lessons_lib" / "maths" / "images.py"
    found = {}
    for path in files:
        if not any(path.is_relative_to(a) for a in allowed) and (lines := ASKS.findall(path.read_text(encoding="utf-8"))):
            found[path.name] = lines
    assert not found


def test_the_search_would_find_it():
    for code in ('if model.name == "mnist":', "grey = shape[0] == 1", 'model.judge_name != "emoji"'):
        assert ASKS.search(code)


# --- what cannot be opened -----------------------------------------------------------------------------------------------


def test_a_missing_model_names_those_there_are():
    with pytest.raises(LessonsError, match="no model called 'unknown'.*mnist"):
        open_model("unknown")


BROKEN = {
    "diffusers is not there": "sys.modules['diffusers'] = None",
    "transformers is not there": "sys.modules['transformers'] = None",
    "a part of diffusers is broken": "sys.modules['diffusers.pipelines.deepfloyd_if.pipeline_if'] = None",
    "a library breaks while it is imported": """
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "tokenizers":
            raise AttributeError("module 'numpy' has no attribute 'float_'")
sys.meta_path.insert(0, Finder())""",
}


@pytest.mark.slow
@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_install_is_called_one_and_a_broken_file_another(how):
    code = f"""
import sys
{BROKEN[how]}
from lessons_lib.models.opening import open_model
from lessons_lib.errors import LessonsError
try:
    open_model("emoji").warm()
except LessonsError as e:
    print(e)
    print(type(e.__cause__).__name__)
"""
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=120, check=True)
    said, cause = made.stdout.splitlines()[-2:]
    assert "pip install -r requirements.txt mends a broken install" in said
    assert "git checkout" not in said
    assert cause != "NoneType"


@pytest.mark.slow
def test_a_broken_folder_is_not_called_a_broken_install(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "IFPipeline", "unet": ["diffusers", "UNet2DConditionModel"]}')
    with pytest.raises(LessonsError, match="git checkout") as caught:
        pipelines.open_pipeline(tmp_path)
    assert len(causes(caught.value)) > 1


def test_opening_is_logged_with_how_long_it_took(logged, monkeypatch, tmp_path):
    opener = SimpleNamespace(DiffusionPipeline=SimpleNamespace(from_pretrained=lambda folder, **how: folder))
    monkeypatch.setattr(pipelines, "library", lambda: opener)
    assert pipelines.open_pipeline(tmp_path) == str(tmp_path)
    assert re.search(rf"opened {tmp_path.name} in \d+\.\d s", logged.getvalue())


# --- no import is hidden in a function -------------------------------------------------------------------------------------


def late_imports(path: Path) -> set[str]:
    found = set()
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    found |= {a.name.split(".")[0] for a in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found.add((node.module or "").split(".")[0])
    return found


@pytest.mark.parametrize("path", sorted((ROOT / "lessons_lib" / "models").glob("*.py")), ids=lambda p: p.stem)
def test_models_import_late_only_what_takes_seconds(path):
    assert late_imports(path) <= {"diffusers", "transformers", "huggingface_hub"}


def test_a_prompt_mixed_from_two_is_a_condition_too():
    """The prompt lab's blends: a weighted mean of two embeddings goes through the same network."""
    if "emoji" not in SHIPPED:
        pytest.skip("the small text-to-image model is not here")
    a, b = (open_model("emoji").denoiser(p).condition for p in ("a cat", "a dog"))
    assert torch.equal(0.5 * a + 0.5 * b, (a + b) / 2)


def blank() -> Model:
    """A model of nobody's, as README's "How to add a model" makes one: no judge, a stride that no page names."""
    network = Batched(lambda xt, t, condition: Prediction(xt + condition.view(-1, 1, 1, 1)))

    def denoiser(prompt):
        return Conditioned(network, torch.zeros(1 if isinstance(prompt, str) else len(prompt), 1))

    return Model(
        "blank", "nobody's", "nothing", Schedule.cosine(), (3, 32, 32), ("one", "two"), denoiser, lambda p: None, None, 250, 3.0
    )


@pytest.mark.parametrize("slug", ["denoise", "sampling", "guidance", "sdedit", "inpainting", "anagrams", "hybrids"])
def test_a_new_model_opens_and_walks_on_every_page_where_one_is_chosen(slug, monkeypatch):
    monkeypatch.setitem(TITLES, "blank", "nobody's")
    monkeypatch.setattr(controls, "available", lambda: ["blank", "mnist"])
    monkeypatch.setitem(opening._opened, "blank", blank())
    at = opened(slug, model="blank", num_images="2")
    assert not at.exception
    assert at.session_state["model"] == "blank"
    for button in [b for b in at.button if b.label == "Run"]:
        at = button.click().run()
    assert not at.exception
    assert not at.error
    assert any("**live**" in m.value for m in at.markdown) or any("**live**" in c.value for c in at.caption)
