"""The parts of tests/benchmarks that need no job host: what is counted, compared, shown, and the long way to a host."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).with_name("benchmarks")
sys.path.append(str(BENCHMARKS))

import chart  # noqa: E402
import table  # noqa: E402
from measure import Command, Cost, Figure, in_turn  # noqa: E402
from table import OURS, Row  # noqa: E402


def figures(ours: float, other: float) -> dict[str, Figure]:
    return {OURS: Figure(ours, 0.1, 10**7), "other": Figure(other, 0.2, 10**7, 3)}


def test_the_ratio_is_ours_to_the_other_and_compared_with_the_aim() -> None:
    row = Row("work", figures(1.0, 2.0), "other", 0.6)
    assert row.result == 0.5
    assert not row.missed
    assert Row("work", figures(1.3, 2.0), "other", 0.6).missed


def test_a_peer_that_is_not_slower_enough_is_an_aim_missed() -> None:
    assert Row("work", figures(1.0, 9.0), "other", at_least={"other": 10.0}).missed
    assert not Row("work", figures(1.0, 11.0), "other", at_least={"other": 10.0, "not measured": 10.0}).missed


def test_a_row_without_what_it_is_compared_with_is_not_measured() -> None:
    row = Row("work", {OURS: Figure(1.0, 0.1, 1)}, "other", 0.6)
    assert not row.measured
    assert not row.missed
    assert table.verdict(row) == "not measured"


def test_rows_are_the_same_when_they_are_read_again() -> None:
    row = Row("work", figures(1.0, 2.0), "other", 0.6, why="because", at_least={"other": 1.5})
    told = json.loads(json.dumps(row.as_json()))
    assert told["result"] == 0.5
    assert table.from_json(told) == row


def test_the_tables_have_a_line_for_each_work_and_for_each_who_did_it() -> None:
    rows = [Row("work", figures(1.0, 2.0), "other", 0.4, why="two logins"), Row("memory", value=50.0, unit="MB")]
    beside, every = (part.splitlines()[4:] for part in table.markdown(rows).split("\n\n## All figures"))
    assert beside == ["| work | **0.50 x** | 0.4 x | two logins |", "| memory | 50 MB |  |  |"]
    assert [line.split("|")[2].strip() for line in every] == [OURS, "other"]


def test_a_peer_that_is_not_slow_enough_is_told() -> None:
    row = Row("a --b", figures(1.0, 2.0), "other", 0.6, at_least={"other": 5})
    (line,) = table.markdown([row]).split("\n\n## All figures")[0].splitlines()[4:]
    assert line == "| a `--b` | **0.50 x; other 2.0 x** | 0.6 x; other 5 x |  |"


def test_the_picture_has_a_bar_for_each_ratio_and_names_it() -> None:
    rows = [Row("a < b", figures(1.0, 2.0), "other", 0.6), Row("memory", value=50.0, unit="MB")]
    picture = ElementTree.fromstring(chart.svg(rows))
    names = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert "a < b" in names
    assert "memory" not in names
    assert len(list(picture.iter("{http://www.w3.org/2000/svg}rect"))) == 1


def test_what_runs_in_turn_is_run_once_a_round_and_what_fails_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(name: str, code: int) -> Command:
        return Command(["sh", "-c", f"echo {name} >>{tmp_path}/ran; echo its words >&2; exit {code}"])

    found = in_turn({"a": command("a", 0), "b": command("b", 3), "c": command("c", 0)}, 2, counted=False)
    assert (tmp_path / "ran").read_text().split() == ["a", "b", "c", "a", "c"]
    assert set(found) == {"a", "c"}
    assert "its words" in capsys.readouterr().err


def test_a_cost_has_time_processor_time_and_memory() -> None:
    """Measured by a process of its own: the kernel counts what the one that forked had in its memory, too."""
    program = "import time; data = b'x' * 10**8; time.sleep(0.2); end = time.process_time() + 0.2\n"
    line = [sys.executable, "-c", f"{program}while time.process_time() < end: pass"]
    measuring = f"import measure; c = measure.Command({line!r}).run(); print(c.seconds, c.processor, c.memory)"
    folder = Path(__file__).with_name("benchmarks")
    done = subprocess.run([sys.executable, "-c", measuring], cwd=folder, capture_output=True, text=True, check=True)
    cost = Cost(*map(float, done.stdout.split()))
    assert cost.seconds > 0.4
    assert 0.2 < cost.processor < cost.seconds
    assert 10**8 < cost.memory < 2 * 10**8


def test_processes_are_counted_with_those_that_nobody_waits_for() -> None:
    if subprocess.run(["unshare", "--pid", "--fork", "--mount-proc", "true"], capture_output=True).returncode != 0:
        pytest.skip("counting processes needs root")
    one = Command(["env", "true"]).processes()
    assert one == 1
    assert Command(["sh", "-c", "env true & (env true &) ; sleep 0.1"]).processes() >= 4


def test_a_long_way_takes_its_time_and_holds_so_much_a_second() -> None:
    server = socket.create_server(("127.0.0.1", 0))

    def answer() -> None:
        with server, server.accept()[0] as there:
            while data := there.recv(65536):
                there.sendall(data)

    threading.Thread(target=answer, daemon=True).start()
    words = [str(BENCHMARKS / "link.py"), "127.0.0.1", str(server.getsockname()[1]), "0.1", "1000000"]
    with subprocess.Popen([sys.executable, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        with socket.create_connection(("127.0.0.1", int(process.stdout.readline()))) as here:
            began = time.monotonic()
            here.sendall(b"x")
            assert here.recv(1) == b"x"
            there_and_back = time.monotonic() - began
            here.sendall(b"y" * 300_000)
            here.shutdown(socket.SHUT_WR)
            received = 0
            while data := here.recv(65536):
                received += len(data)
            whole = time.monotonic() - began - there_and_back
        process.stdin.close()
        assert process.wait(timeout=5) == 0
    assert received == 300_000
    assert 0.2 <= there_and_back < 1.0
    assert 0.5 <= whole < 2.0
