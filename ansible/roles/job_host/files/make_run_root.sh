# Sees to it that the user $1 has the run root $2. Says "made" if it was missing; with $3 = True it makes nothing.
# He makes it himself: where a job of his has put a link in its place, to /etc for instance, root would follow it.
set -eu
user=$1 run_root=$2 foretell=$3
PATH=$PATH:/usr/sbin:/sbin
umask 022
cd /

fail() { printf '%s\n' "$*" >&2; exit 1; }
as_user() { runuser -u "$user" -- "$@"; }

# Where nobody but root can write, nobody else can have put a link.
only_root_writes_above() {
    folder=$1
    while [ "$folder" != / ]; do
        folder=$(dirname -- "$folder")
        [ -e "$folder" ] || [ -L "$folder" ] || continue
        [ -n "$(find "$folder" -maxdepth 0 -type d -user root ! -perm /022)" ] || return 1
    done
}

if ! id "$user" >/dev/null 2>&1; then # only where it is foretold that he would be made
    echo made
    exit
fi
if ! as_user test -d "$run_root"; then
    echo made
    [ "$foretell" = False ] || exit 0
    if ! said=$(as_user mkdir -p -m 0700 -- "$run_root" 2>&1); then
        only_root_writes_above "$run_root" ||
            fail "$user can't make the run root: $said. Others than root can write above it. Make it by hand."
        install -d -o "$user" -g "$(id -g "$user")" -m 0700 -- "$run_root"
    fi
fi
as_user test -w "$run_root" || fail "$user can't write to the run root $run_root. Give it to him, or name another."
