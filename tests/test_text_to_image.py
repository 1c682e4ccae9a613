"""The small text-to-image model: its data, words, trainer, files, and its walks against diffusers' pipelines."""

import json
import subprocess
import sys

import pytest
import torch
from diffusers import DiffusionPipeline, IFPipeline, IFSuperResolutionPipeline
from safetensors import safe_open

from lessons_lib import things as data
from lessons_lib.errors import LessonsError
from lessons_lib.lessons._common import drawn, from_noise
from lessons_lib.lessons.sampling import upscale
from lessons_lib.maths.schedule import CLEAN, Schedule
from lessons_lib.models.embeddings import Words
from lessons_lib.models.fast_unet import LaidOut, prepare
from lessons_lib.models.folder import open_folder
from lessons_lib.models.judge import FOLDERS, accuracy, open_judge
from lessons_lib.models.opening import open_model
from lessons_lib.models.pipelines import open_pipeline
from lessons_lib.models.prompts import thing_in

# --- data and words -----------------------------------------------------------------------------------------------------


def test_the_sheet_holds_every_thing_by_every_artist():
    p = data.pictures()
    n = len(data.concepts()) * len(data.STYLES)
    assert p.images.shape == (n, 3, 64, 64)
    assert p.images.dtype == torch.uint8
    assert len({c.name for c in data.concepts()}) == len(data.concepts())
    corners = p.images[:, :, [0, 0, -1, -1], [0, -1, 0, -1]].float()
    assert (corners > 250).float().mean() > 0.85, "drawn on white"
    spread = p.images.float().flatten(1).std(1)
    assert spread.min() > 5, f"a picture is empty: {spread.argmin()}"


def test_held_out_pairs_are_few_and_their_parts_are_seen_elsewhere():
    p = data.pictures()
    assert 1 / 32 < p.held_out.float().mean() < 1 / 10
    seen_things = set(p.concept[~p.held_out].tolist())
    assert set(p.concept[p.held_out].tolist()) <= seen_things
    assert set(p.style[p.held_out].tolist()) == set(range(len(data.STYLES)))


@pytest.fixture(scope="module")
def emoji():
    return open_model("emoji")


@pytest.mark.parametrize(
    ("prompt", "word", "near"),
    [("a rockett", "rockett", "rocket"), ("A CASTEL!", "castel", "castle"), ("strawbery, fresh", "strawbery", "strawberry")],
)
def test_unknown_words_are_named_with_near_ones(prompt, word, near, emoji):
    found = dict(emoji.unknown_words(prompt))
    assert near in found[word]


def test_known_words_are_not_complained_about(emoji):
    assert emoji.unknown_words("a drawing of a rocket in twemoji style") == []
    assert emoji.unknown_words("") == []
    assert open_model("mnist").unknown_words("rocket") == [], "a model without a vocabulary complains of none"


def test_what_the_model_was_taught_is_read_from_its_tokenizer(emoji):
    assert emoji.vocabulary == tuple(data.vocabulary())


def test_a_prompt_asks_for_one_of_the_judge_s_classes(emoji):
    names = [c.name for c in data.concepts()]
    for name in ("rocket", "skull", "old man"):
        assert names[emoji.class_of(f"a drawing of {'an' if name[0] in 'aeiou' else 'a'} {name} in noto style")] == name
    assert emoji.class_of("a high quality picture") is None
    assert emoji.class_of("") is None


@pytest.mark.parametrize("long", ["x" * 301, "a rocket " * 40])
def test_a_prompt_far_too_long_is_refused(long):
    words = Words(lambda prompt: pytest.fail("it was encoded"))
    with pytest.raises(LessonsError, match="make it shorter"):
        words.encode(long)


def test_a_prompt_is_trimmed_once_and_kept_as_it_was_written():
    """A file's prompts may have capitals; the small model's text encoder takes them in lower case."""
    seen = []

    def embed(prompt):
        seen.append(prompt)
        return torch.full((1, 77, 4), float(len(seen)))

    both = Words(embed).encode(["  A Rocket ", "a CAT"])
    assert seen == ["A Rocket", "a CAT"]
    assert both[:, 0, 0].tolist() == [1, 2]


def test_capitals_make_no_other_picture(emoji):
    assert torch.equal(emoji.denoiser("a Penguin").condition, emoji.denoiser(" a penguin").condition)


# --- the formulas of the trainer ----------------------------------------------------------------------------------------


def test_velocity_and_eps_are_one():
    schedule = Schedule.cosine()
    x0, eps = torch.rand(3, 3, 4, 4, dtype=torch.float64) * 2 - 1, torch.randn(3, 3, 4, 4, dtype=torch.float64)
    t = torch.tensor([0, 500, 999])
    xt = schedule.add_noise(x0, t, eps)
    torch.testing.assert_close(schedule.eps_from_velocity(xt, t, schedule.velocity(x0, t, eps)), eps, rtol=1e-6, atol=1e-6)


# --- training -----------------------------------------------------------------------------------------------------------


def averaged(folder):
    [newest] = sorted(folder.glob("checkpoint-*.safetensors"))[-1:]
    with safe_open(newest, "pt") as f:
        return {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118


# --- the files ----------------------------------------------------------------------------------------------------------


def test_what_ships_opens_plainly_and_is_small():
    shipped = [s for s in (1, 2) if (data.FOLDER / f"stage{s}" / "model_index.json").exists()]
    assert 1 in shipped
    size = 0
    for stage in shipped:
        folder = data.FOLDER / f"stage{stage}"
        size += sum(p.stat().st_size for p in folder.rglob("*.safetensors"))
        pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True)
        assert type(pipeline) is (IFPipeline if stage == 1 else IFSuperResolutionPipeline)
        with safe_open(folder / "unet" / "diffusion_pytorch_model.safetensors", "pt") as f:
            assert {f.get_slice(k).get_dtype() for k in f.keys()} == {"F16"}  # noqa: SIM118
        training = json.loads((folder / "training.json").read_text())
        assert training["images_seen"] > 0
        assert training["settings"]["seed"] == 180
    assert size <= 25e6


def test_a_broken_folder_is_one_sentence(tmp_path):
    with pytest.raises(LessonsError, match="missing or broken"):
        open_folder(tmp_path, name="x")


def test_both_stages_opened_by_two_sessions_at_once_are_whole():
    """As when a page asks for stage 2 while stage 1 is still being warmed; in a process of its own, where nothing is open yet."""
    code = """
import threading, torch
from lessons_lib.lessons.sampling import upscale
from lessons_lib.models.opening import open_model
model = open_model("emoji")
thread = threading.Thread(target=model.warm)
thread.start()
upscaler = model.upscaler()
thread.join()
*_, last = upscale(upscaler, torch.zeros(1, 3, 32, 32), "a cat", [180], timesteps=[900, 0])
print(tuple(last.x_prev.shape))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "(1, 3, 64, 64)", done.stderr[-2000:]


# --- judges -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["emoji", "emoji_64"])
def test_a_judge_reads_the_real_pictures_and_never_saw_those_held_out(name):
    p, judge = data.pictures(), open_judge(name)
    assert judge.classes == tuple(c.name for c in data.concepts())
    some = torch.arange(len(p.images))[~p.held_out][::7]
    assert accuracy(judge, p.images[some], p.concept[some]) > 0.98
    unseen = accuracy(judge, p.images[p.held_out], p.concept[p.held_out])
    told = json.loads((FOLDERS[name] / "judge.json").read_text())["top1_on_pairs_never_seen"]
    assert unseen == pytest.approx(told, abs=0.04)  # the weights were halved since: a picture or two
    assert 0.5 < unseen < 1


def test_the_judge_of_64_pixels_sees_what_is_lost_at_32():
    p, judge = data.pictures(), open_judge("emoji_64")
    x = p.images[::9].float() / 127.5 - 1
    blurred = torch.nn.functional.interpolate(torch.nn.functional.avg_pool2d(x, 4), size=64, mode="bilinear")
    asked = p.concept[::9].view(-1, 1)
    sharp, soft = (judge.read(v).gather(1, asked).mean().item() for v in (x, blurred))
    assert sharp > soft + 0.02


# --- walks against diffusers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_our_walk_is_the_pipelines(emoji, scale, exact):
    pipeline = DiffusionPipeline.from_pretrained(data.FOLDER / "stage1", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    timesteps = [950, 700, 400, 150, 0]
    theirs = pipeline(
        prompt="a penguin",
        timesteps=timesteps,
        guidance_scale=scale,
        generator=torch.Generator().manual_seed(180),
        output_type="pt",
        clean_caption=False,
    ).images
    walk = from_noise(emoji, "a penguin", [180], guidance_scale=scale, timesteps=[*timesteps, CLEAN])
    *_, last = walk
    torch.testing.assert_close(
        (last.x_prev.clamp(-1, 1) + 1) / 2, (theirs.float() + 1) / 2 if theirs.min() < 0 else theirs, rtol=0, atol=1e-4
    )


def test_stage_2_is_the_pipelines(emoji, exact):
    upscaler = emoji.upscaler()
    if upscaler is None:
        pytest.skip("no stage 2 ships")
    pipeline = DiffusionPipeline.from_pretrained(data.FOLDER / "stage2", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0)) * 2 - 1
    timesteps = [950, 600, 250, 0]
    theirs = pipeline(
        image=image,
        prompt="a penguin",
        timesteps=timesteps,
        guidance_scale=1.0,
        noise_level=100,
        output_type="pt",
        generator=torch.Generator().manual_seed(180),
        clean_caption=False,
    ).images
    *_, last = upscale(upscaler, image, "a penguin", [180], timesteps=[*timesteps, CLEAN])
    ours = (last.x_prev.clamp(-1, 1) + 1) / 2
    torch.testing.assert_close(ours, (theirs.float() + 1) / 2 if theirs.min() < 0 else theirs, rtol=0, atol=1e-4)


def two_of(stage: int):
    """A shipped UNet twice: as diffusers opens it, and prepared for walks."""
    folder, rows = data.FOLDER / f"stage{stage}", torch.channels_last  # as network_of() has it
    plain, prepared = (open_pipeline(folder).unet.requires_grad_(False).eval().to(memory_format=rows) for _ in range(2))
    return plain, prepare(prepare(prepared))  # twice is once


@pytest.mark.slow
def test_a_prompt_remembered_is_never_another_s(exact):
    plain, prepared = two_of(1)
    g = torch.Generator().manual_seed(0)
    x, t = torch.randn(2, 3, 32, 32, generator=g), torch.tensor([500, 900])
    x = x.contiguous(memory_format=torch.channels_last)
    a, b = torch.randn(2, 2, 77, 128, generator=g)
    with torch.inference_mode():
        for embeds in (a, a.clone(), b, a, a[:1].expand(2, -1, -1), a.flip(0)):
            asked = (x, t, embeds)
            assert torch.equal(plain(*asked).sample, prepared(*asked).sample)
        exactly = prepared(x, t, a).sample
        with torch.autocast("cpu", torch.bfloat16):
            assert not torch.equal(exactly, prepared(x, t, a).sample)
        assert torch.equal(exactly, prepared(x, t, a).sample)


@pytest.mark.slow
@pytest.mark.parametrize("stage", [1, 2])
@pytest.mark.parametrize("low", [False, True])
@pytest.mark.parametrize("laid_out", [True, False])
def test_a_prepared_unet_answers_as_the_plain_one(stage, low, laid_out, monkeypatch):
    if not laid_out:  # as on a machine whose torch has no oneDNN
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    plain, prepared = two_of(stage)
    shape, more = ((3, 32, 32), {}) if stage == 1 else ((6, 64, 64), {"class_labels": torch.tensor([100])})
    g = torch.Generator().manual_seed(0)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=low):
        for batch in (2, 12, 1, 3):
            x = torch.randn(batch, *shape, generator=g).contiguous(memory_format=torch.channels_last)
            t, embeds = torch.randint(1000, (batch,), generator=g), torch.randn(batch, 77, 128, generator=g)
            more = {k: v[:1].expand(batch) for k, v in more.items()}
            a, b = (unet(x, t, embeds, **more).sample.float() for unet in (plain, prepared))
            torch.testing.assert_close(a, b, rtol=0, atol=3e-2 if low else 1e-5)  # another kernel may add up in another order
    used = {laid for part in prepared.modules() if isinstance(part, LaidOut) for *_, laid in part.ready.values()}
    assert (True in used) == torch.backends.mkldnn.is_available()


@pytest.mark.slow
def test_a_picture_is_the_same_to_the_bit_whatever_is_asked_beside_it(emoji):
    network = emoji.denoiser("").network
    g = torch.Generator().manual_seed(0)
    asked = torch.randn(7, 3, 32, 32, generator=g), torch.full((7,), 500), torch.randn(7, 77, 128, generator=g)
    alone = torch.cat([network(*(a[k : k + 1] for a in asked)).eps for k in range(7)])
    for n in (2, 3, 5, 7):
        assert torch.equal(network(*(a[:n] for a in asked)).eps, alone[:n])


@pytest.mark.slow
def test_the_judge_reads_what_was_asked_for(emoji):
    """Far above chance, which is 5 of 314: the report beside the weights has the exact figures for 200 prompts."""
    prompts = list(emoji.prompts)
    x = drawn(emoji, prompts, seed=7)
    ranks = emoji.judge.rank(x, torch.tensor([thing_in(p) for p in prompts]))
    assert (ranks < 5).float().mean() >= 0.5, dict(zip(prompts, ranks.tolist(), strict=True))
