"""Real batch systems for tests, on job hosts of their own: their commands work for the user there, jobs run as her."""

from .atd import Atd
from .daemon import Daemon, wait_for
from .gridengine import GridEngine
from .oar import Oar
from .replayed import Replayed
from .slurm import Accounting, Slurm

__all__ = ["Accounting", "Atd", "Daemon", "GridEngine", "Oar", "Replayed", "Slurm", "wait_for"]
