"""What batch systems are told, and what is made of what they say: recorded from real ones in tests/cases."""

from __future__ import annotations

import importlib
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from batch.cases import names_of, read_case

from remote_install import examples_folder
from remote_install.jobhost import killing
from remote_install.jobhost.layout import JobDirectory
from remote_install.jobhost.runners import batch, commands, own
from remote_install.jobhost.runners.batch import Batch
from remote_install.jobhost.runners.choice import Runners
from remote_install.jobhost.runners.words import Job, Said, Settings
from remote_install.jobhost.status import GONE, NOT_ASKED, QUEUED, RUNNING, Facts
from remote_install.jobhost.tries import Looker
from remote_install.jobhost.wire import Refusal

ME = Settings("alice")
JOB = Job("remote-install.ab.train.01", 5400, {"--account": "climate", "-l": "mem=1G", "--exclusive": ""})
MODULES = {
    name: importlib.import_module(f"remote_install.jobhost.runners.{name}") for name in ("slurm", "pbs", "sge", "lsf")
}
SYSTEM = {"slurm": "slurm", "sge": "gridengine"}

ARGV = {
    "slurm": "sbatch --parsable --no-requeue --output=job.log --open-mode=append --export=ALL --time=1:30:00 "
    "--account=climate -l mem=1G --exclusive --job-name=remote-install.ab.train.01 job.batch",
    "pbs": "qsub -r n -j oe -o job.log -l walltime=1:31:00 --account=climate -l mem=1G --exclusive "
    "-N remote-install.ab.train.01 job.batch",
    "sge": "qsub -terse -C  -cwd -S /bin/sh -r n -j y -o job.log -l h_rt=5460 --account=climate -l mem=1G "
    "--exclusive -N remote-install.ab.train.01 job.batch",
    "lsf": "bsub -rn -o job.log -W 91 --account=climate -l mem=1G --exclusive -J remote-install.ab.train.01 /bin/sh "
    "./job.batch",
}


@pytest.mark.parametrize("name", MODULES)
def test_a_submission_is_exactly_this(name: str) -> None:
    assert " ".join(MODULES[name].submit(JOB, ME)) == ARGV[name]


def test_each_cluster_is_named_on_every_call() -> None:
    slurm, c2 = MODULES["slurm"], Settings("alice", "c2")
    for argv in (slurm.submit(JOB, c2), slurm.listing(None, c2), slurm.kill(["12"], c2)):
        assert "--clusters=c2" in argv


def said(system: str, name: str) -> Said:
    case = read_case(system, name)
    return Said(case.exit_code, case.out, case.err)


CASES = [(name, case) for name, system in SYSTEM.items() for case in names_of(system)]


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, case in CASES if case.startswith("submit")])
def test_a_submission_has_an_id_only_if_it_was_made(name: str, case: str) -> None:
    heard = said(SYSTEM[name], case)
    argv = read_case(SYSTEM[name], case).argv
    terse = "--parsable" in argv or "-terse" in argv
    found = MODULES[name].parse_submit(heard)
    if terse:
        assert found.isdigit() == (heard.code == 0), heard
    elif heard.code != 0:
        assert found == ""


@pytest.mark.parametrize(("name", "case"), [(name, case) for name, case in CASES if case.startswith("list")])
def test_who_could_not_be_asked_has_said_nothing(name: str, case: str) -> None:
    heard = said(SYSTEM[name], case)
    found: dict[str, Any] | None = MODULES[name].parse_listing(heard, ME)
    assert (found is None) == (heard.code != 0), heard
    for number, entry in (found or {}).items():
        assert number[0].isdigit()
        assert entry.name.endswith(".train.01")
        assert entry.word in (QUEUED, RUNNING, GONE)


def words(name: str, case: str) -> dict[str, tuple[str, str]]:
    found = MODULES[name].parse_listing(said(SYSTEM[name], case), ME)
    return {number: (entry.word, entry.reason) for number, entry in found.items()}


def test_slurm_states_as_recorded() -> None:
    alive = words("slurm", "list-alive")
    assert alive["10"] == (QUEUED, "BeginTime")
    assert alive["9"] == (QUEUED, "JobHeldUser")
    assert alive["7"] == (RUNNING, "")
    assert alive["1"] == (GONE, "cancelled")
    assert "time limit" in {reason for _, reason in words("slurm", "list-ended").values()}


def test_grid_engine_states_as_recorded() -> None:
    alive = words("sge", "list-alive")
    assert alive["11"] == (RUNNING, "")
    assert set(words("sge", "list-all-ended").values()) <= {(GONE, "")}
    assert words("sge", "list-nothing") == {}


# What is made of each listing of a system that could not be had: the words of its jobs; None: it could not be asked.
PUBLISHED: dict[str, dict[str, list[tuple[str, str]] | None]] = {
    "pbspro": {
        "list-queued": [(QUEUED, "Not Running: Node is in an ineligible state: offline")],
        "list-running": [(RUNNING, "")],
        "list-held": [(QUEUED, "")],
        "list-history": [(GONE, "")],
        "list-finished": [],
        "list-unknown": [],
        "list-one-unknown-of-three": [(RUNNING, "")],
        "list-long-name": [(RUNNING, "")],
        "list-server-down": None,
    },
    "lsf": {
        "list-pending": [(QUEUED, "")],
        "list-held": [(QUEUED, "")],
        "list-running": [(RUNNING, "")],
        "list-done": [(GONE, "")],
        "list-exit": [(GONE, "")],
        "list-killed": [(GONE, "cancelled")],
        "list-timed-out": [(GONE, "time limit")],
        "list-out-of-memory": [(GONE, "out of memory")],
        "list-unreachable-host": [(RUNNING, ""), (RUNNING, "")],
        "list-nothing": [],
        "list-nothing-unfinished": [],
        "list-forgotten": [],
        "list-silent": None,
    },
}
PUBLISHED_BY = {"pbspro": "pbs", "lsf": "lsf"}


@pytest.mark.parametrize("system", PUBLISHED)
def test_listings_as_published(system: str) -> None:
    listings = [case for case in names_of(system) if case.startswith("list")]
    assert sorted(PUBLISHED[system]) == listings
    for case in listings:
        found = MODULES[PUBLISHED_BY[system]].parse_listing(said(system, case), ME)
        expected = PUBLISHED[system][case]
        assert (None if found is None else [(entry.word, entry.reason) for entry in found.values()]) == expected, case
        assert all(
            re.fullmatch(r"remote-install\.0123456789ab\.\S+\.01", entry.name) for entry in (found or {}).values()
        )


@pytest.mark.parametrize("system", PUBLISHED)
def test_submissions_as_published(system: str) -> None:
    for case in [case for case in names_of(system) if case.startswith("submit")]:
        heard = said(system, case)
        found = MODULES[PUBLISHED_BY[system]].parse_submit(heard)
        assert bool(found) == (heard.code == 0), case
        assert found in heard.out
        # What broke off may have been submitted all the same.
        assert bool(batch.UNSURE.search(heard.err)) == (case in ("submit-server-down", "submit-broken-off")), case


def test_torques_commands_over_slurm_as_recorded() -> None:
    found = {case: MODULES["pbs"].parse_listing(said("torque", case), ME) for case in names_of("torque")}
    assert {entry.word for entry in found["list-full"].values()} == {QUEUED, RUNNING, GONE}
    assert {entry.name[-9:] for entry in found["list-full"].values()} == {".train.01"}
    assert found["list-full-unknown"] == {}
    assert [entry.word for entry in found["list-full-one-unknown-of-two"].values()] == [RUNNING]
    assert found["list-full-slurmctld-down"] is found["list-full-munged-down"] is None
    for case in ("submit", "submit-with-time", "submit-unknown-queue", "submit-slurmctld-down"):
        heard = said("torque", case)
        assert bool(MODULES["pbs"].parse_submit(heard)) == (heard.code == 0), case


def test_a_qstat_that_breaks_off_has_said_nothing() -> None:
    heard = Said(153, "", "qstat: Unknown Job Id 1\nqstat: End of File\n")
    assert MODULES["pbs"].parse_listing(heard, ME) is None


def test_an_environment_variable_is_not_taken_for_an_attribute_of_its_job() -> None:
    out = "Job Id: 1.h\n    Job_Name = t\n    job_state = R\n    Variable_List = A=b\n    job_state = F,\n\tB=c\n\n"
    assert MODULES["pbs"].parse_listing(Said(0, out, ""), ME)["1.h"].word == RUNNING


def test_a_command_that_does_not_answer_is_ended_with_all_it_started(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "SECONDS", 0.3)
    told = commands.run(["sh", "-c", "sleep 60 & sleep 60"], commands.clean((), {}))
    assert (told.code, told.err) == (commands.TIMED_OUT, "sh did not answer within 0 s")
    assert commands.run(["no-such-command"], {}).err == "there is no no-such-command here"


def test_commands_see_a_clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SBATCH_ACCOUNT", "evil")
    monkeypatch.setenv("SLURM_CONF", "/etc/x")
    told = commands.run(["env"], commands.clean(("SLURM_CONF",), {"MORE": "a\udcff\nb"}))
    assert "SBATCH_ACCOUNT" not in told.out
    assert "SLURM_CONF=/etc/x\n" in told.out
    assert "MORE=a\udcff\nb\n" in told.out
    assert "HOME=" in told.out


@pytest.mark.parametrize("name", [*MODULES, "oar"])
@pytest.mark.parametrize(
    "out", ["error: no such thing\n", "<html>| | | |</html>\n" * 1000, "\udca1\udc00\n|\ud83d||", "<a/>", "[]", "\x00"]
)
def test_an_answer_that_can_not_be_understood_is_none(name: str, out: str) -> None:
    module = MODULES.get(name) or example_for_oar()
    assert module.parse_listing(Said(0, out, ""), ME) is None
    assert module.parse_listing(Said(0, "", "error: nobody answers\n"), ME) is None


def test_words_for_a_message_can_be_printed() -> None:
    assert commands.last_words(Said(1, "", "a\x1b[31mb\udca1\x00é\n")) == "a?[31mb??é"


def test_a_command_is_told_where_it_is_as_by_a_shell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PWD", "/elsewhere")
    told = commands.run(["env"], commands.clean((), {}), os.fsencode(tmp_path))
    assert f"PWD={tmp_path}\n" in told.out


def example_for_oar() -> Any:
    with open(f"{examples_folder()}/runners/oar.py", encoding="utf-8") as file:
        return own.load("oar", file.read())


def test_the_example_of_a_sites_own_reads_what_oar_said() -> None:
    oar = example_for_oar()
    for case in names_of("oar"):
        heard = said("oar", case)
        if case.startswith("submit"):
            assert oar.parse_submit(heard).isdigit() == (heard.code == 0), case
        elif case.startswith("list"):
            assert (oar.parse_listing(heard, ME) is None) == (heard.code != 0), case
    alive = oar.parse_listing(said("oar", "list-alive"), ME)
    assert {alive["4"].word, alive["3"].word} == {QUEUED, RUNNING}
    assert oar.submit(JOB, ME)[:3] == ["oarsub", "-l", "walltime=1:31:00"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("NAME = 'x'", "has no ID"),
        ("import nothing_like_that", "can't be loaded: ModuleNotFoundError"),
        ("def (", "can't be loaded: SyntaxError"),
    ],
)
def test_a_file_that_is_no_runner_is_refused(source: str, message: str) -> None:
    with pytest.raises(Refusal) as caught:
        own.load("mine", source)
    assert message in caught.value.message
    assert caught.value.code == 3


@pytest.mark.parametrize(
    ("name", "directive"),
    [
        ("slurm", "--array"),
        ("slurm", "--arr"),
        ("slurm", "-a1-3"),
        ("slurm", "-Jother"),
        ("pbs", "-J1-10"),
        ("pbs", ":"),
        ("sge", "-t"),
    ],
)
def test_what_would_make_it_another_job_is_refused_however_it_is_written(name: str, directive: str) -> None:
    job = JobDirectory(b"/nowhere", 1)
    with pytest.raises(Refusal, match=f"the directive {directive} can't be used here"):
        Batch(MODULES[name], "", {}).submit(job, JOB._replace(directives={directive: "1-3"}), {})


def test_the_parts_of_a_heterogeneous_job_come_last() -> None:
    wanted = JOB._replace(directives={":": "--ntasks=2 : --gres=gpu:1", "--ntasks": "1"})
    argv = MODULES["slurm"].submit(wanted, ME)
    assert argv[-6:] == [f"--job-name={JOB.tag}", ":", "--ntasks=2", ":", "--gres=gpu:1", "job.batch"]


def test_parts_of_a_heterogeneous_job_that_can_not_be_split_into_words_are_refused() -> None:
    with pytest.raises(Refusal, match="the directive `:` is no list of options"):
        MODULES["slurm"].submit(JOB._replace(directives={":": "--comment='open"}), ME)


def test_what_a_command_leaves_in_the_background_is_not_waited_for() -> None:
    began = time.monotonic()
    assert commands.run(["sh", "-c", "echo said; sleep 30 & echo $!"], commands.clean((), {})).out.startswith("said\n")
    assert time.monotonic() - began < 5


def test_a_command_that_prints_without_end_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "MOST", 1024**2)
    assert commands.run(["yes"], commands.clean((), {})) == Said(commands.TIMED_OUT, "", "yes printed more than 1 MB")


def test_the_runner_of_a_job_whose_submission_nobody_wrote_down_stands_in_its_start_gate() -> None:
    """sbatch may have submitted it though it timed out: it runs, and must not count as gone."""
    started = Facts({}, "batch slurm:c2:12", None, None, None)
    runner = Runners().of(started)
    assert (runner.name, runner.gate, runner.job_id(started)) == ("slurm", "slurm:c2:$SLURM_JOB_ID", "12")
    assert Runners().of(Facts({}, "batch site:c2:12", None, None, None)).ask([started])[0].word == NOT_ASKED
    assert Runners().of(Facts({}, None, None, None, None)).name == "background"


@pytest.mark.parametrize(("name", "killed"), [("remote-install.ab.train.01", True), ("another job of mine", False)])
def test_a_job_whose_submission_nobody_wrote_down_is_ended_only_under_a_name_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, killed: bool
) -> None:
    """Ids start over, and what stands in the start gate may have been put there."""
    for command, line in (("squeue", f"echo '12|RUNNING|None|{name}'"), ("scancel", f"echo $* >>{tmp_path}/killed")):
        (tmp_path / command).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / command).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    started = Facts({}, "batch slurm::12", None, None, None)
    runner = Runners().of(started)
    assert runner.ask([started])[0].word == (RUNNING if killed else GONE)
    runner.cancel([started])
    assert (tmp_path / "killed").exists() == killed


def test_however_many_jobs_are_ended_no_command_line_grows_too_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "qstat").write_text(f"#!/bin/sh\necho $# >>{tmp_path}/asked\n")
    (tmp_path / "qstat").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    tries = [Facts({"TAG": f"remote-install.{n}", "JOB_ID": str(n)}, None, None, None, None) for n in range(1001)]
    Batch(MODULES["pbs"], "", {}).cancel(tries)
    asked = list(map(int, (tmp_path / "asked").read_text().split()))
    assert len(asked) == 3
    assert max(asked) < batch.AT_ONCE + 10


def test_a_job_that_is_kept_from_starting_is_recorded_before_its_entry_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is killed while waiting has left a gate of ours without a record, and the job would be told lost."""
    folder = tmp_path / "01"
    folder.mkdir()
    (folder / "job.submit").write_text("JOB_RUNNER=slurm\nCLUSTER=\nJOB_ID=12\nTAG=remote-install.a\n")
    squeue = f"""echo '12|PENDING|None|remote-install.a'
[ ! -e {tmp_path}/ended ] || {{ readlink {folder}/job.end >>{tmp_path}/seen; rm {tmp_path}/ended; }}"""
    for command, line in (("squeue", squeue), ("scancel", f": >{tmp_path}/ended")):
        (tmp_path / command).write_text(f"#!/bin/sh\n{line}\n")
        (tmp_path / command).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setattr(killing, "BATCH_ROUNDS", 1)
    monkeypatch.setattr(killing, "BATCH_STEP", 0)
    killing.kill([JobDirectory(os.fsencode(folder), 1)], Looker(Runners(), 1.0, 30.0), 0.0)
    assert (tmp_path / "seen").read_text() == "EXIT=143\n"


@pytest.mark.parametrize(
    "words",
    [
        "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation",
        "Unable to run job: failed receiving gdi request response for mid=1 (got read error).",
        "error: commlib error: got send error",
        "qsub: Broken pipe",
        "LSF is down. Please wait ...",
    ],
)
def test_who_lost_the_answer_does_not_know_whether_it_was_submitted(words: str) -> None:
    assert batch.UNSURE.search(words)
