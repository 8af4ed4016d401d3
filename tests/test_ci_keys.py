"""Keys and host keys as CI systems hand them over: repaired, or explained, and never shown."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import kept
import pytest
from hosts import JobHost

from remote_install.cli import ci_keys, in_ci
from remote_install.durable import write_through
from transfer.errors import ConfigError, UsageError

NAME = "THE_KEY"


def make(folder: Path, *options: str) -> str:
    """A private key's text; its public half lies beside it."""
    path = folder / "key"
    for old in folder.glob("key*"):
        old.unlink()
    subprocess.run(["ssh-keygen", "-q", "-f", str(path), *options], check=True, stdin=subprocess.DEVNULL)
    return path.read_text()


@pytest.fixture
def key(tmp_path: Path) -> str:
    return make(tmp_path, "-t", "ed25519", "-N", "")


SPOILT = {
    "as it is": lambda text: text,
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CRLF and no end": lambda text: text.replace("\n", "\r\n").rstrip(),
    "no final line end": lambda text: text.rstrip("\n"),
    "blanks for line ends": lambda text: text.replace("\n", " "),
    "written line ends": lambda text: text.replace("\n", "\\n"),
    "indented": lambda text: "".join(f"    {line}\n" for line in text.splitlines()),
    "a byte order mark": lambda text: "\ufeff" + text,
    "words around it": lambda text: f"key:\n{text}\nof robot\n",
}


@pytest.mark.parametrize("how", SPOILT)
@pytest.mark.parametrize("kind", [("-t", "ed25519"), ("-t", "ecdsa", "-m", "PKCS8"), ("-t", "ecdsa", "-m", "PEM")])
def test_a_key_that_was_spoilt_on_its_way_is_repaired(tmp_path: Path, how: str, kind: tuple[str, ...]) -> None:
    text = ci_keys.repaired(NAME, SPOILT[how](make(tmp_path, *kind, "-N", "")))
    write_through(f"{tmp_path}/repaired", text.encode(), durable=False, mode=0o600)
    wanted = subprocess.run(["ssh-keygen", "-lf", f"{tmp_path}/key.pub"], capture_output=True, text=True, check=True)
    assert ci_keys.check_key(NAME, f"{tmp_path}/repaired") == wanted.stdout.split()[1]


def refused(key: str, folder: Path) -> str:
    """What is told of a key that can't be used."""
    variables = {NAME: key, "HOSTS": "h ssh-ed25519 AAAA", "PATH": "/usr/bin:/bin", "RUNNER_TEMP": str(folder / "temp")}
    (folder / "temp").mkdir(exist_ok=True)
    with pytest.raises(ConfigError) as told, in_ci.with_key(NAME, "HOSTS", variables):
        pass
    assert list((folder / "temp").iterdir()) == []
    assert f"${NAME}" in told.value.message
    assert told.value.hint
    words = f"{told.value.message} {told.value.hint}"
    assert not any(line in words for line in key.splitlines() if len(line) > 20)
    return words


def test_a_key_that_can_not_be_used_is_explained(tmp_path: Path, key: str) -> None:
    rows = key.splitlines()
    assert "is empty, or not set" in refused("", tmp_path)
    assert "no private key" in refused("hunter2", tmp_path)
    assert "a public key" in refused((tmp_path / "key.pub").read_text(), tmp_path)
    assert "a part of a key" in refused("\n".join(rows[:-1]), tmp_path)
    assert "a broken key" in refused("\n".join([rows[0], *rows[2:]]), tmp_path)
    assert "puttygen" in refused("PuTTY-User-Key-File-3: ssh-ed25519\n", tmp_path)


@pytest.mark.parametrize("kind", [("-t", "ed25519"), ("-t", "ecdsa", "-m", "PEM"), ("-t", "ecdsa", "-m", "PKCS8")])
def test_an_encrypted_key_is_explained(tmp_path: Path, kind: tuple[str, ...]) -> None:
    assert "is encrypted" in refused(make(tmp_path, *kind, "-N", "secret"), tmp_path)


@pytest.mark.parametrize(
    ("text", "phrase"),
    [("", "no host key"), ("\n# h\n", "no host key"), ("ssh-ed25519 AAAA me", "whose it is"), ("hello you", "no line")],
)
def test_host_keys_fail_closed(key: str, text: str, phrase: str) -> None:
    with pytest.raises(ConfigError) as told, in_ci.with_key("K", "H", {"K": key, "H": text, "PATH": "/usr/bin:/bin"}):
        pass
    assert phrase in told.value.message
    assert phrase != "no host key" or "ssh-keygen -F HOST" in told.value.hint


def test_all_lies_where_nobody_else_looks_and_is_gone_afterwards(tmp_path: Path, key: str) -> None:
    known = f"h {(tmp_path / 'key.pub').read_text()}"
    variables = {"K": str(tmp_path / "key"), "H": known, "PATH": "/usr/bin:/bin"}  # K: as a variable of type File
    with in_ci.with_key("K", "H", variables) as (added, _):
        folder = Path(added["PATH"].partition(":")[0]).parent
        assert (folder / "key").read_text().split() == ci_keys.repaired("K", key).split()
        assert {path.stat().st_mode & 0o077 for path in folder.rglob("*")} == {0}
        assert folder.stat().st_mode & 0o077 == 0
        line = ["ssh", "-G", "somewhere"]
        used = subprocess.run(line, env={**variables, **added}, capture_output=True, text=True, check=True).stdout
        assert f"identityfile {folder}/key\n" in used
        assert f"userknownhostsfile {folder}/known_hosts\n" in used
    assert not folder.exists()
    assert not Path(added["XDG_RUNTIME_DIR"]).exists()


def test_a_byte_that_is_no_text_is_handed_on_to_ssh(job_host: JobHost) -> None:
    known = Path(job_host.known_hosts).read_text().rstrip("\n") + " Z\udcfcrich\n"
    with in_ci.with_key("K", "H", {"K": job_host.key, "H": known, "PATH": "/usr/bin:/bin"}) as (added, _):
        folder = Path(added["PATH"].partition(":")[0]).parent
        assert b" Z\xfcrich" in (folder / "known_hosts").read_bytes()


def test_a_connection_that_was_let_in_with_the_key_ends_with_it(job_host: JobHost) -> None:
    known = Path(job_host.known_hosts).read_text()
    variables = {"K": job_host.key, "H": known, "PATH": "/usr/bin:/bin"}
    with in_ci.with_key("K", "H", variables) as (added, _):
        runtime = added["XDG_RUNTIME_DIR"]
        os.mkdir(f"{runtime}/deep")
        line = ["ssh", "-fN", "-o", f"ControlPath={runtime}/deep/socket", "-o", "ControlMaster=yes"]
        line += ["-o", "ControlPersist=60", f"{job_host.user}@{job_host.address}"]
        subprocess.run(line, env={**variables, **added}, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, check=True)
        assert len(kept.masters(runtime)) == 1
    until = time.monotonic() + 5
    while kept.masters(runtime) and time.monotonic() < until:
        time.sleep(0.02)
    assert kept.masters(runtime) == {}
    assert not Path(runtime).exists()


@pytest.mark.parametrize("line", ["", "   ", "run 'x", "run . -p $NO_SUCH_VARIABLE"])
def test_a_line_that_is_none_is_told(line: str) -> None:
    with pytest.raises(UsageError):
        in_ci.words_of("LINE", {"LINE": line})


def test_what_a_variable_holds_stays_in_its_word() -> None:
    held = "a b'; $(id) `id` --adopt -- x"
    words = in_ci.words_of("LINE", {"LINE": "poll . --run-id x${V}y", "V": held})
    assert words == ["poll", ".", "--run-id", f"x{held}y"]
