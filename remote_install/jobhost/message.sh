#!/bin/sh
# remote-install-message TEXT: what a job tells of itself; poll shows it. Each message is a file that is there as a whole
# or not at all, and has the next number.
folder=${REMOTE_INSTALL_JOB_DIR:?only a job of remote-install has messages}/job.messages
mkdir -p "$folder" || exit 1
part=$folder/.part-$$
printf '%s\n' "$*" >"$part" || exit 1
set -- "$folder"/*
number=$#
until ln "$part" "$folder/$number" 2>/dev/null; do
    number=$((number + 1))
    [ "$number" -lt 1000000 ] && [ -f "$part" ] || exit 1
done
rm -f "$part"
