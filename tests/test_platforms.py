"""hosts.yaml: where it is looked for, what a platform is made of, and what is refused at which place."""

from __future__ import annotations

import doctest
import os
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from transfer import hosts_file, platforms, ssh
from transfer.errors import ConfigError
from transfer.hosts_file import find_hosts_file
from transfer.platforms import Platform, Platforms, Retry, Rsync, Ssh, load_platforms

Load = Callable[[str], Platforms]


@pytest.fixture
def load(tmp_path: Any) -> Load:
    def load_text(content: str) -> Platforms:
        path = tmp_path / "hosts.yaml"
        path.write_text(content, encoding="utf-8")
        return load_platforms(str(path))

    return load_text


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> str:
    """No test sees this machine's own files."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setattr(hosts_file, "SYSTEM_HOSTS_FILE", str(tmp_path / "etc" / "hosts.yaml"))
    return str(tmp_path / "home")


def platform(**given: Any) -> Platform:
    return Platform(**{"name": "hpc", "hosts": ("hpc",), "install_target": "hpc", **given})


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("platforms:\n  hpc:\n", platform()),
        ("platforms: {hpc: {}}", platform()),
        ("platforms: {hpc: {ssh: , rsync: {}, retry: }}", platform()),
        ("defaults:\nplatforms: {hpc: }", platform()),
        ("platforms: {hpc: {hosts: [login1]}}", platform(hosts=("login1",))),
        ("platforms: {hpc: {hosts: ['me@login1.site.org:x-1']}}", platform(hosts=("me@login1.site.org:x-1",))),
        ("platforms: {hpc: {hosts: [010]}}", platform(hosts=("010",))),
        ("platforms: {hpc: {install_target: home-1_a.b+c}}", platform(install_target="home-1_a.b+c")),
        ("platforms: {hpc: {run_root: /scratch/$USER/runs}}", platform(run_root="/scratch/$USER/runs")),
        ("platforms: {hpc: {run_root: ~/runs}}", platform(run_root="~/runs")),  # expanded there, not here
        ("platforms: {hpc: {python: /opt/python-3.9/bin/python3}}", platform(python="/opt/python-3.9/bin/python3")),
        ("platforms: {hpc: {ssh: {user: 'SITE\\me', port: 2222}}}", platform(ssh=Ssh(user="SITE\\me", port=2222))),
        ("platforms: {hpc: {ssh: {user: 007}}}", platform(ssh=Ssh(user="007"))),
        ("platforms: {hpc: {ssh: {jump: 'me@gate:22,gate2'}}}", platform(ssh=Ssh(jump="me@gate:22,gate2"))),
        ("platforms: {hpc: {ssh: {jump: 'ssh://me@[::1]:22'}}}", platform(ssh=Ssh(jump="ssh://me@[::1]:22"))),
        ("platforms: {hpc: {ssh: {identity: /k/id}}}", platform(ssh=Ssh(identity="/k/id"))),
        ("platforms: {hpc: {ssh: {connect_timeout: 3600}}}", platform(ssh=Ssh(connect_timeout=3600))),
        (
            "platforms: {hpc: {ssh: {command: \"ssh -F 'my config'\"}}}",
            platform(ssh=Ssh(command=("ssh", "-F", "my config"))),
        ),
        (
            "platforms: {hpc: {ssh: {options: {Compression: no, RekeyLimit: 1G 1:00:00, ProxyCommand: 'x %h; y'}}}}",
            platform(ssh=Ssh(options={"Compression": "no", "RekeyLimit": "1G 1:00:00", "ProxyCommand": "x %h; y"})),
        ),
        (
            "platforms: {hpc: {rsync: {command: [rsync3, -z], options: [--bwlimit=1000]}}}",
            platform(rsync=Rsync(("rsync3", "-z"), ("--bwlimit=1000",))),
        ),
        ("platforms: {hpc: {retry: {attempts: 1, max_wait: 0}}}", platform(retry=Retry(1, 0.0))),
        ("platforms: {hpc: {retry: {max_wait: 0.5}}}", platform(retry=Retry(max_wait=0.5))),
        # defaults: mappings merge key by key, lists and commands are replaced.
        ("defaults: {hosts: [a], python: p}\nplatforms: {hpc: }", platform(hosts=("a",), python="p")),
        ("defaults: {hosts: [a]}\nplatforms: {hpc: {hosts: [b]}}", platform(hosts=("b",))),
        (
            "defaults: {ssh: {port: 1, user: me}}\nplatforms: {hpc: {ssh: {port: 2}}}",
            platform(ssh=Ssh(port=2, user="me")),
        ),
        ("defaults: {ssh: {port: 1}}\nplatforms: {hpc: {ssh: }}", platform(ssh=Ssh(port=1))),
        (
            "defaults: {ssh: {options: {A: 1, B: 1}}}\nplatforms: {hpc: {ssh: {options: {B: 2, C: 2}}}}",
            platform(ssh=Ssh(options={"A": "1", "B": "2", "C": "2"})),
        ),
        (
            "defaults: {ssh: {options: {Compression: no}}}\nplatforms: {hpc: {ssh: {options: {compression: yes}}}}",
            platform(ssh=Ssh(options={"compression": "yes"})),
        ),
        (
            "defaults: {rsync: {command: rsync -z, options: [-z, -H]}}\nplatforms: {hpc: {rsync: {options: [-c]}}}",
            platform(rsync=Rsync(("rsync", "-z"), ("-c",))),
        ),
        (
            "platforms: {hpc: {ssh: {options: {<<: {Compression: no}, compression: yes}}}}",
            platform(ssh=Ssh(options={"compression": "yes"})),
        ),
        # YAML's own merges come first, and are shallow.
        (
            "platforms:\n  x: &x {python: p, ssh: {port: 1}}\n  hpc: {<<: *x, ssh: {user: me}}",
            platform(python="p", ssh=Ssh(user="me")),
        ),
        ("platforms:\n  x: &x {python: p}\n  hpc: *x", platform(python="p")),
    ],
)
def test_a_platform_is_made_of_what_the_file_says(load: Load, content: str, expected: Platform) -> None:
    assert load(content).get("hpc") == expected


def test_programs_and_keys_of_this_machine_are_found_by_tilde(load: Load, home: str) -> None:
    found = load("platforms: {hpc: {ssh: {identity: ~/.ssh/id, command: ~/bin/ssh -v ~}, rsync: {command: ~/rsync}}}")
    given = found.get("hpc").ssh
    assert (given.identity, given.command) == (f"{home}/.ssh/id", (f"{home}/bin/ssh", "-v", "~"))
    assert found.get("hpc").rsync.command == (f"{home}/rsync",)


def test_each_platform_is_its_own(load: Load) -> None:
    found = load("defaults: {ssh: {options: {A: 1}}}\nplatforms: {a: {ssh: {options: {B: 2}}}, b: , no: }")
    assert found.get("a").ssh.options == {"A": "1", "B": "2"}
    assert found.get("b").ssh.options == {"A": "1"}
    assert found.get("no") == Platform("no", ("no",), "no", ssh=Ssh(options={"A": "1"}))
    with pytest.raises(TypeError):
        found.get("b").ssh.options["C"] = "3"  # type: ignore[index]


HOST_RULE = "letters, digits and _ . : @ -, with a letter, a digit or _ first"
TARGET_RULE = "letters, digits and . _ + -, with a letter or digit first"


@pytest.mark.parametrize(
    ("given", "column", "phrase"),
    [
        # The column counts from the text here, which stands after "platforms:\n  hpc: ".
        ("{hosts: []}", 9, "no host is named"),
        ("{hosts: login1}", 9, "hosts: expected a list, saw login1"),
        ("{hosts: [-oProxyCommand=x]}", 10, f"platforms.hpc.hosts: expected {HOST_RULE}, saw -oProxyCommand=x"),
        ("{hosts: ['a b']}", 10, HOST_RULE),
        ("{hosts: ['']}", 10, HOST_RULE),
        ("{hosts: ['a;b']}", 10, HOST_RULE),
        ("{hosts: ['é']}", 10, HOST_RULE),
        ('{hosts: ["a\\n"]}', 10, "\\n can't stand in this text"),
        ("{hosts: [x, localhost]}", 9, "localhost is this machine, no host of a pool"),
        ("{hosts: [LOCALHOST, x]}", 9, "localhost is this machine, no host of a pool"),
        ("{install_target: ''}", 18, f"install_target: expected {TARGET_RULE}"),
        ("{install_target: home of all}", 18, TARGET_RULE),
        ("{install_target: ../x}", 18, TARGET_RULE),
        ("{install_target: -x}", 18, TARGET_RULE),
        ("{install_target: _x}", 18, TARGET_RULE),
        ("{run_root: ''}", 12, "run_root: expected a path"),
        ("{run_root: ~}", 12, "run_root: expected a path, saw nothing (~)"),
        ("{run_root: 'a\tb'}", 12, 'run_root: expected a path, saw the text "a\\tb"'),
        ('{run_root: "a\\0b"}', 12, "\\x00 can't stand in this text"),
        ("{python: ~/python}", 10, "python: expected a name or path"),
        ("{python: -m}", 10, "python: expected a name or path"),
        ("{python: 'python3 -E'}", 10, "python: expected a name or path"),
        ("{python: $PYTHON}", 10, "python: expected a name or path"),
        ("{ssh: {user: -oX}}", 14, "ssh.user: expected a user's name"),
        ("{ssh: {user: 'a b'}}", 14, "ssh.user: expected a user's name"),
        ("{ssh: {user: 'a;b'}}", 14, "ssh.user: expected a user's name"),
        ("{ssh: {user: 'a\u00a0b'}}", 14, 'saw the text "a\\xa0b"'),
        ("{ssh: {user: ''}}", 14, "ssh.user: expected a user's name"),
        ("{ssh: {jump: -W}}", 14, "ssh.jump: expected hosts as ssh -J takes them"),
        ("{ssh: {jump: 'a b'}}", 14, "ssh.jump: expected hosts as ssh -J takes them"),
        ("{ssh: {jump: '$(x)'}}", 14, "ssh.jump: expected hosts as ssh -J takes them"),
        ("{ssh: {port: 0}}", 14, "ssh.port: expected a whole number from 1 to 65535, saw 0"),
        ("{ssh: {port: 65536}}", 14, "saw 65536"),
        ("{ssh: {port: '22'}}", 14, 'saw the text "22"'),
        ("{ssh: {port: 022}}", 14, "saw 022"),
        ("{ssh: {connect_timeout: 0}}", 25, "expected a whole number from 1 to 3600, saw 0"),
        ("{ssh: {connect_timeout: 3601}}", 25, "saw 3601"),
        ("{ssh: {connect_timeout: 1.5}}", 25, "saw 1.5"),
        ("{ssh: {identity: ''}}", 18, "ssh.identity: expected a path"),
        ("{ssh: {command: }}", 16, "ssh.command: expected a program with its arguments, saw nothing"),
        ("{ssh: {command: []}}", 17, "ssh.command: no program is named"),
        ("{ssh: {command: ' '}}", 17, "ssh.command: no program is named"),
        ("{ssh: {options: [A]}}", 17, "ssh.options: expected a mapping of names, saw a list"),
        ("{ssh: {options: {A-B: x}}}", 18, "a name in platforms.hpc.ssh.options: expected letters and digits"),
        ("{ssh: {options: {1A: x}}}", 18, "expected letters and digits"),
        ("{ssh: {options: {A: }}}", 20, "ssh.options.A: expected text, saw nothing"),
        ('{ssh: {options: {A: "x\\nB y"}}}', 21, "\\n can't stand in this text"),
        ("{ssh: {options: {Ab: x, aB: y}}}", 25, "`aB` is given twice: on line"),
        ("{ssh: {options: {<<: {Ab: x}, aB: y, AB: z}}}", 38, "`AB` is given twice: on line"),
        ("{rsync: {options: --x}}", 19, "rsync.options: expected a list"),
        ("{rsync: rsync}", 9, "rsync: expected a mapping, saw rsync"),
        ("{retry: {attempts: 0}}", 20, "retry.attempts: expected a whole number from 1 to 100, saw 0"),
        ("{retry: {attempts: 101}}", 20, "saw 101"),
        ("{retry: {max_wait: 3601}}", 20, "retry.max_wait: expected a number of seconds from 0 to 3600, saw 3601"),
        ("{retry: {max_wait: -1}}", 20, "saw -1"),
        ("{retry: {max_wait: 30s}}", 20, "saw 30s"),
        ("{prot: 22}", 2, "`prot` is not a key of platforms.hpc"),
        ("[hosts]", 1, "platforms.hpc: expected a mapping, saw a list"),
        ("login1", 1, "platforms.hpc: expected a mapping, saw login1"),
    ],
)
def test_a_mistake_in_a_platform(load: Load, given: str, column: int, phrase: str) -> None:
    for head, line in (("platforms:\n  hpc: ", 2), ("# x\n\ndefaults: ", 3)):
        with pytest.raises(ConfigError) as caught:
            load(head + given)
        message = caught.value.message.replace("defaults", "platforms.hpc")
        places = re.findall(r"hosts\.yaml:(\d+:\d+): ", message)
        assert places == [f"{line}:{len(head.rsplit(chr(10))[-1]) + column}"]
        assert phrase in message


SSH_REFUSED = (
    "BatchMode StrictHostKeyChecking RequestTTY RemoteCommand SessionType ForkAfterAuthentication StdinNull LogLevel "
    "NumberOfPasswordPrompts NoHostAuthenticationForLocalhost ForwardAgent ForwardX11 ClearAllForwardings "
    "LocalForward RemoteForward DynamicForward PermitLocalCommand LocalCommand ConnectTimeout"
)


@pytest.mark.parametrize("option", SSH_REFUSED.split())
def test_options_of_ssh_that_would_break_a_promise(load: Load, option: str) -> None:
    for name in (option, option.lower(), option.upper()):
        with pytest.raises(ConfigError, match=rf"hosts\.yaml:1:38: the ssh option {name} can't be set: ") as caught:
            load("platforms: {hpc: {ssh: {  options: { " + name + ": yes}}}}")
        assert ("ssh.connect_timeout" in caught.value.message) == (option == "ConnectTimeout")


def test_what_ssh_is_always_given_is_refused() -> None:
    assert {option.split("=")[0] for option in ssh.PROMISES} <= set(SSH_REFUSED.split())


def test_options_of_ssh_that_replace_ours(load: Load) -> None:
    options = {"ServerAliveInterval": "60", "serveralivecountmax": "1"}
    content = "platforms: {hpc: {ssh: {options: {ServerAliveInterval: 60, serveralivecountmax: 1}}}}"
    assert load(content).get("hpc").ssh.options == options


RSYNC_ALLOWED = (
    "--bwlimit=1000 --compress -z -zz --compress-choice=zlib --zc=zlib --compress-level=3 --zl=3 "
    "--skip-compress=gz/bz2 --checksum -c --checksum-choice=md5 --cc=md5 --whole-file -W --no-whole-file "
    "--exclude=*.o --exclude=a=b --include=*.c --exclude-from=/dev/null --include-from=/dev/null --filter=-_*.o "
    "--chmod=Dg+s --timeout=30 --iconv=- --copy-links -L --copy-unsafe-links --safe-links --hard-links -H --sparse -S "
    "--omit-dir-times -O --max-size=1G --min-size=1 --partial --no-partial --partial-dir=.part --ipv4 --ipv6 -4 -6 "
    "--block-size=1024 --one-file-system -x --stop-after=60 --no-compress --no-inc-recursive -czHS"
)


@pytest.mark.parametrize("option", RSYNC_ALLOWED.split())
def test_options_of_rsync_that_are_allowed_are_known_to_it(load: Load, tmp_path: Any, option: str) -> None:
    assert load(f"platforms: {{hpc: {{rsync: {{options: ['{option}']}}}}}}").get("hpc").rsync.options == (option,)
    for folder in ("from", "to"):
        (tmp_path / folder).mkdir()
    subprocess.run(["rsync", "-r", option, "--", f"{tmp_path}/from/", f"{tmp_path}/to/"], check=True, timeout=30)


RSYNC_REFUSED = (
    "-e --rsh=ssh --rsync-path=x --del --delete --delete-after --delete-excluded=x --remove-source-files "
    "--files-from=x --from0 -0 --daemon --server --sender --out-format=%n --log-file=x --log-file-format=x --no-s "
    "--no-secluded-args --no-protect-args --old-args --dry-run -n --list-only --inplace --append --append-verify "
    "--write-batch=x --only-write-batch=x --read-batch=x --itemize-changes -i --info=all --debug=all -v --verbose -q "
    "--quiet --stats --progress -P --human-readable -h --backup -b --backup-dir=x --suffix=x --temp-dir=x -T "
    "--compare-dest=x --copy-dest=x --link-dest=x -R --relative --no-R --no-relative --no-r --no-recursive --no-links "
    "--no-times --modify-window=1 -@1 -a --archive -d --dirs --update -u --existing --ignore-existing --size-only "
    "--ignore-times --remote-option=x -M--x --max-delete=1 --force --fake-super --super --copy-as=x --contimeout=1 "
    "--protocol=30 -f -B -B1024 -C -F --help --version --no-timeout --no-bwlimit --bwlim=1 --compres --xyz"
)


@pytest.mark.parametrize("option", RSYNC_REFUSED.split())
def test_options_of_rsync_that_would_break_a_promise(load: Load, option: str) -> None:
    name = re.escape(option.split("=")[0] if option.startswith("--") else option[:2])
    wanted = rf"hosts\.yaml:1:37: the rsync option {name} is not used here: it could break what an install promises\n"
    with pytest.raises(ConfigError, match=wanted):
        load(f"platforms: {{hpc: {{rsync: {{options: ['{option}']}}}}}}")


@pytest.mark.parametrize(
    ("option", "message", "hint"),
    [
        ("-ze", "the rsync option -e is not used here", "Remove it."),
        ("-znc", "the rsync option -n is not used here", "Remove it."),
        ("-z=1", "the rsync option -= is not used here", "Remove it."),
        ("-", "the rsync option - is not used here", "Remove it."),
        ("--", "the rsync option -- is not used here", "Remove it."),
        ("--compres", "the rsync option --compres is not used here", "Did you mean `--compress`?"),
        ("--bwlimt=5", "the rsync option --bwlimt is not used here", "Did you mean `--bwlimit`?"),
        ("--delete-after", "the rsync option --delete-after is not used here", "Remove it."),
        ("--bwlimit", "the rsync option --bwlimit needs a value", "Write --bwlimit=VALUE."),
        ("--exclude=", "the rsync option --exclude needs a value", "Write --exclude=VALUE."),
        ("--compress=zstd", "the rsync option --compress takes no value", "Write --compress."),
        ("--no-compress=1", "the rsync option --no-compress takes no value", "Write --no-compress."),
        ("1000", "1000 is not an option", "An option and its value are one: --option=value."),
        ("host:x", "host:x is not an option", "An option and its value are one: --option=value."),
        ("", "an empty text is not an option", "An option and its value are one: --option=value."),
    ],
)
def test_a_refused_option_of_rsync_has_its_remedy(load: Load, option: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(f"platforms: {{hpc: {{rsync: {{options: [-c, '{option}']}}}}}}")
    lines = caught.value.message.split("\n")
    assert f"hosts.yaml:1:41: {message}" in lines[0]
    assert lines[3].strip() == hint


@pytest.mark.parametrize(
    ("content", "place", "phrase"),
    [
        ("groups: {any: {platforms: [hpc]}}", "1:28", "there is no platform hpc"),
        ("platforms: {hpc: }\ngroups:\n  any: {platforms: [hpc, hcp]}", "3:26", "there is no platform hcp"),
        ("platforms: {hpc: }\ngroups:\n  hpc: {platforms: [hpc]}", "3:3", "hpc is a platform already"),
        ("defaults: {symlink_dirs: {a: /s, a/: /t}}", "1:26", "a is given twice"),
        ("defaults: {symlink_dirs: {./a: /t}}", "1:27", "expected a path inside"),
        ("defaults: {symlink_dirs: {a/b: /s, a: /t}}", "1:26", "a/b lies in a, which leads elsewhere itself"),
        ("defaults: {symlink_dirs: {.remote-install: /s}}", "1:26", ".remote-install can't lead elsewhere"),
        ("defaults: {symlink_dirs: {.git/x: /s}}", "1:26", ".git/x can't lead elsewhere"),
        ("defaults: {symlink_dirs: {../a: /s}}", "1:27", "expected a path inside"),
        ("groups:\n  any: {platforms: []}", "2:9", "no platform is named"),
        ("groups:\n  any: {}", "2:8", "groups.any: `platforms` is missing"),
        ("platforms:\n  /d[/: {}", "2:3", "/d[/ is no regular expression"),
        ("platforms:\n  /d.*/: {hosts: [a]}", "2:11", "a platform whose name is an expression has no hosts"),
        ("platform: {hpc: }", "1:1", "`platform` is not a key of this file"),
        ("hpc: {hosts: [a]}", "1:1", "`hpc` is not a key of this file"),
        ("platforms: [hpc]", "1:12", "platforms: expected a mapping of names, saw a list"),
        ("platforms: {-x: }", "1:13", f"a name in platforms: expected {HOST_RULE}, saw -x"),
        ("platforms: {a/b: }", "1:13", HOST_RULE),
        ("platforms: {'': }", "1:13", HOST_RULE),
        ("platforms:\n  a: {}\n  b: {}\n  a: {}", "4:3", "`a` is given twice: on line 2 and on line 4"),
    ],
)
def test_a_mistake_at_the_top(load: Load, content: str, place: str, phrase: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(content)
    assert re.findall(r"hosts\.yaml:(\d+:\d+): ", caught.value.message) == [place]
    assert phrase in caught.value.message


def test_several_mistakes_are_told_at_once(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load(
            "defaults: {hosts: []}\nplatforms:\n  a: {hosts: [x, -y], prot: 1}\n  localhost: {ssh: {port: a}}\ngrp: {}"
        )
    found = re.findall(r"hosts\.yaml:(\d+:\d+): ", caught.value.message)
    assert found == ["1:19", "3:18", "3:23", "4:27", "5:1"]
    assert caught.value.exit_code == 3


def test_localhost_is_always_there_and_starts_from_the_defaults(load: Load) -> None:
    assert load("platforms: {hpc: }").has("localhost")
    assert load("defaults: {filesystem: separate}").get("localhost").filesystem == "auto"
    found = load("defaults: {init_script: x}\nplatforms: {hpc: }").get("localhost")
    assert (found.local, found.hosts, found.init_script) == (True, ("localhost",), "x")
    assert load("platforms: {LocalHost: }").get("LocalHost").local


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("hcp", "hosts.yaml has no platform hcp", "Did you mean `hpc`? It has: hpc, gpu."),
        ("xyzzy", "hosts.yaml has no platform xyzzy", "It has: hpc, gpu."),
        ("-x", '"-x" can\'t be the name of a platform', f"It is {HOST_RULE}."),
        ("a\x1b", '"a\\x1b" can\'t be the name of a platform', f"It is {HOST_RULE}."),
        ("hpc\n", '"hpc\\n" can\'t be the name of a platform', f"It is {HOST_RULE}."),
    ],
)
def test_a_platform_that_is_not_there(load: Load, name: str, message: str, hint: str) -> None:
    found = load("platforms: {hpc: , gpu: }")
    with pytest.raises(ConfigError) as caught:
        found.get(name)
    assert message in caught.value.message
    assert caught.value.hint == hint


def test_a_file_without_platforms(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load("defaults: {python: p}").get("hpc")
    assert caught.value.hint == "It has: none."


def test_many_platforms_are_not_all_listed(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load("platforms: {" + ", ".join(f"p{i}: " for i in range(100)) + "}").get("xyzzy")
    assert caught.value.hint.endswith(" p18, p19 and 80 more.")


def test_without_a_file_the_error_shows_the_lines_that_help(load: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        load_platforms(None).get("hpc")
    hint = caught.value.hint
    for place in ("--hosts", "$REMOTE_INSTALL_HOSTS", "$XDG_CONFIG_HOME/remote-install/hosts.yaml", "/etc/remote-inst"):
        assert place in hint
    assert load("\n".join(hint.split("\n")[-3:])).get("hpc") == platform()


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_platforms("/nowhere/hosts.yaml")


# What exists, --hosts, the environment -> what is read. All paths are below tmp_path.
@pytest.mark.parametrize(
    ("files", "explicit", "environ", "expected"),
    [
        ("a b xdg home etc", "a", {"REMOTE_INSTALL_HOSTS": "b", "XDG_CONFIG_HOME": "xdg"}, "a"),
        ("b xdg home etc", None, {"REMOTE_INSTALL_HOSTS": "b", "XDG_CONFIG_HOME": "xdg"}, "b"),
        ("xdg home etc", None, {"XDG_CONFIG_HOME": "xdg"}, "xdg"),
        ("home etc", None, {"XDG_CONFIG_HOME": "xdg"}, "etc"),
        ("xdg home etc", None, {}, "home"),
        ("etc", None, {}, "etc"),
        ("", None, {}, None),
        ("a", "a", {}, "a"),
    ],
)
def test_where_hosts_yaml_is_looked_for(
    tmp_path: Any, home: str, files: str, explicit: str | None, environ: dict[str, str], expected: str | None
) -> None:
    places = {
        "a": "a",
        "b": "b",
        "xdg": "xdg/remote-install/hosts.yaml",
        "home": "home/.config/remote-install/hosts.yaml",
        "etc": "etc/hosts.yaml",
    }
    for name in files.split():
        (tmp_path / places[name]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / places[name]).touch()
    given = {name: str(tmp_path / value) for name, value in environ.items()}
    found = find_hosts_file(explicit and str(tmp_path / explicit), {"HOME": home, **given})
    assert found == (expected and str(tmp_path / places[expected]))


def test_odd_values_of_the_environment(tmp_path: Any, home: str) -> None:
    path = tmp_path / "home" / ".config" / "remote-install" / "hosts.yaml"
    path.parent.mkdir(parents=True)
    os.symlink("nowhere", path)  # a dangling link is told of, not passed over
    for environ in ({"REMOTE_INSTALL_HOSTS": ""}, {"XDG_CONFIG_HOME": ""}, {"XDG_CONFIG_HOME": "relative"}):
        assert find_hosts_file(None, {"HOME": home, **environ}) == str(path)
    assert find_hosts_file(None, {}) == str(path)


@pytest.mark.parametrize(
    ("explicit", "environ", "message"),
    [
        ("/nowhere/x", {}, "--hosts names /nowhere/x: No such file or directory"),
        ("", {}, "--hosts names nothing: No such file or directory"),
        ("/a\0b", {}, "--hosts names /a\\x00b: "),
        ("/\x1b[31m", {}, "--hosts names /\\x1b[31m: No such file"),
        (None, {"REMOTE_INSTALL_HOSTS": "/nowhere/y"}, "$REMOTE_INSTALL_HOSTS names /nowhere/y: No such file"),
        ("/nowhere/x", {"REMOTE_INSTALL_HOSTS": "/nowhere/y"}, "--hosts names /nowhere/x"),
    ],
)
def test_a_named_file_must_be_there(explicit: str | None, environ: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        find_hosts_file(explicit, environ)
    assert caught.value.message.startswith(message)


def test_examples() -> None:
    result = doctest.testmod(platforms)
    assert result.attempted
    assert not result.failed
