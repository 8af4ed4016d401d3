"""In which order the hosts of a platform are asked, and when the next one is."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from remote_install import pool
from remote_install.pool import in_order, on_a_host
from remote_install.talk import Talk
from transfer.errors import ConfigError, HostUnreachable, HostUnsuitable, LoginRefused
from transfer.platforms import Platform, Retry, Ssh, load_platforms

HOSTS = tuple(f"login{number}" for number in range(1, 9))


def platform(select: str = "in-order", hosts: tuple[str, ...] = HOSTS) -> Platform:
    return Platform("hpc", hosts, "hpc", select=select, ssh=Ssh(connect_timeout=1), retry=Retry(2, 0.01))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "remote-install/failed"


def test_hosts_are_asked_in_their_order() -> None:
    assert in_order(platform(), Talk()) == HOSTS
    assert in_order(platform(), Talk(), first="login3")[:3] == ("login3", "login1", "login2")


def test_a_random_order_is_drawn_once_for_a_command() -> None:
    talk = Talk()
    drawn = in_order(platform("random"), talk)
    assert (set(drawn), in_order(platform("random"), talk)) == (set(HOSTS), drawn)
    assert len({in_order(platform("random"), Talk()) for _ in range(20)}) > 1


def test_who_failed_lately_is_asked_last_the_longest_ago_first(cache: Path) -> None:
    cache.mkdir(parents=True)
    now = time.time()
    for host, at in (("login1", now - 10), ("login2", now - 20), ("login3", now - 301), ("login4", now + 1000)):
        (cache / host).touch()
        os.utime(cache / host, (at, at))
    assert in_order(platform(), Talk()) == (*HOSTS[2:], "login2", "login1")
    assert in_order(platform(), Talk(), first="login1")[0] == "login1"


class Hosts:
    """Fails on hosts as it is told to, and notes who was asked."""

    def __init__(self, **failures: Exception) -> None:
        self.asked: list[str] = []
        self.failures = failures

    def __call__(self, one: Platform) -> str:
        (host,) = one.hosts
        self.asked.append(host)
        if host in self.failures:
            raise self.failures[host]
        return host


def test_the_next_host_is_asked_at_once_and_that_is_told(cache: Path) -> None:
    told: list[str] = []
    hosts = Hosts(login1=HostUnreachable("login1: down"), login2=LoginRefused("login2: no"))
    assert on_a_host(platform(), hosts, Talk(tell=told.append)) == "login3"
    assert hosts.asked == ["login1", "login2", "login3"]
    assert told == ["login1: down; login2 is asked instead", "login2: no; login3 is asked instead"]
    assert sorted(os.listdir(cache)) == ["login1", "login2"]


def test_all_are_asked_again_as_retries_are() -> None:
    hosts = Hosts(a=HostUnreachable("a: down"), b=HostUnreachable("b: down"))
    with pytest.raises(HostUnreachable, match="b: down"):
        on_a_host(platform(hosts=("a", "b")), hosts, Talk())
    assert hosts.asked == ["a", "b", "a", "b"]


@pytest.mark.parametrize("error", [HostUnsuitable("no python"), ConfigError("a mistake"), ValueError("a bug")])
def test_what_another_host_would_say_too_is_raised_at_once(error: Exception) -> None:
    hosts = Hosts(login1=error)
    with pytest.raises(type(error)):
        on_a_host(platform(), hosts, Talk())
    assert hosts.asked == ["login1"]


def test_where_nothing_can_be_kept_each_command_finds_out_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert on_a_host(platform(), Hosts(login1=HostUnreachable("down")), Talk()) == "login2"


def test_a_single_host_is_asked_as_it_is() -> None:
    one = platform(hosts=("a",))
    assert on_a_host(one, lambda found: found, Talk()) is one
    assert pool.only(platform(), "login2").retry.attempts == 1


def test_the_platforms_of_a_group_are_drawn_too(tmp_path: Path) -> None:
    names = ", ".join(HOSTS)
    platforms = "".join(f"  {name}: {{}}\n" for name in HOSTS)
    path = tmp_path / "hosts.yaml"
    path.write_text(
        f"platforms:\n{platforms}groups:\n  some: {{platforms: [{names}]}}\n"
        f"  any: {{platforms: [{names}], select: random}}\n"
    )
    known = load_platforms(str(path))
    assert tuple(one.name for one in known.candidates("some")) == HOSTS
    drawn = {tuple(one.name for one in known.candidates("any")) for _ in range(20)}
    assert len(drawn) > 1
    assert {frozenset(names) for names in drawn} == {frozenset(HOSTS)}
