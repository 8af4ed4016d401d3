"""How bytes and commands get to a host: platforms, ssh, rsync, retry. Knows no jobs."""
