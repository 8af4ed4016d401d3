"""The network of one test process: a bridge on a free subnet, and a cable from it to each host."""

from __future__ import annotations

import ipaddress
import json
import os
import subprocess

from .requirements import SYSTEM_PATH

Subnet = ipaddress.IPv4Network


def run_ip(*batch: str, check: bool = True, inside: int = 0) -> None:
    """Run `ip` once on several command lines; `inside` the network namespace of that process, if given."""
    argv = [*into(inside), "ip", *([] if check else ["-force"]), "-batch", "-"]
    done = subprocess.run(argv, input="\n".join(batch), env={"PATH": SYSTEM_PATH}, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise RuntimeError(f"ip refused {batch}: {done.stderr.strip()}")


def into(pid: int) -> list[str]:
    """Return what leads a program of this machine into the network of process `pid`; a host need not have it."""
    return ["nsenter", f"--target={pid}", "--net", "--"] if pid else []


def ask_ip(*words: str) -> list[dict[str, object]]:
    """Return what `ip` lists."""
    argv = ["ip", "-json", *words]
    done = subprocess.run(argv, env={"PATH": SYSTEM_PATH}, capture_output=True, text=True, check=True)
    found: list[dict[str, object]] = json.loads(done.stdout or "[]")
    return [entry for entry in found if entry]


def link_prefix(pid: int) -> str:
    """Return how the names of all links of test process `pid` begin; no pid is longer than seven digits."""
    return f"ri-{pid}-"


def links_of(pid: int) -> list[str]:
    """Return the links of test process `pid` that exist."""
    names = [str(link["ifname"]) for link in ask_ip("link", "show")]
    return [name for name in names if name.startswith(link_prefix(pid))]


def remove_links(pid: int) -> None:
    """Remove the bridge and the cables of test process `pid`, whatever there is of them."""
    # A cable goes by itself with its host's namespace, at a moment the kernel chooses: so a failure means nothing.
    for name in links_of(pid):
        run_ip(f"link delete {name}", check=False)


def free_subnet(start: int) -> Subnet:
    """Return a /20 of 10.0.0.0/8 that no address and no route of this machine touches, searching from `start`."""
    taken = [
        ipaddress.ip_network(f"{info['local']}/{info['prefixlen']}", strict=False)
        for link in ask_ip("-4", "address", "show")
        for info in link["addr_info"]  # type: ignore[attr-defined]
    ]
    routes = [str(route["dst"]) for route in ask_ip("-4", "route", "show")]
    taken += [ipaddress.ip_network(route) for route in routes if route != "default"]
    for offset in range(4096):
        number = (start + offset) % 4096
        candidate = Subnet(((10 << 24) + (number << 12), 20))
        if not any(candidate.overlaps(network) for network in taken):
            return candidate
    raise RuntimeError("no free 10.x subnet on this machine for job hosts")


class Network:
    """A bridge of this test process; its host number 0 is the test process itself."""

    def __init__(self) -> None:
        """Build the bridge on a free subnet; call it with the lock held, lest another takes the same."""
        self.pid = os.getpid()
        self.bridge = f"{link_prefix(self.pid)}br"
        # Another process starts elsewhere: a stale shared ssh connection of an earlier run is then not met again.
        self.subnet = free_subnet(self.pid * 7)
        self.address = self.address_of(0)
        run_ip(
            # An address of its own: else the bridge changes it whenever a cable comes or goes, and hosts that had
            # looked it up talk to nobody. No spanning tree, no delay: a cable plugged in works at once.
            f"link add {self.bridge} address {mac_of(self.address)} type bridge stp_state 0 forward_delay 0",
            f"link set {self.bridge} addrgenmode none",
            f"address add {self.address}/{self.subnet.prefixlen} dev {self.bridge}",
            f"link set {self.bridge} up",
        )

    def address_of(self, number: int) -> str:
        """Return the address of host `number`."""
        return str(self.subnet.network_address + 1 + number)

    def cable(self, number: int) -> str:
        """Return the name of this machine's end of the cable to host `number`."""
        return f"{link_prefix(self.pid)}{number}"

    def attach(self, number: int, pid: int) -> None:
        """Plug in a cable to the network namespace of process `pid`, where it ends as eth0."""
        cable = self.cable(number)
        run_ip(
            f"link add {cable} type veth peer name eth0 address {mac_of(self.address_of(number))} netns {pid}",
            f"link set {cable} addrgenmode none master {self.bridge} up",
        )

    def detach(self, number: int) -> None:
        """Remove the cable to host `number`, if it is still there."""
        run_ip(f"link delete {self.cable(number)}", check=False)

    def cut(self, number: int) -> None:
        """Pull the cable to host `number`."""
        run_ip(f"link set {self.cable(number)} down")

    def heal(self, number: int, pid: int) -> None:
        """Plug it in again, in the network namespace of process `pid`."""
        # Who asked in vain for its hardware address would ask again only after up to a second.
        run_ip(
            f"link set {self.cable(number)} up",
            f"neighbour flush to {self.address_of(number)} dev {self.bridge}",
        )
        run_ip("neighbour flush dev eth0", inside=pid)

    def filter(self, pid: int, rules: str) -> None:
        """Apply packet filter rules in the network namespace of process `pid`."""
        argv = [*into(pid), "nft", "-f", "-"]
        done = subprocess.run(argv, input=rules, env={"PATH": SYSTEM_PATH}, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(f"nft refused: {done.stderr.strip()}")

    def close(self) -> None:
        """Remove the bridge and what cables are left."""
        remove_links(self.pid)


def mac_of(address: str) -> str:
    """Return the hardware address that goes with an IP address: always the same, and locally administered."""
    return "02:00:" + ":".join(f"{int(part):02x}" for part in address.split("."))
