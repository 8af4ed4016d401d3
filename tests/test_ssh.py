"""What ssh is called with, and what its complaints mean: golden argv, and words that OpenSSH really says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from transfer import execute, ssh
from transfer.command import Command, Outcome
from transfer.errors import (
    ConfigError,
    HostCrowded,
    HostKeyError,
    HostUnreachable,
    HostUnsuitable,
    LoginRefused,
    RemoteInstallError,
)
from transfer.platforms import Platform, Ssh

PROMISES = [
    *("-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=yes", "-o", "RequestTTY=no", "-o", "RemoteCommand=none"),
    *("-o", "ClearAllForwardings=yes", "-o", "ForwardAgent=no", "-o", "ForwardX11=no", "-o", "PermitLocalCommand=no"),
]
DEFAULTS = ["-o", "ServerAliveInterval=10", "-o", "ServerAliveCountMax=3"]


def platform(settings: Ssh) -> Platform:
    return Platform("hpc", ("login1",), "hpc", ssh=settings)


@pytest.mark.parametrize(
    ("settings", "start", "seconds", "own"),
    [
        (Ssh(), ["ssh"], 10, []),
        (Ssh(user="me"), ["ssh"], 10, ["-l", "me"]),
        (Ssh(port=2222), ["ssh"], 10, ["-p", "2222"]),
        (Ssh(identity="/k/id rsa"), ["ssh"], 10, ["-i", "/k/id rsa"]),
        (Ssh(jump="me@gate:22,g2"), ["ssh"], 10, ["-J", "me@gate:22,g2"]),
        (Ssh(connect_timeout=3), ["ssh"], 3, []),
        (
            Ssh(options={"ProxyCommand": "nc 'a b' %h", "Compression": "yes"}),
            ["ssh"],
            10,
            ["-o", "ProxyCommand=nc 'a b' %h", "-o", "Compression=yes"],
        ),
        (Ssh(("/opt/my ssh", "-F", "cfg")), ["/opt/my ssh", "-F", "cfg"], 10, []),
        (
            Ssh(("tsocks", "ssh"), "me", 22, "id", "gate", 60, options={"IPQoS": "none"}),
            ["tsocks", "ssh"],
            60,
            ["-l", "me", "-p", "22", "-i", "id", "-J", "gate", "-o", "IPQoS=none"],
        ),
    ],
)
def test_the_connection_is_exactly_this(settings: Ssh, start: list[str], seconds: int, own: list[str]) -> None:
    argv = [*start, *PROMISES, "-o", f"ConnectTimeout={seconds}", *own, *DEFAULTS]
    assert list(ssh.connection(platform(settings))) == argv


@pytest.mark.parametrize("host", ["login1", "me@login1", "fe80::1", "me@fe80::1", "_gate.site-2.example.org", "h:22"])
def test_the_host_comes_after_a_double_dash_as_it_was_written(host: str) -> None:
    argv = ssh.command_line(platform(Ssh()), host, ("python3", "-I", "a/b.pyz", "poll"))
    assert argv[-6:] == ("--", host, "python3", "-I", "a/b.pyz", "poll")
    assert argv[:-6] == ssh.connection(platform(Ssh()))


@pytest.mark.parametrize("word", ["", "a b", "a;b", "$HOME", "`id`", "'", "~/x", "a\nb", "a\n", "*", "é"])
def test_a_word_that_a_shell_would_change_is_never_sent(word: str) -> None:
    with pytest.raises(AssertionError):
        ssh.command_line(platform(Ssh()), "h", ("python3", word))


def settled(settings: Ssh, *more: str) -> dict[str, str]:
    """What the installed ssh makes of our argv: `ssh -G` prints all its settings and connects nowhere."""
    argv = (*ssh.connection(platform(settings)), *more, "-G", "--", "login1")
    outcome = execute.run(Command(argv))
    assert outcome.exit_code == 0, outcome.err
    pairs = (line.partition(" ") for line in outcome.out.decode().splitlines())
    known: dict[str, str] = {}
    for name, _, value in pairs:
        known.setdefault(name, value)
    return known


def test_the_installed_ssh_reads_the_argv_as_we_mean_it(tmp_path: Path) -> None:
    identity = str(tmp_path / "id of me")
    open(identity, "w").close()
    command = ("ssh", "-F", "none")
    known = settled(Ssh(command, "me", 2222, identity, None, 7, options={"ProxyCommand": "nc 'a  b' \"c\" %%h"}))
    assert known["user"] == "me"
    assert known["port"] == "2222"
    assert known["identityfile"] == identity
    assert known["connecttimeout"] == "7"
    assert known["proxycommand"] == "nc 'a  b' \"c\" %%h"
    assert known["batchmode"] == "yes"
    assert known["stricthostkeychecking"] in ("yes", "true")
    assert known["requesttty"] in ("no", "false")
    assert known["clearallforwardings"] == "yes"
    assert known["forwardagent"] == "no"
    assert known["forwardx11"] == "no"
    assert known["serveraliveinterval"] == "10"


@pytest.mark.parametrize("option", ["BatchMode", "ForwardAgent", "PermitLocalCommand", "ForwardX11"])
def test_an_option_of_the_platform_does_not_undo_what_we_always_set(option: str) -> None:
    plain = settled(Ssh(("ssh", "-F", "none")))
    opposite = "no" if plain[option.lower()] == "yes" else "yes"
    assert settled(Ssh(("ssh", "-F", "none"), options={option: opposite}))[option.lower()] == plain[option.lower()]


def test_an_option_of_the_platform_is_stronger_than_a_default() -> None:
    assert settled(Ssh(("ssh", "-F", "none"), options={"ServerAliveInterval": "77"}))["serveraliveinterval"] == "77"


CHANGED = b"""@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
@    WARNING: REMOTE HOST IDENTIFICATION HAS CHANGED!     @\r
@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@@\r
IT IS POSSIBLE THAT SOMEONE IS DOING SOMETHING NASTY!\r
Someone could be eavesdropping on you right now (man-in-the-middle attack)!\r
It is also possible that a host key has just been changed.\r
The fingerprint for the ED25519 key sent by the remote host is\r
SHA256:1Qv5nT1xRkKJzJH5F3yq6u0eZ9uRUW7FyJm0G4q6bXU.\r
Please contact your system administrator.\r
Add correct host key in /home/me/.ssh/known_hosts to get rid of this message.\r
Offending ED25519 key in /home/me/.ssh/known_hosts:3\r
  remove with:\r
  ssh-keygen -f "/home/me/.ssh/known_hosts" -R "login1"\r
Host key for login1 has changed and you have requested strict checking.\r
Host key verification failed.\r
"""
UNKNOWN = b"No ED25519 host key is known for login1 and you have requested strict checking.\r\n"
UNKNOWN += b"Host key verification failed.\r\n"
BANNER = b"**** Authorized use only. Idle sessions are timed out; the connection is reset. ****\n"

# What OpenSSH 6.6 to 10 says with exit code 255 -> class, a word of the remedy.
SAYINGS: list[tuple[bytes, type[RemoteInstallError], str]] = [
    (b"ssh: connect to host login1 port 22: Connection refused\r\n", HostUnreachable, "listens"),
    (b"channel 0: open failed: connect failed: Connection refused\r\nstdio forwarding failed\r\n"
     b"Connection closed by UNKNOWN port 65535\r\n", HostUnreachable, "listens"),
    (b"ssh: connect to host login1 port 22: Connection timed out\r\n", HostUnreachable, "network"),
    (b"ssh: connect to host login1 port 22: Operation timed out\r\n", HostUnreachable, "network"),
    (b"Connection timed out during banner exchange\r\n"
     b"Connection to 10.0.0.1 port 22 timed out\r\n", HostUnreachable, "network"),
    (b"Timeout, server login1 not responding.\r\n", HostUnreachable, "network"),
    (b"ssh: connect to host login1 port 22: No route to host\r\n", HostUnreachable, "network"),
    (b"ssh: connect to host fe80::1 port 22: Network is unreachable\r\n", HostUnreachable, "network"),
    (b"ssh: Could not resolve hostname login1: Temporary failure in name resolution\r\n", HostUnreachable, "network"),
    (b"ssh: Could not resolve hostname login1: Name or service not known\r\n", HostUnsuitable, "No such host name"),
    (b"ssh: Could not resolve hostname login1: nodename nor servname provided, or not known\r\n",
     HostUnsuitable, "No such host name"),
    (b"Connection reset by 10.0.0.1 port 22\r\n", HostUnreachable, "network"),
    (b"Connection closed by 10.0.0.1 port 22\r\n", HostUnreachable, "network"),
    (b"Connection to login1 closed by remote host.\r\n", HostUnreachable, "ssh login1 true"),
    (b"kex_exchange_identification: Connection closed by remote host\r\n"
     b"Connection closed by 10.0.0.1 port 22\r\n", HostCrowded, "ssh.rate"),
    (b"kex_exchange_identification: read: Connection reset by peer\r\n", HostCrowded, "ssh.rate"),
    (b"ssh_exchange_identification: Connection closed by remote host\r\n", HostCrowded, "ssh.rate"),
    (b"ssh_exchange_identification: read: Connection reset by peer\r\n", HostCrowded, "ssh.rate"),
    (b"kex_exchange_identification: Connection closed by remote host\r\n"
     b"Connection closed by UNKNOWN port 65535\r\n", HostUnreachable, "network"),
    (b"client_loop: send disconnect: Broken pipe\r\n", HostUnreachable, "network"),
    (b"packet_write_wait: Connection to 10.0.0.1 port 22: Broken pipe\r\n", HostUnreachable, "network"),
    (b"Write failed: Broken pipe\r\n", HostUnreachable, "network"),
    (UNKNOWN, HostKeyError, "not in known_hosts"),
    (b"No RSA host key is known for login1 and you have requested strict checking.\r\n"
     b"Host key verification failed.\r\n", HostKeyError, "not in known_hosts"),
    (b"Host key verification failed.\r\n", HostKeyError, "known_hosts"),
    (CHANGED, HostKeyError, "ssh-keygen -R login1"),
    (b"Unable to negotiate with 10.0.0.1 port 22: no matching host key type found. Their offer: ssh-rsa\r\n",
     HostUnsuitable, ""),
    (b"me@login1: Permission denied (publickey,password).\r\n", LoginRefused, "ssh-add"),
    (b"Permission denied (publickey,gssapi-keyex,gssapi-with-mic).\r\n", LoginRefused, "ssh-add"),
    (b"Load key \"/home/me/.ssh/id\": bad permissions\r\nme@login1: Permission denied (publickey).\r\n",
     LoginRefused, "ssh-add"),
    (BANNER + b"me@login1: Permission denied (publickey).\r\n", LoginRefused, "ssh-add"),
    (b"Received disconnect from 10.0.0.1 port 22:2: Too many authentication failures\r\n"
     b"Disconnected from 10.0.0.1 port 22\r\n", LoginRefused, "ssh-add"),
    (b"/home/me/.ssh/config: line 2: Bad configuration option: foo\r\n"
     b"/home/me/.ssh/config: terminating, 1 bad configuration options\r\n", ConfigError, "ssh_config"),
    (b"command-line: line 0: Bad configuration option: foo\r\n", ConfigError, "ssh_config"),
    (b"Bad owner or permissions on /home/me/.ssh/config\r\n", ConfigError, "ssh_config"),
    (b"Bad port '99999'\r\n", ConfigError, "ssh_config"),
    (b"unknown option -- Z\r\nusage: ssh [-46AaCfGgKkMNnqsTtVvXxYy] destination\r\n", ConfigError, "ssh_config"),
    (b"command-line line 0: unsupported option \"maybe\".\r\n", ConfigError, "ssh_config"),
    (b"command-line line 0: invalid time value.\r\n", ConfigError, "ssh_config"),
    (b"command-line line 0: Bad SSH2 cipher spec 'nosuch'.\r\n", ConfigError, "ssh_config"),
    (b"command-line line 0: Bad key types 'nosuch'.\r\n", ConfigError, "ssh_config"),
    (b"command-line line 0: unsupported log level 'foo'\r\n", ConfigError, "ssh_config"),
    (b"command-line line 0: no argument after keyword \"proxyjump\"\r\n", ConfigError, "ssh_config"),
    (b"cfg line 2: no argument after keyword \"port\"\r\ncfg: terminating, 1 bad configuration options\r\n",
     ConfigError, "ssh_config"),
    (b"Can't open user config file /no/such: No such file or directory\r\n", ConfigError, "ssh_config"),
    (b"Invalid -J argument\r\n", ConfigError, "ssh_config"),
    (b"", HostUnreachable, "ssh login1 true"),
    (b"something that no ssh of ours has said so far\r\n", HostUnreachable, "ssh login1 true"),
    (b"\xff\xfe\x00\r\n", HostUnreachable, "ssh login1 true"),
]  # fmt: skip
EXIT_CODES = {ConfigError: 3, HostCrowded: 4, HostKeyError: 4, HostUnreachable: 4, HostUnsuitable: 4, LoginRefused: 4}


@pytest.mark.parametrize(("err", "kind", "remedy"), SAYINGS, ids=lambda value: repr(value)[:60])
def test_what_ssh_says_becomes_the_error_that_it_means(err: bytes, kind: type[RemoteInstallError], remedy: str) -> None:
    error = ssh.error_of(Outcome(255, b"", err), "login1")
    assert type(error) is kind
    assert error.exit_code == EXIT_CODES[kind]
    assert error.transient is issubclass(kind, HostUnreachable)
    assert error.host == "login1"
    assert str(error).startswith("login1: ")
    assert str(error).isprintable()
    assert len(str(error)) > len("login1: ")
    assert error.hint
    assert remedy in error.hint
    assert "HOST" not in error.hint


def test_every_row_of_the_table_has_a_saying_that_meets_it_first() -> None:
    met = set()
    for err, _, _ in SAYINGS:
        rows = (n for n, (pattern, _, _) in enumerate(ssh.TABLE) if re.search(pattern, err.decode("latin-1"), re.I))
        met.add(next(rows, None))
    assert met - {None} == set(range(len(ssh.TABLE)))


@pytest.mark.parametrize("code", [-1, -2, -9, -13, -15])
def test_an_ssh_that_a_signal_ended_is_a_connection_that_may_pass_next_time(code: int) -> None:
    error = ssh.error_of(Outcome(code, b"", b""), "login1")
    assert isinstance(error, HostUnreachable)
    assert error.transient
    assert str(code) in str(error)
    assert error.hint


@pytest.mark.parametrize("code", [0, 1, 2, 126, 127, 128, 137, 143, 254])
@pytest.mark.parametrize("err", [b"", b"Connection refused", CHANGED, b"Permission denied (publickey)."])
def test_any_other_exit_code_is_that_of_the_command_there(code: int, err: bytes) -> None:
    assert ssh.error_of(Outcome(code, b"", err), "login1") is None


@pytest.mark.parametrize(
    ("settings", "kind"),
    [
        (Ssh(("ssh", "-F", "none"), port=1), HostUnreachable),
        (Ssh(("ssh", "-F", "none"), options={"NoSuchOption": "1"}), ConfigError),
        (Ssh(("ssh", "-F", "none"), options={"Ciphers": "nosuch"}), ConfigError),
        (Ssh(("ssh", "-F", "none"), options={"ServerAliveInterval": "soon"}), ConfigError),
        (Ssh(("ssh", "-F", "/no/such/config")), ConfigError),
        (Ssh(("ssh", "-F", "none"), jump="a@b@c:x"), ConfigError),
    ],
)
def test_the_installed_ssh_says_what_the_table_knows(settings: Ssh, kind: type[RemoteInstallError]) -> None:
    argv = ssh.command_line(platform(settings), "127.0.0.1", ("true",))
    outcome = execute.run(Command(argv), idle=20)
    error = ssh.error_of(outcome, "127.0.0.1")
    assert type(error) is kind, outcome
