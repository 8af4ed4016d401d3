"""The quicker cipher is asked for first where nobody has chosen one, and each host that could be reached still is."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import kept
import pytest
from hosts import JobHost, MakeHost

from transfer import ciphers, connections, execute, ssh
from transfer.command import Command
from transfer.platforms import Platform, Ssh

CHACHA, GCM = "chacha20-poly1305@openssh.com", ciphers.QUICK


@pytest.fixture(autouse=True)
def _aes_here(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine counts as one with instructions for AES, and connections are this test's own."""
    folder = tempfile.mkdtemp(prefix="ri-", dir="/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    monkeypatch.setattr(ciphers, "is_quick_here", lambda: True)
    yield
    kept.end(folder)
    shutil.rmtree(folder)


@pytest.mark.parametrize("built_in", ciphers.BUILT_IN)
def test_nothing_is_added_and_nothing_left_out(built_in: str) -> None:
    found = ciphers.order(f"user me\nciphers {built_in}\nmacs x\n".encode())
    assert found is not None
    first, *rest = found.split(",")
    assert first == GCM
    assert rest == [name for name in built_in.split(",") if name != GCM]


@pytest.mark.parametrize(
    "settings",
    [
        "",
        f"ciphers {GCM},{CHACHA}\n",
        f"ciphers {ciphers.BUILT_IN[0]},aes256-cbc\n",
        f"ciphers {ciphers.BUILT_IN[0].replace('aes192-ctr,', '')}\n",
        f"hostkeyalias ciphers {ciphers.BUILT_IN[0]}\n",
    ],
)
def test_an_order_that_somebody_has_chosen_is_left_as_it_is(settings: str) -> None:
    assert ciphers.order(settings.encode()) is None


def test_this_ssh_without_configuration_asks_in_one_of_the_known_orders(tmp_path: Path) -> None:
    """It fails with an OpenSSH that has another: then that belongs into the list."""
    (tmp_path / "config").write_text("")
    told = execute.run(Command(("ssh", "-F", str(tmp_path / "config"), "-G", "host"))).out
    assert ciphers.order(told) is not None, told


def of(host: JobHost, *more: str, **settings: object) -> Platform:
    given = {"command": ("ssh", "-F", host.ssh_config, *more), "connect_timeout": 5, **settings}
    return Platform("hpc", (host.name,), "hpc", ssh=Ssh(**given))  # type: ignore[arg-type]


def agreed(host: JobHost, platform: Platform) -> str:
    """The cipher that a new connection of ours uses."""
    with connections.connected(platform, host.name, lambda _: None) as there:
        line = ssh.command_line(there, host.name, ("true",))
        assert execute.run(Command(line), 20).exit_code == 0
    return re.findall(r"kex: client->server cipher: (\S+)", host.sshd_log())[-1]


def test_a_connection_uses_what_both_sides_are_quick_with_unless_somebody_has_chosen(make_host: MakeHost) -> None:
    host = make_host(sshd_config=["LogLevel DEBUG1"])
    assert agreed(host, of(host)) == GCM
    assert agreed(host, of(host, options={"Ciphers": CHACHA})) == CHACHA
    assert agreed(host, of(host, options={"Ciphers": ciphers.BUILT_IN[0]})) == CHACHA
    assert agreed(host, of(host, "-o", f"Ciphers={CHACHA},{GCM}")) == CHACHA  # as in ssh_config: nobody else sees it


def test_a_host_without_the_quick_one_is_reached_as_before(make_host: MakeHost) -> None:
    host = make_host(sshd_config=["LogLevel DEBUG1", f"Ciphers {CHACHA},aes128-ctr"])
    assert agreed(host, of(host)) == CHACHA


def test_a_machine_without_instructions_for_aes_asks_as_ssh_does(
    make_host: MakeHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ciphers, "is_quick_here", lambda: False)
    host = make_host(sshd_config=["LogLevel DEBUG1"])
    assert agreed(host, of(host)) == CHACHA


def test_a_host_without_them_is_remembered_for_a_day(make_host: MakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    host = make_host(sshd_config=["LogLevel DEBUG1"])
    platform = of(host)
    connections.note_slow_aes(platform, host.name)
    assert agreed(host, platform) == CHACHA
    monkeypatch.setattr(connections, "DAY", -1.0)
    assert agreed(host, of(host, user=host.user)) == GCM  # with other options: a connection of its own
