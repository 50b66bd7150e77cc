#!/usr/bin/env bash
# A private Docker Swarm of three managers on one machine: three daemons, each in a network namespace of its own on a
# bridge in a fourth. Killing one is a real lost manager.
#
#   Rigs/managers.sh start FOLDER  starts the three; the Engine of manager N is unix://FOLDER/N/docker.sock. The first two
#                                  are drained, so that all tasks run on the third
#   Rigs/managers.sh stop FOLDER   stops everything and removes the folder
#
# A single one is killed, stopped and started again with: Rigs/swarm.sh kill|halt|restart FOLDER/N (restart wants
# RIG_NETWORK=/proc/$(cat FOLDER/network-N)/ns/net). Everything ends by itself after RIG_LIFETIME seconds.
set -euo pipefail
command=${1:?command} folder=${2:?folder}
lifetime=${RIG_LIFETIME:-3600}
swarm="$(dirname "$0")/swarm.sh"
[ "$(id -u)" = 0 ] || { echo "Rigs/managers.sh: needs root to run Docker Engines" >&2; exit 1; }
docker=$(PATH=/usr/bin:/bin:/usr/local/bin command -v docker)
client() { "$docker" -H "unix://$folder/$1/docker.sock" "${@:2}"; }
inside() { nsenter --net="/proc/$(cat "$folder/network-$1")/ns/net" "${@:2}"; }

case $command in
start)
    mkdir -p "$folder"
    # A network namespace lives as long as a process sleeps in it.
    for n in 0 1 2 3; do
        setsid unshare --net sleep "$lifetime" >/dev/null 2>&1 </dev/null &
        echo $! >"$folder/network-$n"
    done
    for n in 0 1 2 3; do
        until [ "$(readlink "/proc/$(cat "$folder/network-$n")/ns/net")" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
    done
    inside 0 ip link add bridge type bridge
    inside 0 ip link set bridge up
    for n in 1 2 3; do
        inside 0 ip link add "port$n" type veth peer name eth0 netns "$(cat "$folder/network-$n")"
        inside 0 ip link set "port$n" master bridge up
        inside "$n" ip addr add "10.77.0.1$n/24" dev eth0
        inside "$n" ip link set eth0 up
    done
    engines=()
    for n in 1 2 3; do
        RIG_NETWORK="/proc/$(cat "$folder/network-$n")/ns/net" "$swarm" engine "$folder/$n" >/dev/null &
        engines+=($!)
    done
    for engine in "${engines[@]}"; do wait "$engine"; done
    client 1 swarm init --advertise-addr 10.77.0.11 >/dev/null
    token=$(client 1 swarm join-token -q manager)
    for n in 2 3; do client "$n" swarm join --token "$token" --advertise-addr "10.77.0.1$n" 10.77.0.11:2377 >/dev/null; done
    # A manager resolves the images of the services it is asked to make.
    for n in 1 2 3; do "$swarm" images "$folder/$n"; done
    for n in 1 2; do client "$n" node update --availability drain "$(client "$n" info -f '{{.Swarm.NodeID}}')" >/dev/null; done
    ;;
stop)
    for n in 1 2 3; do "$swarm" stop "$folder/$n" || true; done
    for n in 0 1 2 3; do
        [ ! -s "$folder/network-$n" ] || kill "$(cat "$folder/network-$n")" 2>/dev/null || true
    done
    rm -rf "$folder"
    ;;
*) echo "Rigs/managers.sh: unknown command '$command'" >&2; exit 64 ;;
esac
