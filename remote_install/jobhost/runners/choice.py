"""Which job runner a job has: named by the request when it is submitted, by its job.submit ever after."""

import importlib
from typing import Any, Dict, List, Mapping, Optional, Tuple

from ..status import GATE, NOT_ASKED, Answer, Facts
from ..wire import Json, Refusal, text

OURS = ("slurm", "pbs", "sge", "lsf")  # files beside this one
NAME = r"[A-Za-z0-9][A-Za-z0-9._+-]*"


class Runners:
    """The job runners that a request may need, each made once."""

    def __init__(self, request: Optional[Json] = None) -> None:
        """request: its `runner` has name, cluster and, of a site's own, source; `forward`: variables, name -> value.

        Raises Refusal when these are not in order.
        """
        fields = request or {}
        wanted = fields.get("runner") or {"name": "background"}
        self._name = text(wanted, "name", NAME)
        self._cluster = text(wanted, "cluster", NAME) if wanted.get("cluster") else ""
        self._source = text(wanted, "source") if wanted.get("source") else ""
        self._forward: Mapping[str, str] = {
            name: text(fields["forward"], name, "[^\0]*") for name in fields.get("forward") or {}
        }
        self._made: Dict[Tuple[str, str], Any] = {}

    def wanted(self) -> Any:
        """The one that the request names. Raises Refusal (3) when there is none of that name."""
        return self._get(self._name, self._cluster)

    def of(self, facts: Facts) -> Any:
        """The one that a job was submitted with. Where nobody wrote that down, it stands in the start gate."""
        gate = GATE.fullmatch(facts.start or "")
        default = gate.groups() if gate else ("background", "")
        name, cluster = facts.submit.get("JOB_RUNNER", default[0]), facts.submit.get("CLUSTER", default[1])
        try:
            return self._get(name, cluster)
        except Refusal as refusal:
            return self._made.setdefault((name, cluster), Unknown(name, refusal.message))

    def refresh(self) -> None:
        """What the runners keep of their last look is forgotten."""
        for runner in self._made.values():
            runner.refresh()

    def _get(self, name: str, cluster: str) -> Any:
        if (name, cluster) not in self._made:
            self._made[name, cluster] = self._make(name, cluster)
        return self._made[name, cluster]

    def _make(self, name: str, cluster: str) -> Any:
        """Only what is named is imported."""
        if self._source and name == self._name:
            from . import own
            from .batch import Batch

            return Batch(own.load(name, self._source), cluster, self._forward)
        if name == "background":
            from .background import Background

            return Background()
        if name == "at":
            from .at import At

            return At(self._forward)
        if name in OURS:
            from .batch import Batch

            return Batch(importlib.import_module("." + name, __package__), cluster, self._forward)
        known = ", ".join(("background", "at", *OURS))
        raise Refusal(3, "there is no job runner %s" % name, "There are %s, and a site's own with `file:`." % known)


class Unknown:
    """The runner of a job whose record names one that is not known here: nothing can be told of it."""

    of_processes = False

    def __init__(self, name: str, why: str) -> None:
        self.name, self._why = name, why

    def refresh(self) -> None:
        pass

    def ask(self, tries: List[Facts]) -> List[Answer]:
        return [Answer(NOT_ASKED, self._why)] * len(tries)

    def cancel(self, _tries: List[Facts]) -> None:
        raise Refusal(3, self._why, "Name it as job_runner of the platform in hosts.yaml.")

    def job_id(self, facts: Facts) -> str:
        return facts.submit.get("JOB_ID", "")
