"""The small text-to-image model: its data, words, trainer, files, and its walks against diffusers' pipelines."""

import json
import random
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from itertools import islice

import pytest
import torch
from diffusers import DiffusionPipeline, IFPipeline, IFSuperResolutionPipeline
from safetensors import safe_open

from lessons_lib.errors import LessonsError
from lessons_lib.lessons import walks
from lessons_lib.models.fast_unet import LaidOut, prepare
from lessons_lib.models.judge import FOLDERS, accuracy, open_judge
from lessons_lib.models.opening import open_model
from lessons_lib.models.text_to_image import check_prompt, concept_of, open_folder, open_pipeline, unknown_words
from lessons_lib.schedule import CLEAN, Schedule
from lessons_lib.text_to_image import data, small_model, train

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


def test_captions_are_made_of_taught_words_and_a_tenth_is_empty():
    rng, known = random.Random(0), set(data.vocabulary())
    made = [data.random_caption(rng.randrange(len(data.concepts())), rng.randrange(3), rng) for _ in range(4000)]
    assert {w for text in made for w in text.lower().split()} <= known
    assert made.count("") / len(made) == pytest.approx(0.1, abs=0.02)
    assert len(set(made)) > 1500


def test_every_word_is_one_token_and_none_is_unknown():
    tokenizer = small_model.make_tokenizer()
    words = data.vocabulary()
    for word in words:
        ids = tokenizer(word, add_special_tokens=False).input_ids
        assert len(ids) == 1, (word, tokenizer.convert_ids_to_tokens(ids))
    assert tokenizer.unk_token_id not in tokenizer(" ".join(words)).input_ids
    assert tokenizer("a rocket", padding="max_length", max_length=77).input_ids[3:] == [tokenizer.pad_token_id] * 74


@pytest.mark.parametrize(
    ("prompt", "word", "near"),
    [("a rockett", "rockett", "rocket"), ("A CASTEL!", "castel", "castle"), ("strawbery, fresh", "strawbery", "strawberry")],
)
def test_unknown_words_are_named_with_near_ones(prompt, word, near):
    found = dict(unknown_words(prompt))
    assert near in found[word]


def test_known_words_are_not_complained_about():
    assert unknown_words("a drawing of a rocket in twemoji style") == []
    assert unknown_words("") == []


def test_the_longest_name_in_a_prompt_is_what_it_asks_for():
    names = [c.name for c in data.concepts()]
    for name in ("rocket", "skull", "old man"):
        assert names[concept_of(f"a drawing of {'an' if name[0] in 'aeiou' else 'a'} {name} in noto style")] == name
    assert concept_of("a high quality picture") is None
    assert concept_of("") is None


@pytest.mark.parametrize("long", ["x" * 301, "a rocket " * 40])
def test_a_prompt_far_too_long_is_refused(long):
    with pytest.raises(LessonsError, match="make it shorter"):
        check_prompt(long)


# --- the formulas of the trainer ----------------------------------------------------------------------------------------


def test_the_variance_loss_is_nothing_where_the_variance_is_the_truth():
    """At f = 0 the variance is the posterior's; with the true velocity the means agree too, so the KL is 0."""
    schedule = Schedule.cosine()
    g = torch.Generator().manual_seed(0)
    x0, eps = torch.rand(4, 3, 8, 8, generator=g) * 2 - 1, torch.randn(4, 3, 8, 8, generator=g)
    t = torch.tensor([10, 200, 500, 900])
    xt = schedule.add_noise(x0, t, eps)
    v = schedule.velocity(x0, t, eps)
    assert small_model.variance_loss(schedule, xt, x0, t, v, -torch.ones_like(v)).abs() < 1e-4
    assert small_model.variance_loss(schedule, xt, x0, t, v, torch.ones_like(v)) > 1e-4
    assert small_model.variance_loss(schedule, xt, x0, t, -v, -torch.ones_like(v)) > 1e-2


def test_velocity_and_eps_are_one():
    schedule = Schedule.cosine()
    x0, eps = torch.rand(3, 3, 4, 4, dtype=torch.float64) * 2 - 1, torch.randn(3, 3, 4, 4, dtype=torch.float64)
    t = torch.tensor([0, 500, 999])
    xt = schedule.add_noise(x0, t, eps)
    torch.testing.assert_close(schedule.eps_from_velocity(xt, t, schedule.velocity(x0, t, eps)), eps, rtol=1e-6, atol=1e-6)


def test_a_crop_is_the_same_square_of_both():
    x = torch.arange(64 * 64.0).view(1, 1, 64, 64).expand(5, 3, 64, 64)
    a, b = train._cropped(x, x + 0.5, 32, torch.Generator().manual_seed(0))
    assert a.shape == (5, 3, 32, 32)
    torch.testing.assert_close(b, a + 0.5)
    assert len({p[0, 0, 0].item() for p in a}) > 1, "each picture its own square"


# --- training -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch, tmp_path):
    """UNets that are narrow, and words that need not be taught."""
    from diffusers import UNet2DConditionModel

    def narrow(make):
        config = dict(make().config) | {
            "block_out_channels": (16, 16, 32), "cross_attention_dim": 32, "attention_head_dim": 16, "norm_num_groups": 8,
        }  # fmt: skip
        return lambda: UNet2DConditionModel.from_config(config)

    for name in ("make_stage1", "make_stage2"):
        monkeypatch.setattr(small_model, name, narrow(getattr(small_model, name)))
    torch.manual_seed(0)
    words = tmp_path / "words"
    tokenizer = small_model.make_tokenizer()
    tokenizer.save_pretrained(words)
    small_model.make_text_encoder(len(tokenizer)).save_pretrained(words)
    (words / "done").write_text("")
    return tmp_path


def averaged(folder):
    [newest] = sorted(folder.glob("checkpoint-*.safetensors"))[-1:]
    with safe_open(newest, "pt") as f:
        return {k: f.get_tensor(k) for k in f.keys()}  # noqa: SIM118


@pytest.mark.parametrize("stage", ["stage1", "stage2"])
def test_a_run_that_was_stopped_goes_on_to_the_bit(stage, small):
    settings = replace(train.DEFAULTS[stage], images=10 * 4, batch_size=4, warmup=2)
    quiet = {"sheet_seconds": 1e9}
    whole = [p.loss for p in islice(train.train(settings, small / stage, **quiet), 6)]
    broken = small / "again"
    broken.mkdir()
    (small / "again" / "words").symlink_to(small / "words")
    with closing(train.train(settings, broken / stage, **quiet)) as run:
        first = [p.loss for p in islice(run, 3)]
    with closing(train.train(settings, broken / stage, **quiet)) as run:
        second = [p.loss for p in islice(run, 3)]
    assert first + second == whole
    # islice left the first run unclosed; closing came with its end, at the sixth step
    one, two = averaged(small / stage), averaged(broken / stage)
    assert one.keys() == two.keys()
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_a_run_in_whole_pictures_at_the_end(small, monkeypatch):
    """Stage 2 sees squares first and whole pictures for the last tenth."""
    seen = []
    add_noise = Schedule.add_noise
    monkeypatch.setattr(Schedule, "add_noise", lambda self, x, t, e: seen.append(tuple(x.shape)) or add_noise(self, x, t, e))
    monkeypatch.setattr(train, "_sheet", lambda *a: None)
    settings = replace(train.DEFAULTS["stage2"], images=10 * 8, batch_size=8)
    steps = list(train.train(settings, small / "stage2"))
    assert len(steps) == 10
    sizes = [s for s in dict.fromkeys(seen)]
    assert sizes == [(8, 3, 32, 32), (2, 3, 64, 64)]


@pytest.mark.slow
def test_the_loss_falls(small):
    settings = replace(train.DEFAULTS["stage1"], images=70 * 8, batch_size=8, warmup=5, lr=2e-3)
    losses = [p.loss for p in islice(train.train(settings, small / "stage1", sheet_seconds=1e9), 60)]
    assert losses[-1] < 0.8 * losses[0], losses


def test_a_loss_that_is_no_number_is_said(small, monkeypatch):
    monkeypatch.setattr(train, "mse_loss", lambda a, b: a.sum() * float("nan"))
    with pytest.raises(LessonsError, match="lower --lr"):
        next(train.train(replace(train.DEFAULTS["stage1"], images=100, batch_size=2), small / "stage1"))


# --- the files ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", [1, 2])
def test_saved_and_opened_again_bit_for_bit(stage, tmp_path):
    torch.manual_seed(1)
    tokenizer = small_model.make_tokenizer()
    encoder = small_model.make_text_encoder(len(tokenizer))
    unet = (small_model.make_stage1 if stage == 1 else small_model.make_stage2)()
    small_model.save_pipeline(tmp_path, tokenizer, encoder, unet, stage=stage)
    again = DiffusionPipeline.from_pretrained(tmp_path, local_files_only=True)
    assert type(again) is (IFPipeline if stage == 1 else IFSuperResolutionPipeline)
    for name, tensor in again.unet.state_dict().items():
        assert torch.equal(tensor, unet.state_dict()[name].half().float()), name
    for name, tensor in again.text_encoder.state_dict().items():
        assert torch.equal(tensor, encoder.state_dict()[name]), name
    assert again.tokenizer("a rocket in noto style").input_ids == tokenizer("a rocket in noto style").input_ids
    assert again.scheduler.config.prediction_type == "v_prediction"


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
from lessons_lib.lessons import walks
from lessons_lib.models.opening import open_model
model = open_model("emoji")
thread = threading.Thread(target=model.warm)
thread.start()
upscaler = model.upscaler()
thread.join()
*_, last = walks.upscale(upscaler, torch.zeros(1, 3, 32, 32), "a cat", timesteps=[900, 0])
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


@pytest.fixture(scope="module")
def emoji():
    return open_model("emoji")


@pytest.mark.parametrize("scale", [1.0, 3.0])
def test_our_walk_is_the_pipelines(emoji, scale, exact):
    pipeline = DiffusionPipeline.from_pretrained(data.FOLDER / "stage1", local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    timesteps = [950, 700, 400, 150, 0]
    theirs = pipeline(
        prompt="a penguin", timesteps=timesteps, guidance_scale=scale, generator=torch.Generator().manual_seed(180),
        output_type="pt", clean_caption=False,
    ).images  # fmt: skip
    walk = walks.from_noise(emoji, "a penguin", num_images=1, seed=180, guidance_scale=scale, timesteps=[*timesteps, CLEAN])
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
        image=image, prompt="a penguin", timesteps=timesteps, guidance_scale=1.0, noise_level=100, output_type="pt",
        generator=torch.Generator().manual_seed(180), clean_caption=False,
    ).images  # fmt: skip
    *_, last = walks.upscale(upscaler, image, "a penguin", seed=180, timesteps=[*timesteps, CLEAN])
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
    from lessons_lib.text_to_image.report import draw_with

    prompts = list(emoji.prompts)
    x = draw_with(emoji, prompts, seed=7, guidance_scale=emoji.guidance_scale)
    ranks = emoji.judge.rank(x, torch.tensor([concept_of(p) for p in prompts]))
    assert (ranks < 5).float().mean() >= 0.5, dict(zip(prompts, ranks.tolist(), strict=True))


def test_a_run_goes_on_from_the_pipeline_that_ships(tmp_path):
    """From its very weights and words, counting the pictures they had seen; a run under way is not begun again."""
    shipped = data.FOLDER / "stage1"
    seen = json.loads((shipped / "training.json").read_text())["images_seen"]
    folder = tmp_path / "stage1"
    settings = train.begin_from(shipped, replace(train.DEFAULTS["stage1"], images=48, batch_size=8), folder)
    assert settings.images_before == seen
    about, tensors = train.checkpoints.load_checkpoint(folder)
    with safe_open(str(shipped / "unet" / "diffusion_pytorch_model.safetensors"), "pt") as f:
        for name in ("conv_in.weight", "conv_out.bias"):
            torch.testing.assert_close(tensors[f"averaged.{name}"], f.get_tensor(name).float(), rtol=0, atol=0)
    with closing(train.train(settings, folder)) as run:
        step = next(run)
    assert (about["step"], step.step, train.images_seen(settings, step.step)) == (0, 1, seen + 8)
    assert train.begin_from(shipped, settings, folder).images_before == seen
    assert train.checkpoints.load_checkpoint(folder)[0]["step"] == 1


def test_a_run_does_not_begin_from_what_this_trainer_did_not_make(tmp_path):
    with pytest.raises(LessonsError, match="training.json"):
        train.begin_from(tmp_path, train.DEFAULTS["stage1"], tmp_path / "run")
