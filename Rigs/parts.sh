#!/usr/bin/env bash
# Fetches parts that this Debian release does not have, and keeps them in one folder.
#
#   Rigs/parts.sh docker   a newer Docker with its Compose plug-in, unpacked beside the system; prints its folder
#   Rigs/parts.sh node-trixie | node-bullseye   the disk of a machine with systemd and Podman 5 or 3; prints its folder
#   Rigs/parts.sh folder   prints the folder everything is kept in
#
# The packages come from Debian's own archive through apt, with their signatures checked and nothing of the system's apt
# touched. HECATE_RIG_CACHE names another folder than /var/cache/hecate-rigs.
set -euo pipefail
cache=${HECATE_RIG_CACHE:-/var/cache/hecate-rigs}

# Downloads packages of another release into the current folder.
fetch() { # release, packages...
    local release=$1 state
    shift
    state=$(mktemp -d)
    mkdir -p "$state/lists/partial" "$state/cache/archives/partial"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian $release main" >"$state/sources.list"
    local options=(-qq -o Dir::Etc::sourcelist="$state/sources.list" -o Dir::Etc::sourceparts=/dev/null
        -o Dir::State::lists="$state/lists" -o Dir::Cache="$state/cache" -o APT::Sandbox::User=root
        -o Dir::State::status=/dev/null -o Acquire::Retries=3)
    apt-get "${options[@]}" update && apt-get "${options[@]}" download "$@"
    rm -rf "$state"
}

case ${1:?part} in
folder) echo "$cache" ;;
docker)
    if [ ! -e "$cache/docker-trixie/ready" ]; then
        [ "$(id -u)" = 0 ] || { echo "Rigs/parts.sh: needs root to keep parts in $cache" >&2; exit 1; }
        rm -rf "$cache/docker-trixie"
        mkdir -p "$cache/docker-trixie/packages"
        cd "$cache/docker-trixie/packages"
        fetch trixie docker.io docker-cli docker-compose containerd >&2
        for package in *.deb; do dpkg -x "$package" ..; done
        cd ..
        rm -rf packages
        touch ready
    fi
    echo "$cache/docker-trixie"
    ;;
node-trixie | node-bullseye)
    release=${1#node-} disk=$cache/$1
    if [ ! -e "$disk/.ready-2" ]; then
        [ "$(id -u)" = 0 ] || { echo "Rigs/parts.sh: needs root to make a machine's disk" >&2; exit 1; }
        packages=systemd,systemd-sysv,dbus,dbus-user-session,podman,crun,iproute2,procps,git,busybox-static,uidmap
        packages+=,slirp4netns,fuse-overlayfs
        [ "$release" = bullseye ] || packages+=,netavark,aardvark-dns,nftables,passt,catatonit
        mkdir -p "$cache"
        rm -rf "$disk"
        debootstrap --variant=minbase --include="$packages" "$release" "$disk" >"$cache/$1.log" 2>&1 || {
            tail -n 5 "$cache/$1.log" >&2
            exit 1
        }
        # The pids controller is not to be had in nested machines, and crun refuses every container without it.
        mkdir -p "$disk/etc/containers" "$disk/var/lib/systemd/linger"
        printf '[containers]\npids_limit=0\n' >"$disk/etc/containers/containers.conf"
        chroot "$disk" useradd -m -u 1000 -s /bin/bash hecate
        touch "$disk/var/lib/systemd/linger/hecate"
        # Nothing brings a network up in here, and Podman's units wait for one.
        mkdir -p "$disk/etc/systemd/system/multi-user.target.wants"
        ln -sf /lib/systemd/system/network-online.target "$disk/etc/systemd/system/multi-user.target.wants/"
        rm -f "$disk/var/cache/apt/archives"/*.deb "$disk/etc/systemd/system/multi-user.target.wants"/*.timer
        touch "$disk/.ready-2"
    fi
    echo "$disk"
    ;;
*) echo "Rigs/parts.sh: unknown part '$1'" >&2; exit 64 ;;
esac
