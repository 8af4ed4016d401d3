"""A run directory on a job host, its jobs submitted there, the truth about them, and the results back."""

__version__ = "0.1.0"
