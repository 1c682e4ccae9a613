"""Long work in its own process: start, watch, pause, resume, cancel. A run is a folder; whoever has its id finds it again."""

from lessons_lib.runs.runs import FOLDER, State, cancel, last_runs, pause, resume, start, tend, watch

__all__ = ["FOLDER", "State", "cancel", "last_runs", "pause", "resume", "start", "tend", "watch"]
