"""DeepFloyd IF's whole path on a folder laid out as the real repository, with tiny random weights."""

import pytest
import torch

from lessons_lib.errors import LessonsError
from lessons_lib.lessons._common import from_noise
from lessons_lib.lessons.sampling import upscale
from lessons_lib.models import deepfloyd
from lessons_lib.models.embeddings import embeddings_from_file, words_from_file

WIDTH = 32
pytestmark = pytest.mark.slow  # opens diffusers


def tiny_unet(in_channels, size, **more):
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=size,
        in_channels=in_channels,
        out_channels=6,
        layers_per_block=1,
        block_out_channels=(32, 64),
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        cross_attention_dim=32,
        encoder_hid_dim=WIDTH,
        encoder_hid_dim_type="text_proj",
        attention_head_dim=32,
        norm_num_groups=8,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=8,
        time_embedding_type="positional",
        **more,
    )


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """Both stages as on the hub: fp16 files, a safety checker, no text encoder of use here."""
    from diffusers import DDPMScheduler, IFPipeline, IFSuperResolutionPipeline
    from diffusers.pipelines.deepfloyd_if.safety_checker import IFSafetyChecker
    from transformers import CLIPConfig, CLIPImageProcessor

    deepfloyd._mend(IFSafetyChecker)
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("DeepFloyd")
    scheduler = DDPMScheduler(beta_schedule="squaredcos_cap_v2", variance_type="learned_range", prediction_type="epsilon")
    vision = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "image_size": 32,
        "patch_size": 16,
    }
    checker = IFSafetyChecker(CLIPConfig(projection_dim=8, vision_config={**vision, "projection_dim": 8}))
    parts = {
        "tokenizer": None,
        "text_encoder": None,
        "scheduler": scheduler,
        "safety_checker": checker,
        "feature_extractor": CLIPImageProcessor(size=32, crop_size=32),
        "watermarker": None,
    }
    IFPipeline(unet=tiny_unet(3, 32).half(), **parts).save_pretrained(folder / "one", variant="fp16")
    second = tiny_unet(6, 64, class_embed_type="timestep").half()
    IFSuperResolutionPipeline(unet=second, image_noising_scheduler=scheduler, **parts).save_pretrained(
        folder / "two", variant="fp16"
    )
    torch.save({"": torch.zeros(1, 77, WIDTH), "a cat": torch.randn(1, 77, WIDTH)}, folder / "embeddings.pt")
    return folder


def test_both_stages_walk(repository, monkeypatch):
    monkeypatch.setenv(deepfloyd.EMBEDDINGS, str(repository / "embeddings.pt"))
    model = deepfloyd.open_deepfloyd("IF-I-M", repository=repository / "one", stage2=repository / "two", width=WIDTH)
    assert model.shape == (3, 32, 32)
    assert model.prompts == ("a cat",)
    assert [round(model.schedule.alpha_bar(t), 3) for t in (250, 500, 750)] == [0.846, 0.492, 0.143]
    *_, last = from_noise(model, "a cat", [1, 2], timesteps=[990, 500, 0])
    assert last.x_prev.shape == (2, 3, 32, 32)
    *_, large = upscale(model.upscaler(), last.x_prev.clamp(-1, 1), "a cat", [1, 2], timesteps=[800, 400, 0])
    assert large.x_prev.shape == (2, 3, 64, 64)
    with pytest.raises(LessonsError, match="a dog"):
        model.denoiser("a dog")


def test_our_guided_answer_is_the_pipelines(repository, monkeypatch, exact):
    """The same split of six channels, and guidance on the first three, as IFPipeline has it."""
    from lessons_lib.maths.denoisers import guided

    monkeypatch.setenv(deepfloyd.EMBEDDINGS, str(repository / "embeddings.pt"))
    model = deepfloyd.open_deepfloyd("IF-I-M", repository=repository / "one", width=WIDTH)
    pipeline = deepfloyd._opened(repository / "one", "IF-I-M", "cpu", torch.float32)
    xt, words = torch.randn(1, 3, 32, 32), torch.load(repository / "embeddings.pt")
    with torch.no_grad():
        both = torch.cat([words[""], words["a cat"]])
        uncond, cond = pipeline.unet(torch.cat([xt, xt]), 500, encoder_hidden_states=both).sample.chunk(2)
    eps, variance = guided(model.denoiser("a cat"), model.denoiser(""), 7.0)(xt, 500)
    torch.testing.assert_close(eps, uncond[:, :3] + 7 * (cond[:, :3] - uncond[:, :3]), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(variance, cond[:, 3:], rtol=1e-3, atol=1e-3)


def test_on_a_small_gpu_each_network_waits_in_main_memory_for_its_turn(repository, monkeypatch):
    import diffusers

    done = []
    monkeypatch.setattr(diffusers.IFPipeline, "enable_model_cpu_offload", lambda self: done.append("offloaded"))
    monkeypatch.setattr(diffusers.IFPipeline, "to", lambda self, device: done.append(device) or self)
    deepfloyd._opened(repository / "one", "IF-I-M", "cuda", torch.float16)
    monkeypatch.setenv(deepfloyd.OFFLOAD, "1")
    deepfloyd._opened(repository / "one", "IF-I-M", "cuda", torch.float16)
    assert done == ["cuda", "offloaded"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        ("GatedRepoError", "licence"),
        ("RepositoryNotFoundError", "token"),
        ("LocalEntryNotFoundError", "hub cannot be reached"),
        ("memory", "memory"),
    ],
)
def test_each_refusal_is_one_sentence_with_the_next_step(repository, monkeypatch, error, said):
    import diffusers
    from huggingface_hub import errors

    def refuse(*args, **kwargs):
        if error == "memory":
            raise MemoryError
        kind = getattr(errors, error)
        raised = kind.__new__(kind)  # without the web response it wants: only its kind matters
        Exception.__init__(raised, "refused")
        raise raised

    monkeypatch.setenv(deepfloyd.EMBEDDINGS, str(repository / "embeddings.pt"))
    monkeypatch.setattr(diffusers.DiffusionPipeline, "from_pretrained", refuse)
    with pytest.raises(LessonsError, match=said) as told:
        deepfloyd.open_deepfloyd("IF-I-XL", width=WIDTH)
    assert "\n" not in str(told.value)


def test_without_embeddings_the_next_step_is_named(monkeypatch):
    monkeypatch.delenv(deepfloyd.EMBEDDINGS, raising=False)
    with pytest.raises(LessonsError, match="DEEPFLOYD_EMBEDDINGS"):
        deepfloyd.open_deepfloyd("IF-I-XL")
    with pytest.raises(LessonsError, match="IF-I-XL"):
        deepfloyd.open_deepfloyd("IF-9")


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"a": torch.zeros(1, 77, 8)}, "77, 32"),
        ({"a": torch.zeros(1, 77, WIDTH)}, "empty prompt"),
        ({"": torch.full((1, 77, WIDTH), torch.nan)}, "NaN"),
        ({1: torch.zeros(1, 77, WIDTH)}, "holds"),
        ({"": "text"}, "str"),
        ([1, 2], "dict"),
        ({}, "dict"),
    ],
)
def test_bad_embeddings_file(tmp_path, held, said):
    torch.save(held, tmp_path / "e.pt")
    with pytest.raises(LessonsError, match=said):
        embeddings_from_file(tmp_path / "e.pt", WIDTH)


def test_embeddings_file_that_is_none_or_would_run_code(tmp_path):
    with pytest.raises(LessonsError, match=r"missing\.pt cannot be read"):
        words_from_file(tmp_path / "missing.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(LessonsError, match="cannot be opened"):
        words_from_file(tmp_path / "text.pt")

    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("code in the file ran",))

    torch.save({"": Trap()}, tmp_path / "trap.pt")
    with pytest.raises(LessonsError, match="more than tensors"):
        words_from_file(tmp_path / "trap.pt")
