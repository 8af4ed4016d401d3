"""Pure: Platform and host -> ssh argv; ssh's exit code and stderr -> error, by one table."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from transfer.command import Outcome, last_words
from transfer.errors import (
    ConfigError,
    HostCrowded,
    HostKeyError,
    HostUnreachable,
    HostUnsuitable,
    LoginRefused,
    RefusedByGate,
    RemoteInstallError,
)
from transfer.platforms import Platform

# Nothing prompts, no host key is learnt in passing, no terminal, nothing forwarded that the job host could
# use against us (ssh_config(5)). ssh takes the first value that it is given, so these come first.
PROMISES = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "RequestTTY=no",
    "RemoteCommand=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
)
# A dead network without ServerAlive hangs for ever (measured); hosts.yaml may say it otherwise.
DEFAULTS = ("ServerAliveInterval=10", "ServerAliveCountMax=3")
# multiplex: false means a connection for each call, also where ssh_config says something else.
NOT_SHARED = ("ControlMaster=no", "ControlPath=none")
KEPT = "60"  # seconds for which a connection without calls is kept; ControlPersist in hosts.yaml may say it otherwise


def connection(platform: Platform) -> tuple[str, ...]:
    """ssh and its options for `platform`, without the host: what rsync -e is given too.

    >>> connection(Platform("hpc", ("login1",), "hpc"))[-6:-4]
    ('-o', 'ConnectTimeout=10')
    """
    ssh = platform.ssh
    argv = [*ssh.command]
    for option in (*PROMISES, f"ConnectTimeout={ssh.connect_timeout}"):
        argv += ["-o", option]
    for flag, value in (("-l", ssh.user), ("-p", ssh.port), ("-i", ssh.identity), ("-J", ssh.jump)):
        if value is not None:
            argv += [flag, str(value)]
    alone = () if ssh.multiplex else NOT_SHARED
    for option in (*(f"{name}={value}" for name, value in ssh.options.items()), *DEFAULTS, *alone):
        argv += ["-o", option]
    return tuple(argv)


def command_line(platform: Platform, host: str, words: tuple[str, ...]) -> tuple[str, ...]:
    """argv that runs `words` on `host`. The words are constant and plain: a shell there reads them again."""
    return (*connection(platform), "--", host, *plain(words))


def master_line(platform: Platform, host: str, socket: str, ciphers: str | None = None) -> tuple[str, ...]:
    """argv that opens a connection to `host` and keeps it in the background, for the clients of `socket`.

    ciphers: the order of transfer/ciphers.py, where nobody has chosen one.
    """
    options = {"ControlPersist": KEPT, **platform.ssh.options, "ControlMaster": "yes", "ControlPath": socket}
    if ciphers is not None:
        options["Ciphers"] = ciphers
    return (*connection(_with(platform, options)), "-N", "-f", "--", host)


def settings_line(platform: Platform, host: str) -> tuple[str, ...]:
    """argv that prints what ssh would do for `host`, ssh_config included."""
    return (*connection(platform), "-G", "--", host)


def are_shared_by_user(settings: bytes) -> bool:
    r"""Does ssh_config share connections, for what `ssh -G` prints? It may be the only way in, opened by hand with a
    password.

    >>> are_shared_by_user(b"port 22\ncontrolpath /c\n"), are_shared_by_user(b"controlpath none\n")
    (True, False)
    """
    return re.search(rb"^controlpath (?!none$)", settings, re.MULTILINE | re.IGNORECASE) is not None


def through(platform: Platform, socket: str) -> Platform:
    """`platform` as its calls are made over the connection of `socket`, or by themselves where that is gone."""
    return _with(platform, {**platform.ssh.options, "ControlMaster": "no", "ControlPath": socket})


def _with(platform: Platform, options: Mapping[str, str]) -> Platform:
    return replace(platform, ssh=replace(platform.ssh, options=MappingProxyType(dict(options))))


def plain(words: tuple[str, ...]) -> tuple[str, ...]:
    """The words, if no shell sees anything but a word in any of them; all others are a mistake of ours."""
    assert all(re.fullmatch(r"[A-Za-z0-9_./+-]+", word) for word in words), words
    return words


OF_SHARING = re.compile(
    rb"^(mux_|muxclient|mm_(send|receive)_fd|Control ?(socket|path|master)|Master refused|Shared connection to )"
    rb"[^\n]*\n?",
    re.MULTILINE | re.IGNORECASE,
)

# What ssh says when it ends with 255 -> error, remedy. The first that matches counts; words of OpenSSH 7.4 to 10.
TABLE: tuple[tuple[str, type[RemoteInstallError], str], ...] = (
    (
        r"REMOTE HOST IDENTIFICATION HAS CHANGED",
        HostKeyError,
        "Its host key is not the one in known_hosts. Ask the site whether the key was changed; if so, remove the old "
        "one with `ssh-keygen -R HOST` and add the new one.",
    ),
    (
        r"Host key verification failed|No \S+ host key is known",
        HostKeyError,
        "Its host key is not in known_hosts, and it is never learnt in passing. Get the key from the site, or connect "
        "once by hand with `ssh HOST` and compare the fingerprint.",
    ),
    (
        r"no matching (host key type|key exchange method|cipher|MAC) found",
        HostUnsuitable,
        "It and this ssh have no algorithm in common. Name one that both have with ssh.options in hosts.yaml, for "
        "instance `KexAlgorithms: +diffie-hellman-group14-sha1`; better, have its sshd updated.",
    ),
    (
        r"Permission denied \([^)]*\)|Too many authentication failures|no mutual signature",
        LoginRefused,
        "It accepts no key that ssh offers without asking. Load one with `ssh-add`, name one with ssh.identity in "
        "hosts.yaml, or have your public key added to authorized_keys there. Passwords are never asked for.",
    ),
    (
        r"Could not resolve hostname .*: (Name or service not known|nodename nor servname)",
        HostUnsuitable,
        "No such host name. Look for a typing error in hosts.yaml (`hosts`) or ssh_config (`HostName`).",
    ),
    (
        r"Bad configuration option|bad configuration options|Bad owner or permissions|Unsupported option"
        r"|command-line:? line \d+:|Can't open user config file|Invalid -J argument"
        r"|unknown option|illegal option|Bad port",
        ConfigError,
        "ssh refuses its configuration: look at ssh_config and at `ssh` in hosts.yaml.",
    ),
    (
        r"Connection refused",
        HostUnreachable,
        "Nothing listens there: is sshd running, and is the port right (ssh.port)?",
    ),
    (
        # MaxStartups; behind a jump host (UNKNOWN port) it is the jump host that did not get through.
        r"(?s)\A(?!.*UNKNOWN port).*(kex|ssh)_exchange_identification: (read: )?Connection (closed|reset)",
        HostCrowded,
        "Too many log in to it at once, or it shuts us out for a while: try again later; ssh.max_connections and "
        "ssh.rate in hosts.yaml limit what comes from here.",
    ),
    (
        r"timed out|Timeout, server|No route to host|Network is unreachable|Could not resolve hostname"
        r"|Connection (reset|closed)|kex_exchange_identification|Broken pipe|Session open refused|banner",
        HostUnreachable,
        "Is the host up, and does the network (VPN, firewall, ssh.jump) let you through? Try `ssh HOST true`.",
    ),
)


def error_of(outcome: Outcome, host: str) -> RemoteInstallError | None:
    """What ssh itself complains about: None unless it ended with 255 or by a signal (ssh(1), EXIT STATUS).

    >>> error = error_of(Outcome(255, b"", b"ssh: connect to host h port 22: Connection refused"), "h")
    >>> type(error).__name__, error.exit_code
    ('HostUnreachable', 4)
    """
    if 0 <= outcome.exit_code < 255:
        return None
    said = past_sharing(outcome.err)
    known = known_error(said, host)
    if known is not None:
        return known
    words = last_words(said) or f"the connection ended without a word (ssh: {outcome.exit_code})"
    return HostUnreachable(f"{host}: {words}", f"Try `ssh {host} true`.", host)


def refused_by_gate(said: bytes, host: str) -> RefusedByGate | None:
    """The error for what the gate of a host does not admit, in its words; None where none has spoken.

    >>> refused_by_gate(b"remote-install gate: kill is not allowed\\n", "h").message
    'h: its gate refuses this: kill is not allowed'
    """
    found = re.search(rb"^remote-install gate: (.*)$", said, re.MULTILINE)
    if found is None:
        return None
    hint = "What this key may do is set there, in authorized_keys or sshd_config: ask the site."
    return RefusedByGate(f"{host}: its gate refuses this: {last_words(found[1][:1000])}", hint, host)


def known_error(said: bytes, host: str) -> RemoteInstallError | None:
    """The error for words of ssh that are in the table."""
    text = said.decode("utf-8", "replace")
    for pattern, error, hint in TABLE:
        if re.search(pattern, text, re.IGNORECASE):
            return error(f"{host}: {last_words(said)}", hint.replace("HOST", host), host)
    return None


def past_sharing(said: bytes) -> bytes:
    """stderr without what ssh says when a kept connection did not serve: it then connects by itself.

    >>> past_sharing(b"mux_client_request_session: read from master failed: Broken pipe\\r\\nBroken pipe\\n")
    b'Broken pipe\\n'
    """
    return OF_SHARING.sub(b"", said)
