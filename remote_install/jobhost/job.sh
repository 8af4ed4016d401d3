# The job wrapper: goes through the start gate, runs the command in "$@", writes down how it ended.
# It forwards no signal: who kills signals the whole session. Its traps only keep it alive for the record.

trap : HUP INT QUIT TERM USR1 USR2 ALRM XCPU

# Who we are: a process id alone may be used again.
field_22() { start=${20}; }
read -r stat </proc/$$/stat
field_22 ${stat##*) }
read -r host </proc/sys/kernel/hostname
read -r boot </proc/sys/kernel/random/boot_id
space=$(readlink /proc/$$/ns/pid)
space=${space#*[}
id="process $host $$ $start $boot ${space%]}"

# The start gate: of all who were submitted for this try one goes through. ln makes the link and its content at once.
cd "$REMOTE_INSTALL_JOB_DIR" || exit 1
ln -s "$id" job.start 2>/dev/null || [ "$(readlink job.start)" = "$id" ] || exit 0

# The exit record's place is reserved now, so that a disk that is full by then can't lose it.
now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
printf '%-15s\n%-31s\nSTARTED=%s\n' '' '' "$(now)" >job.status

record() {
    printf '%-15s\n%-31s\n' "EXIT=$1" "FINISHED=$(now)" 1<>job.status || ln -s "EXIT=$1" job.end
    exit "$1"
}

(
    cd "$REMOTE_INSTALL_RUN_DIR" || exit 125
    exec "$@"
) >>job.out 2>>job.err
record $?
