"""The trainer of the small model: tiny networks on sixteen pictures."""

import json
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from diffusers import DiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

from lessons_lib.errors import LessonsError
from lessons_lib.files import checkpoints
from lessons_lib.maths.schedule import Schedule
from lessons_lib.models import prompts
from lessons_lib.training import emoji, if_format, loop, small_model
from lessons_lib.training.small_model import FixedSet, Settings, SmallModel, passed

TINY = Settings(images=96, decay=32, batch_size=8, warmup=2, channels=(8, 8, 16, 32), groups=4, average=100)


@pytest.fixture(scope="module")
def few() -> emoji.Pictures:
    """Eight things by two artists, 16 pixels a side; one is held out."""
    made = [emoji.halved(emoji.halved(emoji.halved(emoji.sheet(word)[0][:8]))) for word in ("noto", "ink")]
    concept, style = torch.arange(8).repeat(2), torch.tensor([0] * 8 + [6] * 8)
    return emoji.Pictures(torch.cat(made), concept, style, style, torch.arange(16) == 3)


@pytest.fixture(autouse=True)
def quickly(monkeypatch, few):
    """Everyone reads the sixteen pictures; networks are made for 16 pixels."""
    monkeypatch.setattr(emoji, "pictures", lambda size=64: few)
    monkeypatch.setattr(if_format, "make_unet", partial(if_format.make_unet, size=16))


def steps(settings, folder, n=None, **more):
    run = small_model.train(settings, folder, watch=False, **more)
    told = list(run) if n is None else [next(run) for _ in range(n)]
    run.close()
    return told


def saved(folder):
    return checkpoints.load_checkpoint(folder)


def test_stopped_it_goes_on_to_the_bit(tmp_path):
    steps(TINY, tmp_path / "whole", 6)
    steps(TINY, tmp_path / "parts", 2)
    assert [p.step for p in steps(TINY, tmp_path / "parts", 4)] == [3, 4, 5, 6]
    (a, whole), (b, parts) = saved(tmp_path / "whole"), saved(tmp_path / "parts")
    assert a["images"] == b["images"] == 48
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[k], parts[k]) for k in whole)


def test_the_loss_falls(tmp_path):
    told = steps(replace(TINY, images=240, decay=120), tmp_path)
    assert sum(p.loss for p in told[-8:]) < 0.85 * sum(p.loss for p in told[:8])


def test_on_the_device_named_cpu_another_batch_size_goes_on_from_there(tmp_path):
    steps(TINY, tmp_path, 3, device="cpu")
    told = steps(replace(TINY, batch_size=12), tmp_path, device="cpu")
    assert [p.step for p in told] == [4, 5, 6, 7, 8, 9]  # 24 pictures seen, 72 to go
    assert saved(tmp_path)[0]["images"] == 96


def test_other_settings_in_the_same_folder_are_refused(tmp_path):
    steps(TINY, tmp_path, 1)
    with pytest.raises(LessonsError, match="use its settings, or another folder"):
        steps(replace(TINY, seed=7), tmp_path)


def test_the_rate_rises_stays_and_falls():
    s = Settings(images=1000, decay=200, warmup=10)
    assert s.lr_factor(0, 0) == 0.1
    assert s.lr_factor(20, 300) == s.lr_factor(30, 800) == 1
    assert s.lr_factor(40, 900) == 0.5
    assert s.lr_factor(50, 1000) == 0
    with pytest.raises(ValueError, match="decay must be above 0"):
        Settings(decay=0)


def test_a_branch_decays_on_its_own_and_leaves_the_run_as_it_was(tmp_path):
    steps(TINY, tmp_path / "run", 5)
    before = saved(tmp_path / "run")
    told = steps(replace(TINY, images=56, decay=24), tmp_path / "branch", start=tmp_path / "run")
    assert [p.step for p in told] == [6, 7]
    assert saved(tmp_path / "branch")[0]["images"] == 56
    after = saved(tmp_path / "run")
    assert after[0] == before[0]
    steps(replace(TINY, images=56, decay=24), tmp_path / "branch", start=tmp_path / "run")  # has a checkpoint: left as it is
    assert saved(tmp_path / "branch")[0]["images"] == 56


@pytest.mark.parametrize("averaged_only", [False, True])
def test_what_was_kept_goes_on_with_an_optimiser_that_begins_anew(tmp_path, averaged_only):
    steps(TINY, tmp_path / "run", 5)
    (tmp_path / "run" / "log.jsonl").write_text('{"images": 8}\n{"images": 400}\n')
    small_model.keep(tmp_path / "run", tmp_path / "kept", averaged_only=averaged_only)
    steps(TINY, tmp_path / "on", 1, start=tmp_path / "kept")
    about, tensors = saved(tmp_path / "on")
    assert (about["step"], about["images"], about["began"]) == (6, 48, 5)
    assert json.loads((tmp_path / "on" / "log.jsonl").read_text()) == {"images": 8}  # what came later is forgotten
    name = "unet.mid_block.resnets.0.conv1.weight"
    before = saved(tmp_path / "run")[1][name.replace("unet", "averaged") if averaged_only else name]
    moved = (tensors[name] - before).abs().max()
    assert 0 < moved < 0.02  # warming up: half of the rate
    with pytest.raises(LessonsError, match="nothing to go on from"):
        steps(TINY, tmp_path / "nowhere", start=tmp_path / "empty")
    (tmp_path / "kept" / "averaged.safetensors").write_bytes(b"cut")
    with pytest.raises(LessonsError, match="are broken"):
        steps(TINY, tmp_path / "broken", start=tmp_path / "kept")


def test_a_batch_is_drawn_by_weight_and_spread_over_the_schedule(tmp_path, few):
    training = SmallModel(replace(TINY, batch_size=100), tmp_path, watch=False)
    x0, t, eps, embeds, small = training.batch(loop.generator(1, 1))
    assert small is None
    assert x0.shape == eps.shape == (100, 3, 16, 16)
    assert x0.min() >= -1
    assert x0.max() <= 1
    assert bool((t // 10 == torch.arange(100)).all())
    assert embeds.shape == (100, 77, 128)
    again = training.batch(loop.generator(1, 1))
    assert torch.equal(x0, again[0])
    assert not torch.equal(x0, training.batch(loop.generator(1, 2))[0])
    inside = few.images[few.held_out][0].float()[:, 4:12, 4:12] / 127.5 - 1  # however it was shifted, it is not there
    windows = x0.unfold(2, 8, 1).unfold(3, 8, 1).permute(0, 2, 3, 1, 4, 5)
    assert (windows - inside).abs().amax((-1, -2, -3)).min() > 0


def test_below_one_there_is_much_noise_more_often(tmp_path):
    training = SmallModel(replace(TINY, batch_size=1000, noise=0.5), tmp_path, watch=False)
    t = training.batch(loop.generator(1, 1))[1]
    assert (t >= 500).float().mean().item() == pytest.approx(0.75, abs=0.01)  # u^0.5 > 1/2 where u > 1/4
    assert t.max() < training.T
    with pytest.raises(ValueError, match="noise must be above 0"):
        Settings(noise=0)


def test_what_the_prompt_adds_to_time_stays_as_it_was_made(tmp_path):
    as_made = TINY.unet().add_embedding.state_dict()
    steps(TINY, tmp_path / "run", 5)
    tensors = saved(tmp_path / "run")[1]
    for network in ("unet", "averaged"):
        assert all(torch.equal(tensors[f"{network}.add_embedding.{k}"], v) for k, v in as_made.items())
    small_model.keep(tmp_path / "run", tmp_path / "kept")
    learned = load_file(tmp_path / "kept" / "unet.safetensors")
    learned["add_embedding.proj.weight"] += 1  # kept by an earlier run, which let it learn
    checkpoints.save_tensors(tmp_path / "kept" / "unet.safetensors", learned)
    steps(TINY, tmp_path / "on", 1, start=tmp_path / "kept")
    assert torch.equal(saved(tmp_path / "on")[1]["unet.add_embedding.proj.weight"], as_made["proj.weight"])


def test_captions_of_a_batch_are_those_of_its_pictures(tmp_path, few):
    trained = few[~few.held_out]
    texts, slots = small_model.caption_table(trained)
    assert len(set(texts)) == len(texts)
    assert slots.shape == (15, prompts.SLOTS)
    assert {texts[i] for i in slots[9]} == set(prompts.captions(int(trained.concept[9]), int(trained.style[9])))


def test_log_and_sheets_grow_geometrically_and_are_drawn_from_the_same_noise(tmp_path, monkeypatch):
    monkeypatch.setattr(small_model, "draw", partial(small_model.draw, stride=400))
    monkeypatch.setattr(small_model, "FIRST_LOG", 8)
    monkeypatch.setattr(small_model, "passed", partial(passed, first=8))
    told = list(small_model.train(replace(TINY, images=40), tmp_path))
    assert len(told) == 5
    lines = [json.loads(x) for x in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [x["images"] for x in lines] == [8, 16, 24, 32, 40]
    assert all(len(x["loss_quarters"]) == 4 and x["loss_held_out"] > 0 for x in lines)
    assert lines[-1]["loss"] < lines[0]["loss"]
    assert len(list(tmp_path.glob("sheet-*.webp"))) == 5


def test_passed_is_a_geometric_series():
    seen = list(range(0, 20_000, 500))
    hits = [b for a, b in zip(seen, seen[1:], strict=False) if passed(a, b, 2.0, first=1000)]
    assert hits == [1000, 2000, 4000, 8000, 16000]


def test_the_fixed_set_is_the_same_for_every_network_and_nought_for_the_truth(few):
    a, b = (FixedSet.of(few, torch.ones(16), 12) for _ in range(2))
    assert torch.equal(a.x0, b.x0)
    assert torch.equal(a.eps, b.eps)
    assert a.t[0] == 20
    assert a.t[-1] == 980

    def truth(xt, t, embeds):
        v = Schedule.cosine().velocity(a.x0, a.t, a.eps)
        return SimpleNamespace(sample=torch.cat([v, v], 1))

    knowing = SimpleNamespace(
        device=torch.device("cpu"), averaged=truth, small=lambda x0: None, shown=lambda xt, small, g: (xt, {})
    )
    assert a.losses(knowing, torch.zeros(12, 77, 128)).max() < 1e-4


SECOND = replace(TINY, stage=2, crop=8)


def test_stage_2_sees_the_picture_made_half_as_large_and_is_told_its_noise(tmp_path):
    training = small_model.Enlarger(replace(SECOND, crop=None, batch_size=64), tmp_path, watch=False)
    x0, *_, small = training.batch(loop.generator(1, 1))
    seen, extra = training.shown(x0, small, loop.generator(1, 2))
    level = extra["class_labels"]
    assert seen.shape == (64, 6, 16, 16)
    assert torch.equal(seen[:, :3], x0)
    assert 0 <= level.min() < 50 < 400 < level.max() < 500
    a = Schedule.cosine().alphas_cumprod[level].float().view(-1, 1, 1, 1)
    noise = (seen[:, 3:] - a.sqrt() * small) / (1 - a).sqrt()
    assert noise.mean().abs() < 0.02
    assert abs(noise.std() - 1) < 0.02
    assert 0.01 * x0.var() < (small - x0).square().mean() < 0.5 * x0.var()  # sixteen pixels a side lose much


def test_a_square_is_the_same_of_picture_and_noise(tmp_path):
    training = small_model.Enlarger(SECOND, tmp_path, watch=False)
    whole = small_model.Enlarger(replace(SECOND, crop=None), tmp_path, watch=False)
    (x0, _, eps, _, small), (all_x0, _, all_eps, _, all_small) = (k.batch(loop.generator(1, 1)) for k in (training, whole))
    assert x0.shape == eps.shape == (8, 3, 8, 8)
    corners = set()
    for i in range(8):
        windows = all_eps[i].unfold(1, 8, 1).unfold(2, 8, 1)
        y, x = ((windows - eps[i][:, None, None]).abs().amax((0, 3, 4)) == 0).nonzero()[0].tolist()
        for cut, all_of_it in ((x0, all_x0), (small, all_small)):
            assert torch.equal(all_of_it[i, :, y : y + 8, x : x + 8], cut[i])
        corners.add((y, x))
    assert len(corners) > 2


def test_stage_2_goes_on_to_the_bit_from_squares_to_whole_pictures(tmp_path):
    for folder, parts in (("whole", (4,)), ("parts", (1, 3))):
        for n in parts:
            steps(SECOND, tmp_path / folder, n)
        steps(replace(SECOND, crop=None, batch_size=4), tmp_path / folder, 1)
    (a, whole), (b, parts) = saved(tmp_path / "whole"), saved(tmp_path / "parts")
    assert a["images"] == b["images"] == 36
    assert all(torch.equal(whole[k], parts[k]) for k in whole)
    with pytest.raises(ValueError, match="crop is for stage 2"):
        replace(TINY, crop=8)


def test_stage_2_draws_its_sheet_and_ships(tmp_path, few):
    training = small_model.Enlarger(replace(SECOND, crop=None), tmp_path)
    training.never = few
    training.sheet()
    assert Image.open(tmp_path / "sheet-00000000.webp").size == (8 * 16, 3 * 16)
    training.log(0, 1.0)
    assert json.loads((tmp_path / "log.jsonl").read_text())["loss"] > 0
    steps(SECOND, tmp_path, 1)
    small_model.ship(tmp_path, tmp_path / "out")
    pipeline = DiffusionPipeline.from_pretrained(str(tmp_path / "out"), local_files_only=True)
    assert type(pipeline).__name__ == "IFSuperResolutionPipeline"
    assert pipeline.unet.config.sample_size == 128


def test_what_ships_opens_plainly(tmp_path):
    steps(TINY, tmp_path / "run", 2)
    small_model.ship(tmp_path / "run", tmp_path / "out")
    pipeline = DiffusionPipeline.from_pretrained(str(tmp_path / "out"), local_files_only=True)
    assert type(pipeline).__name__ == "IFPipeline"
    image = pipeline("a lithograph of a skull", num_inference_steps=2, output_type="pt").images
    assert image.shape == (1, 3, 16, 16)
    averaged = saved(tmp_path / "run")[1]["averaged.conv_in.weight"]
    torch.testing.assert_close(pipeline.unet.conv_in.weight.data.float(), averaged, rtol=1e-3, atol=1e-4)
    assert json.loads((tmp_path / "out" / "training.json").read_text())["images_seen"] == 16


def test_words_that_ship_are_those_of_the_captions_and_tell_things_apart(few):
    tokenizer, encoder = small_model.words_in(small_model.WORDS, few, 180)
    assert len(tokenizer) == len(if_format.make_tokenizer())
    assert (
        tokenizer("an oil painting of a penguin").input_ids
        == if_format.make_tokenizer()("an oil painting of a penguin").input_ids
    )
    asked = ["a dog", "a photo of a dog", "a cat", "an oil painting of a dog", "a lithograph of a dog"]
    with torch.no_grad():
        ids = [tokenizer(x, return_tensors="pt").input_ids for x in asked]
        dog, photo, cat, oil, stone = (encoder(i).last_hidden_state[0].mean(0) for i in ids)
    apart = torch.nn.functional.cosine_similarity
    assert apart(dog, photo, 0) > apart(dog, cat, 0)
    assert apart(oil, stone, 0) < 0.98


def test_words_are_taught_where_none_ship(tmp_path, few, monkeypatch):
    monkeypatch.setattr(small_model, "WORDS", tmp_path / "none")
    monkeypatch.setattr(small_model, "teach_words", partial(small_model.teach_words, steps=3))
    made = small_model.words_in(tmp_path / "words", few, 1)
    again = small_model.words_in(tmp_path / "words", few, 2)  # there already
    for a, b in zip(made[1].parameters(), again[1].parameters(), strict=True):
        assert torch.equal(a, b)


def test_every_word_is_one_token_and_none_is_unknown():
    tokenizer = if_format.make_tokenizer()
    for word in prompts.vocabulary():
        assert len(tokenizer(word, add_special_tokens=False).input_ids) == 1, word
    assert tokenizer.unk_token_id not in tokenizer("zyx waterfalls").input_ids


def test_the_variance_loss_is_nothing_where_the_variance_is_the_truth():
    tables = if_format.variance_tables(Schedule.cosine())
    t = torch.tensor([10, 500, 900])
    x0, eps = torch.rand(3, 3, 8, 8) * 1.6 - 0.8, torch.randn(3, 3, 8, 8)
    s = Schedule.cosine()
    xt, v = s.add_noise(x0, t, eps), s.velocity(x0, t, eps)
    least = -torch.ones_like(x0)  # f = 0: the posterior variance itself
    assert if_format.variance_loss(tables, xt, x0, t, v, least).abs() < 1e-4
    assert if_format.variance_loss(tables, xt, x0, t, v, least + 2) > 2e-4  # f = 1: beta


def test_muon_turns_what_is_inside_the_blocks():
    unet = Settings().unet()
    matrices, others = small_model.split(unet, plain=if_format.OUTER)
    turned = {id(p) for p in matrices}
    inside = {k for k, p in unet.named_parameters() if id(p) in turned}
    assert all(k.startswith(("down_blocks", "mid_block", "up_blocks")) for k in inside)
    assert len(matrices) + len(others) == len(list(unet.parameters()))
