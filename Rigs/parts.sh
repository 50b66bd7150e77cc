#!/usr/bin/env bash
# Fetches parts that this Debian release does not have, and keeps them in one folder.
#
#   Rigs/parts.sh docker   a newer Docker with its Compose plug-in, unpacked beside the system; prints its folder
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
*) echo "Rigs/parts.sh: unknown part '$1'" >&2; exit 64 ;;
esac
