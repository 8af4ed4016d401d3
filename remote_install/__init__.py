"""A run directory on a job host, its jobs submitted there, the truth about them, and the results back."""

__version__ = "0.1.0"
__all__ = ["Job", "Report", "RunDirectory", "ansible_inventory", "examples_folder"]

TYPE_CHECKING = False  # typing's own, without the import of typing: that takes longer than all of ours
if TYPE_CHECKING:
    from remote_install.api import Job, RunDirectory, ansible_inventory
    from remote_install.report import Report


def __getattr__(name: str) -> object:
    """The names of the Python API, imported when they are first used: a help text needs none of them."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from remote_install import api

    return getattr(api, name)


def examples_folder() -> str:
    """Where the run directories that ship with this package lie."""
    import os

    return os.path.join(os.path.dirname(__file__), "examples")
