"""All job hosts of one test process: starts them, names them, writes the ssh client's files, ends them."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable

from .host import JobHost
from .leftovers import claim, locked, record_process, sweep_locked
from .network import Network
from .settings import HostOptions, generate_key, init_environment, write, write_host_files
from .start import start_init
from .systems import root_of

# What the fixtures make_host(**options) and make_hosts(count, **options) are.
MakeHost = Callable[..., JobHost]
MakeHosts = Callable[..., list[JobHost]]


class JobHosts:
    """The job hosts of this test process; a context manager."""

    def __init__(self) -> None:
        """Remove what dead test processes left, take a subnet, build the bridge, make the client's key."""
        self.hosts: list[JobHost] = []
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()
        with contextlib.ExitStack() as undo:
            with locked():
                sweep_locked()
                self.directory = claim()
                undo.callback(shutil.rmtree, self.directory)
                self.network = Network()
                undo.callback(self.network.close)
            generate_key(f"{self.directory}/id_ed25519")
            self.write_ssh_config()
            self.undo = undo.pop_all()

    def __enter__(self) -> JobHosts:
        """Return itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close."""
        self.close()

    @property
    def ssh_config(self) -> str:
        """Return the path of the ssh client's configuration, in which all hosts stand."""
        return f"{self.directory}/ssh_config"

    def make(self, **options: Any) -> JobHost:
        """Start a job host; the options are those of HostOptions."""
        return self.start(HostOptions(**options))

    def make_many(self, count: int, **options: Any) -> list[JobHost]:
        """Start several hosts side by side."""
        with ThreadPoolExecutor(count) as pool:
            futures = [pool.submit(self.make, **options) for _ in range(count)]
        return [future.result() for future in futures]

    def start(self, options: HostOptions) -> JobHost:
        """Start a job host and wait until its sshd listens."""
        with self.lock:
            number = next(self.numbers)
            name = options.name or f"host{number}-{os.getpid()}"
            directory = f"{self.directory}/{name}"
            os.mkdir(directory)  # fails if a host has that name
        try:
            host = self.build(name, number, directory, options)
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise
        with self.lock:
            self.hosts.append(host)
            self.write_ssh_config()
        return host

    def build(self, name: str, number: int, directory: str, options: HostOptions) -> JobHost:
        """Start process 1 of a host, plug it in, start its sshd."""
        address = self.network.address_of(number)
        system = root_of(options.system)
        write_host_files(name, address, directory, f"{self.directory}/id_ed25519", system, options)
        environment = init_environment(name, address, self.network.subnet.prefixlen, directory, system, options)
        with start_init(environment, directory) as (process, answers):
            pid = int(answers.line())
            record_process(directory, pid)
            self.network.attach(number, pid)
            assert process.stdin is not None
            process.stdin.write(b"plugged in\n")
            answers.line()  # "ready"
            host = JobHost(name, process, pid, self.network, number, directory, options)
            host.start_sshd()
        return host

    def write_ssh_config(self) -> None:
        """Write the client's configuration anew, in one step, because clients may be reading it."""
        write(f"{self.ssh_config}.new", "\n".join(host.ssh_config_block() for host in self.hosts))
        os.replace(f"{self.ssh_config}.new", self.ssh_config)

    def close_host(self, host: JobHost) -> None:
        """End one host."""
        with self.lock:
            if host not in self.hosts:
                return
            self.hosts.remove(host)
            self.write_ssh_config()
        host.close()

    def close(self) -> None:
        """End all hosts and remove the bridge, the keys, everything."""
        with self.undo:
            for host in list(self.hosts):
                self.close_host(host)
