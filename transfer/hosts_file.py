"""Where hosts.yaml is looked for: never in a run directory, because it names programs to run."""

from __future__ import annotations

import os
from collections.abc import Mapping

from transfer.errors import ConfigError
from transfer.wording import visible

SYSTEM_HOSTS_FILE = "/etc/remote-install/hosts.yaml"
SEARCHED = (
    "--hosts FILE, $REMOTE_INSTALL_HOSTS, $XDG_CONFIG_HOME/remote-install/hosts.yaml "
    f"(else ~/.config/remote-install/hosts.yaml), {SYSTEM_HOSTS_FILE}"
)


def find_hosts_file(explicit: str | None, environ: Mapping[str, str]) -> str | None:
    """The path of the hosts.yaml to read; None if there is none. explicit: what --hosts says.

    Raises ConfigError: there is nothing where --hosts or $REMOTE_INSTALL_HOSTS points.
    """
    for origin, path in (("--hosts", explicit), ("$REMOTE_INSTALL_HOSTS", environ.get("REMOTE_INSTALL_HOSTS") or None)):
        if path is not None:
            try:
                os.stat(path)
            except (OSError, ValueError) as error:
                reason = (isinstance(error, OSError) and error.strerror) or error
                hint = "Correct the path, or leave it out."
                raise ConfigError(f"{origin} names {visible(path) or 'nothing'}: {reason}", hint) from None
            return path
    found = (_own_hosts_file(environ), SYSTEM_HOSTS_FILE)
    # A dangling link counts as there, so that reading it tells the user.
    return next((path for path in found if os.path.lexists(path)), None)


def user_hosts_file(explicit: str | None, environ: Mapping[str, str]) -> str:
    """The path of a user's own hosts.yaml, be it there or not: where the first one is to be written."""
    return explicit or environ.get("REMOTE_INSTALL_HOSTS") or _own_hosts_file(environ)


def _own_hosts_file(environ: Mapping[str, str]) -> str:
    config = environ.get("XDG_CONFIG_HOME", "")
    if not os.path.isabs(config):  # the XDG rules: a relative path is ignored
        config = os.path.join(environ.get("HOME") or os.path.expanduser("~"), ".config")
    return os.path.join(config, "remote-install", "hosts.yaml")
