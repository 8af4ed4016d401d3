"""A newcomer follows README.md on a fresh Debian 12: an ordinary user types what it shows, root what he is told to ask
for. About a minute, and once two more for the system; apt and pip are given what this machine reaches theirs by."""

from __future__ import annotations

import base64
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import systems
from hosts.requirements import SYSTEM_PATH

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
NAMED = ("git", "python3")  # besides Debian, what the README says is needed
SYSTEM = f"{systems.CACHE}/newcomer"
# How this machine reaches package archives: files, and variables.
REACH = ("/etc/resolv.conf", "/etc/pip.conf", "/etc/ssl/certs", "/usr/local/share/ca-certificates")
VARIABLES = ("PIP_INDEX_URL", "PIP_CERT", "PIP_DEFAULT_TIMEOUT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE")
USER = "newcomer"
# In namespaces of its own: what is written goes to memory, and with the last process all is gone.
ENTER = r"""
set -e
mount -t tmpfs tmpfs "$TOP"
mkdir "$TOP/upper" "$TOP/work" "$TOP/root"
mount -t overlay overlay -o "lowerdir=$SYSTEM,upperdir=$TOP/upper,workdir=$TOP/work" "$TOP/root"
cd "$TOP/root"
mount -t proc proc proc
mount --rbind /dev dev
for path in $REACH; do
    [ -e "$path" ] || continue
    if [ -d "$path" ]; then mkdir -p ".$path"; else mkdir -p ".${path%/*}"; touch ".$path"; fi
    mount --bind "$path" ".$path"
done
chroot . useradd --create-home --shell /bin/bash "$LOGIN"
mkdir "home/$LOGIN/remote-install"
tar -C "home/$LOGIN/remote-install" -xf "$CHECKOUT"
chroot . chown -R "$LOGIN:" "/home/$LOGIN"
echo ready
while read -r who line; do
    case $who in
        root) set -- ;;
        *) set -- setpriv --reuid="$LOGIN" --regid="$LOGIN" --init-groups ;;
    esac
    code=0
    chroot . "$@" env -i $KEPT HOME="/home/$LOGIN" USER="$LOGIN" DEBIAN_FRONTEND=noninteractive \
        PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
        bash -c "cd ~/remote-install && $(printf %s "$line" | base64 -d)" </dev/null 2>&1 || code=$?
    printf '\nexit code %s\n' "$code"
done
"""


class Newcomer:
    """Somebody who types lines in a checkout, in a shell without a terminal."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        assert self._hear() == ("", "ready")

    def types(self, line: str, who: str = USER) -> tuple[int, str]:
        """The exit code, and what is shown."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{who} {base64.b64encode(line.encode()).decode()}\n")
        self._process.stdin.flush()
        shown, last = self._hear()
        return int(last.rpartition(" ")[2]), shown

    def _hear(self) -> tuple[str, str]:
        assert self._process.stdout is not None
        shown = ""
        for line in self._process.stdout:
            if re.fullmatch(r"exit code \d+|ready", line.rstrip("\n")):
                return shown, line.rstrip("\n")
            shown += line
        raise AssertionError(f"the system has ended: {shown}")


def debian() -> str:
    """The root of a Debian 12 with no more than the README names."""
    os.makedirs(systems.CACHE, exist_ok=True)
    with systems.exclusive(f"{SYSTEM}.lock") as lock:
        if not Path(SYSTEM).is_dir():
            part = f"{SYSTEM}.part"
            shutil.rmtree(part, ignore_errors=True)
            made = systems.run(
                [systems.DEBOOTSTRAP, "--variant=minbase", f"--include={','.join(NAMED)}", "bookworm", part], lock
            )
            assert made.returncode == 0, made.stdout
            os.rename(part, SYSTEM)
    return SYSTEM


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    if os.geteuid() != 0 or shutil.which(systems.DEBOOTSTRAP, path=SYSTEM_PATH) is None:
        pytest.skip("a fresh Debian needs root and debootstrap")
    checkout = tmp_path / "checkout.tar"
    names = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True)
    there = b"\0".join(name for name in names.stdout.split(b"\0") if os.path.lexists(ROOT / os.fsdecode(name)))
    subprocess.run(["tar", "--null", "-T", "-", "-cf", checkout], cwd=ROOT, input=there, check=True)
    (tmp_path / "top").mkdir()
    given = {"TOP": str(tmp_path / "top"), "SYSTEM": debian(), "CHECKOUT": str(checkout), "LOGIN": USER}
    kept = " ".join(f"{name}={os.environ[name]}" for name in VARIABLES if name in os.environ)
    process = subprocess.Popen(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "bash", "-c", ENTER],
        env={"PATH": SYSTEM_PATH, "REACH": " ".join(REACH), "KEPT": kept, **given},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    with process:
        try:
            yield Newcomer(process)
        finally:
            process.kill()


def blocks(kind: str) -> list[str]:
    """The code blocks of the README, without the blanks that a list puts in front."""
    found = re.findall(rf"^( *)```{kind}\n(.*?)^ *```$", README, re.MULTILINE | re.DOTALL)
    return [re.sub(rf"^{blanks}", "", text, flags=re.MULTILINE) for blanks, text in found]


def lines(block: str) -> list[str]:
    return [line.partition("  #")[0].strip() for line in block.splitlines()]


# What a real host would be: one of the throw-away kind, to which hosts.yaml of the README is made to lead.
ON_A_HOST = """\
import os, subprocess, sys
sys.path.insert(0, "tests")
from reading import HOSTS_YAML, on_the_host
from remote_install.cli.throwaway import throwaway_hosts
with throwaway_hosts(("hpc",)) as (_, hosts_file):
    path = os.path.expanduser(HOSTS_YAML)
    os.makedirs(os.path.dirname(path))
    with open(path, "w") as file:
        file.write(on_the_host(sys.argv[1], hosts_file))
    sys.exit(subprocess.call(["bash", "-c", sys.argv[2]]))
"""


@pytest.mark.newcomer
@pytest.mark.timeout(600)
def test_a_newcomer_gets_from_the_readme_to_results(newcomer: Newcomer) -> None:
    try_it, *use_it = blocks("sh")
    demo, tests = lines(try_it)
    assert (demo, tests) == ("./dev demo", "./dev test")  # CI itself runs the second
    told = []
    while (done := newcomer.types(demo))[0] != 0:
        asked_for = re.search(r"sudo (.+)$", done[1], re.MULTILINE)
        assert asked_for, done[1]
        assert asked_for[1] not in told, done[1]
        told.append(asked_for[1])
        assert newcomer.types(asked_for[1], "root")[0] == 0
    assert "epoch 3: mean" in done[1]
    assert len(told) <= 2

    install, run = use_it
    code, shown = newcomer.types(install)
    assert code == 0, shown
    path = next(line for line in install.splitlines() if line.startswith("export PATH"))
    (hosts_yaml,) = (text for text in blocks("yaml") if text.startswith("platforms:"))
    words = (f"'{word}'" for word in (ON_A_HOST.replace("'", '"'), hosts_yaml, run))
    code, shown = newcomer.types(f"{path} && python -c {' '.join(words)} && cat examples/forecast/results/forecast.txt")
    assert code == 0, shown
    assert "job 01 succeeded on hpc" in shown
    assert "tomorrow" in shown
