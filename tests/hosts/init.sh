#!/bin/bash
# Process 1 of a job host: builds the host's own file system, then lives until its standard input ends.
#
# Only the test process holds the other end of that pipe. So the host dies with the test process, also when that
# is killed with -9, and the kernel ends all other processes of the host with process 1.
#
# Reads from the environment: NAME ADDRESS PREFIX STATE SYSTEM LOGIN LOGIN_ID LOGIN_SHELL LOGIN_HOME HOME_SIZE
# SYSTEM_SIZE UMASK SHARED
# Says on standard output: the pid by which this machine knows it, then "ready".
set -eu
shopt -s nullglob

# /proc is still the one of this machine here, so this is our pid out there.
read -r pid _ </proc/self/stat
echo "$pid"
hostname "$NAME"

# The root: the system directories of SYSTEM, which is this machine's / or another release of Debian, read-only below,
# our own layer in memory above. What is not part of the system (other people's work, keys in /root …) is whited out
# in the upper layer, so the host never had it.
system=${SYSTEM%/}
layers=$STATE/layers
root=$layers/root
mkdir -p "$layers"
mount -t tmpfs -o "size=$SYSTEM_SIZE,mode=755" "$NAME" "$layers"
mkdir -p "$layers/work" "$layers/upper/usr" "$layers/upper/var" "$root"
for path in "$system"/* "$system"/.[!.]* "$system"/usr/local "$system"/var/log "$system"/var/tmp; do
    path=${path#"$system"}
    case $path in
        /bin | /etc | /lib* | /sbin | /usr | /var) ;;
        *) mknod "$layers/upper$path" c 0 0 ;;
    esac
done
mount -t overlay -o "lowerdir=$SYSTEM,upperdir=$layers/upper,workdir=$layers/work" "$NAME" "$root"
cd "$root"
mkdir -p dev proc sys run tmp root home mnt srv opt usr/local/bin var/log var/tmp
chmod 700 root
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t tmpfs -o size=16m,mode=755 run run
mount -t tmpfs -o size=16m,mode=1777 tmp tmp
mount -t tmpfs -o size=16m,mode=1777 tmp var/tmp
mount -t tmpfs -o "size=$HOME_SIZE,mode=755" home home
mkdir -p run/sshd run/lock

mount -t tmpfs -o size=1m,mode=755 dev dev
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty dev/
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts dev/pts
mount -t tmpfs -o size=16m,mode=1777 shm dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
for stream in 0:stdin 1:stdout 2:stderr; do ln -s "/proc/self/fd/${stream%:*}" "dev/${stream#*:}"; done

# Namespaces share the kernel and so its boot id; real hosts do not.
cat /proc/sys/kernel/random/uuid >run/boot_id
mount --bind run/boot_id proc/sys/kernel/random/boot_id

while IFS=$'\t' read -r here there; do
    [ -n "$here" ] || continue
    mkdir -p "./$there"
    mount --bind "$here" "./$there"
done <<<"$SHARED"

# The account. "*" means no password; "!" would mean locked, which sshd refuses without PAM, keys or not.
for file in passwd group shadow; do
    others=$(grep -v "^$LOGIN:" "$system/etc/$file" || true)
    case $file in
        passwd) line="$LOGIN:x:$LOGIN_ID:$LOGIN_ID::$LOGIN_HOME:$LOGIN_SHELL" ;;
        group) line="$LOGIN:x:$LOGIN_ID:" ;;
        shadow) line="$LOGIN:*:19000:0:99999:7:::" ;;
    esac
    printf '%s\n' "$others" "$line" >"etc/$file"
done
home=${LOGIN_HOME#/}
mkdir -p "$home/.ssh"
cp "$STATE/authorized_keys" "$home/.ssh/authorized_keys"
# sshd widens its own umask to at least 022: a looser one can only come from the shell's start-up files.
if [ "$UMASK" != 022 ]; then
    for file in .bashrc .profile .zshenv; do echo "umask $UMASK" >"$home/$file"; done
fi
chmod 755 "$home"
chmod 700 "$home/.ssh"
chmod 600 "$home/.ssh/authorized_keys"
chown -R "$LOGIN_ID:$LOGIN_ID" "$home"

echo "$NAME" >etc/hostname
printf '127.0.0.1 localhost\n%s %s\n' "$ADDRESS" "$NAME" >etc/hosts
tr -d - <run/boot_id >etc/machine-id
mkdir -p etc/ssh
rm -f etc/ssh/ssh_host_*
cp "$STATE/sshd_config" etc/ssh/sshd_config
cp "$STATE/host_key" etc/ssh/ssh_host_ed25519_key
cp "$STATE/host_key.pub" etc/ssh/ssh_host_ed25519_key.pub
chmod 600 etc/ssh/ssh_host_ed25519_key

# The cable is plugged in from outside, which takes our pid; the test process says when.
read -r _
ip link set lo up
ip address add "$ADDRESS/$PREFIX" dev eth0
ip link set eth0 up

mkdir .machine
pivot_root . .machine
umount -l /.machine
rmdir /.machine
cd /
echo ready

# A fresh bash, because this one keeps its script open, which lies on the machine. It reaps what its host orphans.
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin bash -c 'while read -r _; do :; done' >/dev/null 2>&1
