"""A run directory on a job host, its jobs submitted there, the truth about them, and the results back."""

__version__ = "0.1.0"


def examples_folder() -> str:
    """Where the run directories that ship with this package lie."""
    import os

    return os.path.join(os.path.dirname(__file__), "examples")
