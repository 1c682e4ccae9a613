"""Where things lie. Everything that ships or is made stands below the project's folder."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
CACHE = ROOT / "cache"
_MADE_HERE = Path(os.environ.get("DIFFUSION_RUNS") or CACHE / "runs")  # replicas of the app share one folder
RUNS = _MADE_HERE / "mnist"  # trainings of the page Train, a folder each
OWN = _MADE_HERE / "own"  # networks that people gave, a folder each
ROOMS = _MADE_HERE / "rooms"  # classes, a folder each
LINKS = _MADE_HERE / "links.json"  # short addresses for a class
