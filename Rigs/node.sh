#!/usr/bin/env bash
# A machine of its own: a real systemd with Podman, booted in namespaces from a Debian in one folder.
#
#   Rigs/node.sh start FOLDER RELEASE  boots Debian 'trixie' (Podman 5, Quadlet) or 'bullseye' (Podman 3, none) with the
#                                      images web:1.0.0, web:1.1.0 and web:2.0.0 for the user 'hecate'
#   Rigs/node.sh off FOLDER            cuts the power: everything in it dies at once
#   Rigs/node.sh boot FOLDER           boots it again from the same disk
#   Rigs/node.sh user FOLDER WORD...   runs a program in it as the user 'hecate', with its systemd and its bus
#   Rigs/node.sh root FOLDER WORD...   runs a program in it as root
#   Rigs/node.sh bus FOLDER            joins standard input and output with the user's bus
#   Rigs/node.sh stop FOLDER           stops it and removes the folder
#
# RIG_BUNDLE names a folder made by script/package; it is /opt/hecate in the machine. RIG_ROOTFUL=1 gives root the images
# as well. The machine ends by itself after RIG_LIFETIME seconds (an hour when not set).
set -euo pipefail
command=${1:?command} folder=${2:?folder}
shift 2
[ "$(id -u)" = 0 ] || { echo "Rigs/node.sh: needs root to boot a machine" >&2; exit 1; }
root=$folder/root
here=$(dirname "$0")

# The machine's PID 1, as seen from here.
first() {
    local outer
    outer=$(pgrep -P "$(cat "$folder/pid" 2>/dev/null || echo 0)" 2>/dev/null || true)
    [ -z "$outer" ] || pgrep -P "$outer" 2>/dev/null || true
}

enter() { nsenter -t "$(first)" -p -m -u -i -C -n "$@"; }

as_user() {
    enter env -i HOME=/home/hecate USER=hecate LOGNAME=hecate PATH=/opt/hecate/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C \
        XDG_RUNTIME_DIR=/run/user/1000 DBUS_SESSION_BUS_ADDRESS=unix:path=/run/user/1000/bus \
        setpriv --reuid=1000 --regid=1000 --init-groups env -C /home/hecate "$@"
}

# Byte for byte: what speaks through it counts as the user, which systemd asks for.
as_bus() {
    as_user perl -e 'use IO::Socket::UNIX;
        my $bus = IO::Socket::UNIX->new(Peer => "/run/user/1000/bus") or die "no bus: $!\n";
        STDIN->blocking(1);
        STDOUT->blocking(1);
        sub copy { my ($from, $to) = @_; while (sysread($from, my $bytes, 65536)) { syswrite($to, $bytes) or last } }
        my $child = fork;
        if ($child) { copy(\*STDIN, $bus); kill "TERM", $child } else { copy($bus, \*STDOUT) }'
}

as_root() {
    enter env -i HOME=/root USER=root PATH=/opt/hecate/bin:/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C "$@"
}

# The machine's own place among the control groups: two machines in one would share the groups of services of one name, and
# what ends a service in one of them would end it in the other as well.
group() {
    local top
    top=$(findmnt -n -t cgroup2 -o TARGET | head -n 1)
    [ -z "$top" ] || echo "$top/hecate-rig$(realpath -m "$folder" | tr / -)"
}

boot() {
    local group state=
    group=$(group)
    # Where none can be made, the machines share one.
    [ -z "$group" ] || mkdir -p "$group" 2>/dev/null || group=
    (
        [ -z "$group" ] || echo "$BASHPID" >"$group/cgroup.procs"
        RIG_ROOT=$root exec setsid timeout --kill-after=10 "${RIG_LIFETIME:-3600}" \
            unshare --fork --pid --mount --uts --ipc --cgroup --net --kill-child bash -c '
        mount --make-rprivate /
        # With what is mounted below it: such disks outlive the machine.
        mount --rbind "$RIG_ROOT" "$RIG_ROOT"
        ip link set lo up
        echo node >"$RIG_ROOT/etc/hostname"
        hostname node
        mount -t proc proc "$RIG_ROOT/proc"
        mount -t tmpfs tmpfs "$RIG_ROOT/run"
        mount -t tmpfs tmpfs "$RIG_ROOT/tmp"
        mount -t sysfs sysfs "$RIG_ROOT/sys"
        mount -t cgroup2 cgroup2 "$RIG_ROOT/sys/fs/cgroup"
        # Devices of its own: those of the outer machine are not for every user.
        mount -t tmpfs -o mode=755 tmpfs "$RIG_ROOT/dev"
        cd "$RIG_ROOT/dev"
        mkdir pts shm net mqueue
        for node in null:1:3 zero:1:5 full:1:7 random:1:8 urandom:1:9 tty:5:0 fuse:10:229 net/tun:10:200; do
            IFS=: read -r name major minor <<<"$node"
            mknod -m 666 "$name" c "$major" "$minor"
        done
        ln -s pts/ptmx ptmx
        ln -s /proc/self/fd fd
        mount -t devpts -o newinstance,ptmxmode=0666,mode=620,gid=5 devpts pts
        mount -t tmpfs -o mode=1777 tmpfs shm
        mkdir -p "$RIG_ROOT/.old"
        cd "$RIG_ROOT"
        pivot_root . .old
        umount -l /.old
        mount --make-rshared /
        exec env -i container=hecate-rig PATH=/usr/sbin:/usr/bin:/sbin:/bin \
            /lib/systemd/systemd --system --unit=multi-user.target
    ' ) >>"$folder/log" 2>&1 </dev/null &
    echo $! >"$folder/pid"
    for _ in $(seq 300); do
        # Where a unit failed it ends with 1, and the machine is up all the same.
        [ -z "$(first)" ] || state=$(as_user systemctl --user is-system-running 2>/dev/null || true)
        case $state in running | degraded) return 0 ;; esac
        sleep 0.1
    done
    echo "Rigs/node.sh: the machine did not come up; the end of $folder/log:" >&2
    tail -n 5 "$folder/log" >&2
    return 1
}

off() {
    local pid
    pid=$(first)
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    for _ in $(seq 100); do
        kill -0 "$(cat "$folder/pid" 2>/dev/null || echo 0)" 2>/dev/null || break
        sleep 0.05
    done
    find "$(group)" -depth -type d -exec rmdir {} + 2>/dev/null || true
}

images() {
    local image=$root/home/hecate/image
    mkdir -p "$image/bin" "$image/www" "$image/tmp"
    cp "$(command -v busybox)" "$image/bin/busybox"
    for name in sh httpd sleep cat wget top echo ls true false env date test touch nslookup; do ln -sf busybox "$image/bin/$name"; done
    # Podman 3 asks a registry for the image that holds a pod together; this one goes by its name.
    printf '#!/bin/sh\ntrap exit TERM\nwhile true; do sleep 0.5; done\n' >"$image/pause"
    chmod 755 "$image/pause"
    for version in 1.0.0 1.1.0 2.0.0; do
        echo "$version" >"$image/www/index.html"
        tar -C "$image" -c . >"$root/home/hecate/web-$version.tar"
    done
    rm -rf "$image"
    chown -R 1000:1000 "$root/home/hecate"
    for version in 1.0.0 1.1.0 2.0.0; do
        local words=(podman import -q -c 'CMD ["/bin/httpd","-f","-p","8080","-h","/www"]'
            "/home/hecate/web-$version.tar" "localhost/web:$version")
        as_user "${words[@]}" >/dev/null 2>>"$folder/log"
        [ -z "${RIG_ROOTFUL:-}" ] || as_root "${words[@]}" >/dev/null 2>>"$folder/log"
    done
    as_user podman import -q -c 'ENTRYPOINT ["/pause"]' /home/hecate/web-1.0.0.tar k8s.gcr.io/pause:3.2 >/dev/null 2>>"$folder/log"
}

case $command in
start)
    base=$("$here/parts.sh" "node-${1:?release}")
    mkdir -p "$folder"
    cp -a "$base" "$root"
    if [ -n "${RIG_BUNDLE:-}" ]; then
        mkdir -p "$root/opt"
        cp -a "$RIG_BUNDLE" "$root/opt/hecate"
    fi
    boot
    images
    ;;
boot) boot ;;
off) off ;;
user) as_user "$@" ;;
bus) as_bus ;;
root) as_root "$@" ;;
stop)
    off
    for _ in $(seq 50); do
        rm -rf --one-file-system "$folder" 2>/dev/null && break
        sleep 0.1
    done
    ;;
*) echo "Rigs/node.sh: unknown command '$command'" >&2; exit 64 ;;
esac
