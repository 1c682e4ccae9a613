"""diffusers' pipelines, opened late: diffusers and transformers are imported here alone, when a model is first opened."""

from __future__ import annotations

import logging
import threading
import time
from pathlib import Path

import torch

from lessons_lib import memory
from lessons_lib.errors import LessonsError

log = logging.getLogger(__name__)

# diffusers and transformers, imported or opening by two threads at once, leave weights unloaded
_one_at_a_time = threading.RLock()


def open_pipeline(folder: Path):
    """diffusers' pipeline from a folder on this machine, all in float32.

    Raises: LessonsError if the folder is missing or broken, or if diffusers cannot be imported; the two are told apart.
    """
    with _one_at_a_time:
        opener, started = library().DiffusionPipeline, time.monotonic()
        try:
            with memory.importing():  # diffusers imports what a pipeline consists of when it opens one
                pipeline = opener.from_pretrained(str(folder), local_files_only=True, dtype=torch.float32)
        except Exception as e:  # OSError, ValueError, KeyError, SafetensorError ... for a broken folder
            if failed_import(e) is not None:
                raise broken_install(e) from e
            raise LessonsError(
                f"The model in {folder.name} cannot be opened: restore it with `git checkout cache/text_to_image`."
            ) from e
    log.info("opened %s in %.1f s", folder.name, time.monotonic() - started)
    return pipeline


def library():
    """The module diffusers, its progress bars and warnings silenced. Raises LessonsError if it cannot be imported."""
    try:
        with _one_at_a_time, memory.importing():
            import diffusers
            import diffusers.utils.logging as diffusers_logging
            import transformers
            from diffusers import DiffusionPipeline  # noqa: F401, diffusers imports its parts when they are asked for

            diffusers_logging.disable_progress_bar()
            transformers.utils.logging.disable_progress_bar()
            transformers.utils.logging.set_verbosity_error()
            return diffusers
    except Exception as e:  # ImportError, or RuntimeError where diffusers imports late, or whatever a broken part raises
        raise broken_install(e) from e


def failed_import(error: BaseException) -> ImportError | None:
    """The ImportError that an error came from, if any: diffusers wraps those of its late imports in a RuntimeError."""
    while error is not None:
        if isinstance(error, ImportError):
            return error
        error = error.__cause__ or error.__context__
    return None


def broken_install(error: BaseException) -> LessonsError:
    """What a person is told when a library cannot be imported."""
    why = str(failed_import(error) or error).strip().splitlines()
    return LessonsError(
        f"diffusers or transformers cannot be imported ({why[0][:150] if why else type(error).__name__}): "
        "pip install -r requirements.txt mends a broken install."
    )
