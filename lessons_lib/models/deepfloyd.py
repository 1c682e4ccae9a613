"""DeepFloyd IF by name: opened once its files are on this machine, in the small model's place, by the same code.

What it needs is in the README; what was tried here: the whole path, on a folder laid out as the real repository with tiny
random weights. The real weights and a GPU were not.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch

from lessons_lib import engine, memory
from lessons_lib.errors import LessonsError
from lessons_lib.maths.denoisers import Network
from lessons_lib.models.batching import Batched
from lessons_lib.models.embeddings import words_from_file
from lessons_lib.models.folder import model_of, once
from lessons_lib.models.model import Model
from lessons_lib.models.names import REPOSITORIES
from lessons_lib.models.pipelines import broken_install, failed_import, library
from lessons_lib.models.text_to_image import network_of, schedule_of
from lessons_lib.models.upscaler import Upscaler, upscaler_from, upscaling_network_of

STAGE2 = {"IF-I-M": "DeepFloyd/IF-II-M-v1.0", "IF-I-L": "DeepFloyd/IF-II-M-v1.0", "IF-I-XL": "DeepFloyd/IF-II-L-v1.0"}
EMBEDDINGS = "DEEPFLOYD_EMBEDDINGS"  # environment variable: a {prompt: (1, 77, 4096) tensor} file
OFFLOAD = "DEEPFLOYD_OFFLOAD"  # environment variable: 1 keeps the network that is not at work in main memory; needs accelerate
PATIENCE = {"cuda": 120, "cpu": 1800}  # seconds for one pass: without a GPU, a batch takes minutes
NEEDS_GB = {"IF-I-M": 6, "IF-I-L": 8, "IF-I-XL": 14}


@dataclass(frozen=True, eq=False)
class Stage:
    """One of DeepFloyd IF's two stages, wherever it computes.

    scheduler: diffusers' config of its walk. size: of its pictures, in pixels. about: repository, precision, device.
    noising: of stage 2, the config of what is done to the enlarged picture.
    """

    network: Network
    scheduler: dict
    size: int
    about: str
    noising: dict | None = None


def open_stage(name: str, number: int, where: str) -> Stage:
    """Open a stage in this process, on its GPU if there is one. where: a hub id or a folder. Raises LessonsError in one sentence."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.float16 if device == "cuda" else torch.float32
    pipeline = _opened(where, name, device, dtype)
    config = dict(pipeline.scheduler.config)
    of = network_of if number == 1 else upscaling_network_of
    network = Batched(of(pipeline.unet, schedule_of(config), config["prediction_type"]), PATIENCE[device])
    noising = None if number == 1 else dict(pipeline.image_noising_scheduler.config)
    return Stage(network, config, pipeline.unet.config.sample_size, f"{where}, {dtype}, {device}", noising)


def _stage(name: str, number: int, where: str) -> Stage:
    """The stage on a GPU of the cluster, where one was joined; else in this process."""
    cluster = engine.current()
    return open_stage(name, number, where) if cluster is None else cluster.networks.stage(name, number, where)


def open_deepfloyd(
    name: str, *, repository: str | Path | None = None, stage2: str | Path | None = None, width: int = 4096
) -> Model:
    """DeepFloyd IF as a Model, both stages, prompts from the embeddings file that DEEPFLOYD_EMBEDDINGS names.

    Args: repository, stage2: a hub id or a folder, by default those of the name. width: of the embeddings, 4096 for the real T5.
    Raises: LessonsError in one sentence with the next step.
    """
    if name not in REPOSITORIES:
        raise LessonsError(f"There is no DeepFloyd model {name!r}: choose {', '.join(REPOSITORIES)}.")
    file = os.environ.get(EMBEDDINGS)
    if not file:
        raise LessonsError(
            f"DeepFloyd needs prompt embeddings: set {EMBEDDINGS} to a file of them (the README says how to make one)."
        )
    words = words_from_file(file, width)
    first = _stage(name, 1, str(repository or REPOSITORIES[name]))

    @once
    def upscaler() -> Upscaler:
        second = _stage(name, 2, str(stage2 or STAGE2[name]))
        return upscaler_from(second.network, words, schedule_of(second.scheduler), schedule_of(second.noising), second.size)

    return model_of(
        schedule_of(first.scheduler),
        first.size,
        first.network,
        words.encode,
        name=name,
        about=first.about,
        prompts=tuple(p for p in words.known if p),
        embedding_width=width,
        upscaler=upscaler,
    )


def _opened(where: str | Path, name: str, device: str, dtype: torch.dtype):
    """A pipeline of IF's, its safety checker kept. Raises LessonsError for all that can be missing."""
    diffusers = library()
    try:
        with memory.importing():
            from diffusers.pipelines.deepfloyd_if.safety_checker import IFSafetyChecker
            from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
    except ImportError as e:
        raise broken_install(e) from e
    _mend(IFSafetyChecker)
    repository = str(where)
    try:
        pipeline = diffusers.DiffusionPipeline.from_pretrained(repository, text_encoder=None, variant="fp16", dtype=dtype)
        if device == "cuda" and os.environ.get(OFFLOAD) == "1":
            pipeline.enable_model_cpu_offload()
            return pipeline
        return pipeline.to(device)
    except GatedRepoError as e:
        raise LessonsError(
            f"{repository} is gated: accept its licence on huggingface.co/{REPOSITORIES[name]} with your account."
        ) from e
    except RepositoryNotFoundError as e:
        raise LessonsError(
            f"{repository} was refused: log in with `hf auth login` and a token of your account, then try again."
        ) from e
    except (torch.OutOfMemoryError, MemoryError) as e:
        raise LessonsError(f"{name} needs about {NEEDS_GB[name]} GB of memory: close other programs, or choose IF-I-M.") from e
    except (LocalEntryNotFoundError, HfHubHTTPError, ConnectionError) as e:
        raise LessonsError(f"{repository} is not on this machine and the hub cannot be reached: connect once to fetch it.") from e
    except (OSError, ValueError, KeyError, RuntimeError, ImportError) as e:
        if failed_import(e) is not None:
            raise broken_install(e) from e
        raise LessonsError(
            f"{repository} cannot be opened ({(str(e).splitlines() or [type(e).__name__])[0][:120]}): fetch it again with `hf download`."
        ) from e


def _mend(safety_checker: type) -> None:
    """transformers 5 needs post_init() called at the end of a model's __init__, which IF's safety checker does not."""
    if getattr(safety_checker, "_mended", False):
        return
    begin = safety_checker.__init__

    def init(self, *args, **kwargs):
        begin(self, *args, **kwargs)
        self.post_init()

    safety_checker.__init__ = init
    safety_checker._mended = True
