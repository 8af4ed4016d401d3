#!/bin/sh
# Ends a job at its time limit: TERM to every process of its session, a grace, KILL. Runs in the job's folder, and ends
# by itself when the job has. Arguments: the process id of the job wrapper, its start time, the limit in seconds.
wrapper=$1 start=$2 left=$3
grace=10 # seconds from TERM to KILL
step=60  # seconds between two looks whether the job is still there: the wrapper may have been killed

# Reads what we need of a process (proc(5)); fails when there is none of this id.
fields() {
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    # shellcheck disable=SC2086
    set -- ${stat##*") "}
    state=$1 parent=$2 its_session=$4 since=${20}
}

# The job is the wrapper's session, without the processes above the wrapper: some batch systems have a shell there that
# waits for it, and end all that is left when that shell has ended.
session=$wrapper leader=$start above=' '
if fields "$wrapper" && [ "$since" = "$start" ] && [ "$its_session" != "$wrapper" ]; then
    session=$its_session leader=
    while next=$parent && fields "$next" && [ "$its_session" = "$session" ]; do above="$above$next "; done
    fields "$session" && leader=$since
fi

# Fills members with the processes of the job, none when the session's id belongs to another one by now.
look() {
    members=
    ! fields "$session" || [ "$since" = "$leader" ] || return
    for process in /proc/[0-9]*; do
        process=${process#/proc/}
        fields "$process" || continue
        case $state$above in [ZX]* | *" $process "*) continue ;; esac
        [ "$its_session" = "$session" ] && members="$members $process"
    done
}

# Sends a signal to the members but $2, and lets all go on that were stopped.
signal() {
    for member in $members; do
        [ "$member" = "$2" ] || kill "-$1" "$member" 2>/dev/null
        kill -CONT "$member" 2>/dev/null
    done
}

while [ "$left" -gt 0 ]; do
    [ "$left" -ge "$step" ] || step=$left
    sleep "$step" &
    wait $!
    left=$((left - step))
    look
    [ -n "$members" ] || exit 0
done

# The wrapper, which ends when its command has, sees by this that we still have what the command left to end.
# It hears no TERM: ksh93 forgets what it is about to read when one comes (seen).
ln -s 'time limit' job.kill 2>/dev/null
signal TERM "$wrapper"
while [ "$grace" -gt 0 ]; do
    sleep 1 &
    wait $!
    grace=$((grace - 1))
    look
    [ -n "$members" ] || exit 0
done
# The wrapper lives through this and writes down how its command ended.
signal KILL "$wrapper"
sleep 2 &
wait $!
look
[ -n "$members" ] || exit 0
for round in 1 2 3 4 5 6 7 8 9; do # who is deaf may have started another one meanwhile
    signal KILL ''
    look
    [ -n "$members" ] || break
done
ln -s EXIT=137 job.end
