"""docs/install-step.md and docs/inside-a-job.md: what they show is typed, and comes."""

from __future__ import annotations

from pathlib import Path

from hosts import MakeHosts

from . import pages
from .follower import Follower

PAGE = "install-step.md"
BUILD = "#!/bin/sh\necho building\nprintf '#!/bin/sh\\necho built on %s\\n' \"$(hostname)\" >model\nchmod +x model\n"


def test_a_build_on_two_targets_and_one_that_fails(tmp_path: Path, make_hosts: MakeHosts) -> None:
    hpc, gpu = make_hosts(2)
    reader = Follower(tmp_path, hpc)
    reader.know("platforms:\n  hpc: {hosts: [login1]}\n  gpu: {hosts: [gpu1]}\n", {"login1": hpc, "gpu1": gpu})
    (run_yaml,) = pages.blocks(pages.section(PAGE, "Build there"), "yaml")
    run = reader.write_run("model", {"run.yaml": run_yaml, "build.sh": BUILD, "a.c": "1\n", "a.o": "x\n", "b.c": "2\n"})
    first, again, submit, broken = pages.blocks(pages.section(PAGE), "console")
    reader.sees(first, any_order=True)
    for host in (hpc, gpu):
        assert host.run(["sh", "-c", "cd remote-install-run/model && ls"]).stdout.split() == [
            *("a.c", "b.c", "build.sh", "model", "run.yaml"),
        ]
    reader.sees(again)
    reader.sees(submit)
    assert reader.type("remote-install wait model -q")[0] == 0
    assert reader.type("remote-install logs model job") == (0, f"built on {hpc.name}\n")
    (run / "build.sh").write_text("#!/bin/sh\nexit 4\n")
    reader.sees(broken, code=1)
    assert reader.type("remote-install submit model -p hpc --no-install --name next -- ./model")[0] == 9
