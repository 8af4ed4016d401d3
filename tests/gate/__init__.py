"""The gate on this machine, without an sshd: it is started as sshd starts it, and attacked."""
