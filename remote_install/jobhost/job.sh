# The job wrapper: goes through the start gate, runs the command in "$@", writes down how it ended.
# It forwards no signal: who kills signals the whole session. Its traps only keep it alive for the record.
# Its variables have names that no job uses: one that the environment exports would be changed for the job too.

{ # to the last line: a shell reads its script as it goes on, and the job may have changed the file by then

trap : HUP INT QUIT TERM USR1 USR2 ALRM XCPU

# Who we are: a process id alone may be used again.
_ri_field_22() { _ri_start=${20}; }
read -r _ri_stat </proc/$$/stat
_ri_field_22 ${_ri_stat##*") "}
read -r _ri_host </proc/sys/kernel/hostname
read -r _ri_boot </proc/sys/kernel/random/boot_id
_ri_space=$(readlink /proc/$$/ns/pid)
_ri_space=${_ri_space#*"["}
_ri_id="process $_ri_host $$ $_ri_start $_ri_boot ${_ri_space%]}"
[ -z "$_ri_batch" ] || _ri_id="batch $_ri_batch"
case $_ri_id in *'  '* | *' ' | *:) exit 1 ;; esac # with a part missing, it would be taken for gone while it runs

# The start gate: of all who were submitted for this try one goes through. ln makes the link and its content at once.
cd "$REMOTE_INSTALL_JOB_DIR" || exit 1
ln -s "$_ri_id" job.start 2>/dev/null || [ "$(readlink job.start)" = "$_ri_id" ] || exit 0

# A job that its batch system starts again has no end yet. (Most have none to remove: a program costs a millisecond.)
for _ri_file in job.end job.gone job.reason; do
    { [ ! -e $_ri_file ] && [ ! -L $_ri_file ]; } || rm -f $_ri_file
done

# The exit record's place is reserved now, so that a disk that is full by then can't lose it.
_ri_now() { date -u +%Y-%m-%dT%H:%M:%SZ; }
printf '%-15s\n%-31s\nSTARTED=%s\n' '' '' "$(_ri_now)" >job.status

_ri_record() {
    _ri_end_watcher
    [ "$1" -le 255 ] || set -- $((128 + $1 % 128)) # for signal 9 it is 137, but 265 in ksh, 393 in yash
    # What the job has put in the record's place may lead elsewhere, or hold us for ever.
    { [ ! -L job.status ] && [ -f job.status ] &&
        printf '%-15s\n%-31s\n' "EXIT=$1" "FINISHED=$(_ri_now)" 1<>job.status; } ||
        ln -s "EXIT=$1" job.end
    exit "$1"
}

# The time limit is kept by a process in a session of its own, so that it is no part of the job. It is ended with the
# sleep that it waits for, unless it has begun to end the job: then it still has to end what the command leaves. KILL,
# because a process that has only just been forked has our traps, and would lose anything else.
_ri_watcher=
if [ -n "$_ri_limit" ]; then
    setsid sh job.limit "$$" "$_ri_start" "$_ri_limit" </dev/null >/dev/null 2>&1 &
    _ri_watcher=$!
fi
_ri_end_watcher() {
    [ -n "$_ri_watcher" ] && [ "$(readlink job.kill)" != 'time limit' ] || return 0
    kill -s KILL "$_ri_watcher" 2>/dev/null # first, lest it makes its group and a sleep between the two
    kill -s KILL -- "-$_ri_watcher" 2>/dev/null
}

# exec: a command named like something of the shell's own (exit, cd) is a program or nothing.
(
    if [ -f job.secrets ]; then
        . ./job.secrets
        rm -f job.secrets
    fi
    cd "$REMOTE_INSTALL_RUN_DIR" || exit 125
    PATH=$PATH:$REMOTE_INSTALL_RUN_DIR/.remote-install/bin
    case $1 in -*) # some shells would take it for an option of exec
        echo "$1: not found" >&2
        exit 127
        ;;
    esac
    case $KSH_VERSION in *MIRBSD*) # exec of mksh takes what is its own all the same; a name with = is not
        case $1 in *[/=]*) ;; *) exec env "$@" ;; esac
        ;;
    esac
    exec "$@"
) >>job.out 2>>job.err
_ri_record $?
}
