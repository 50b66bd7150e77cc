#!/usr/bin/env bash
# A private Docker Swarm of one manager: its own daemon in its own network namespace, everything in one folder.
#
#   Rigs/swarm.sh start FOLDER   starts the Engine, makes a Swarm, imports the test images; prints the DOCKER_HOST
#   Rigs/swarm.sh restart FOLDER starts a stopped Engine again on the same data
#   Rigs/swarm.sh halt FOLDER    stops the Engine and keeps its data; kill FOLDER does it with SIGKILL
#   Rigs/swarm.sh engine FOLDER  starts an Engine that is in no Swarm
#   Rigs/swarm.sh images FOLDER  imports the test images there
#   Rigs/swarm.sh worker FOLDER MANAGER  starts a second Engine that joins the first as a worker, drained unless
#                                RIG_AVAILABILITY says 'active'
#   Rigs/swarm.sh registry FOLDER  starts a registry on localhost:5000 of the namespace and pushes the images there; the
#                                same images are on localhost:5001 for who knows the password
#   Rigs/swarm.sh stop FOLDER    stops everything and removes the folder
#
#   Rigs/swarm.sh pid FOLDER     prints the first process of the rig, whose network namespace nsenter can join
#
# RIG_OPTIONS holds more options for the daemon; RIG_DOCKER names a folder with another Docker than the system's, as
# Rigs/parts.sh fetches it. The daemon ends by itself after RIG_LIFETIME seconds (an hour when not set).
set -euo pipefail
command=${1:?command} folder=${2:?folder}
lifetime=${RIG_LIFETIME:-3600}
[ -z "${RIG_DOCKER:-}" ] || PATH=$RIG_DOCKER/usr/sbin:$RIG_DOCKER/usr/bin:$PATH
[ "$(id -u)" = 0 ] || { echo "Rigs/swarm.sh: needs root to run a Docker Engine" >&2; exit 1; }
for part in dockerd ip busybox; do
    command -v "$part" >/dev/null || { echo "Rigs/swarm.sh: '$part' is missing; run script/bootstrap" >&2; exit 1; }
done
docker=$(PATH=${RIG_DOCKER:+$RIG_DOCKER/usr/bin:}/usr/bin:/bin:/usr/local/bin command -v docker)
client() { "$docker" -H "unix://$folder/docker.sock" "$@"; }

launch() {
    # Namespaces of its own: ports of several rigs never meet, sockets in /run do not either, and when the first process
    # of the process namespace dies, everything in it does.
    RIG_FOLDER=$folder setsid timeout --kill-after=15 "$lifetime" \
        ${RIG_NETWORK:+nsenter --net="$RIG_NETWORK"} \
        unshare $([ -n "${RIG_NETWORK:-}" ] || echo --net) --mount --pid --fork --kill-child --mount-proc bash -c '
        ip link set lo up
        mkdir -p "$RIG_FOLDER/run"
        mount --bind "$RIG_FOLDER/run" /run
        dockerd --data-root "$RIG_FOLDER/data" --exec-root "$RIG_FOLDER/exec" -H "unix://$RIG_FOLDER/docker.sock" \
            --pidfile "$RIG_FOLDER/engine.pid" --shutdown-timeout 2 ${RIG_OPTIONS:-} &
        trap "kill $!" TERM
        while kill -0 $! 2>/dev/null; do wait $!; done
    ' >>"$folder/log" 2>&1 </dev/null &
    echo $! >"$folder/pid"
    for _ in $(seq 300); do
        client version >/dev/null 2>&1 && return 0
        sleep 0.1
    done
    echo "Rigs/swarm.sh: the Engine did not start; the end of $folder/log:" >&2
    tail -n 5 "$folder/log" >&2
    return 1
}

# The first process of the rig's process namespace.
first() {
    local outer
    outer=$(pgrep -P "$(cat "$folder/pid")" || true)
    [ -z "$outer" ] || pgrep -P "$outer" || true
}

# Ends the Engine: gracefully with TERM, at once with KILL.
halt() { # signal
    [ -s "$folder/pid" ] || return 0
    local pid
    pid=$(first)
    [ -n "$pid" ] || return 0
    kill "-$1" "$pid" 2>/dev/null || return 0
    for _ in $(seq 200); do
        kill -0 "$pid" 2>/dev/null || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
}

image() { # tag, what its page says
    echo "$2" >"$folder/image/www/index.html"
    tar -C "$folder/image" -c . | client import -c 'CMD ["/bin/httpd","-f","-p","8080","-h","/www"]' - "$1" >/dev/null
}

images() {
    mkdir -p "$folder/image/bin" "$folder/image/www" "$folder/image/tmp"
    cp "$(command -v busybox)" "$folder/image/bin/busybox"
    for name in sh httpd sleep cat wget top echo ls true false env date; do ln -sf busybox "$folder/image/bin/$name"; done
    for version in 1.0.0 1.1.0 2.0.0; do image "web:$version" "$version"; done
}

case $command in
start)
    mkdir -p "$folder"
    launch
    client swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 >/dev/null
    images
    echo "unix://$folder/docker.sock"
    ;;
engine)
    mkdir -p "$folder"
    launch
    echo "unix://$folder/docker.sock"
    ;;
images) images ;;
restart)
    rm -rf "$folder/engine.pid" "$folder/exec" "$folder/run"
    launch
    ;;
pid) first ;;
halt) halt TERM ;;
kill) halt KILL ;;
worker)
    # A second Engine in the manager's network namespace, on another loopback address: a real worker node.
    manager=${3:?folder of the manager}
    mkdir -p "$folder"
    RIG_NETWORK="/proc/$(folder=$manager first)/ns/net" launch
    token=$("$docker" -H "unix://$manager/docker.sock" swarm join-token -q worker)
    client swarm join --token "$token" --advertise-addr 127.0.0.2 --listen-addr 127.0.0.2:2377 \
        --availability "${RIG_AVAILABILITY:-drain}" 127.0.0.1:2377 >/dev/null
    [ "${RIG_AVAILABILITY:-drain}" = drain ] || images
    echo "unix://$folder/docker.sock"
    ;;
registry)
    mkdir -p "$folder/registry"
    cat >"$folder/registry.yml" <<EOF
version: 0.1
storage: {filesystem: {rootdirectory: $folder/registry}}
http: {addr: 127.0.0.1:5000}
EOF
    # A second one beside it asks for a name and a password: bot, hush.
    htpasswd -Bbn bot hush >"$folder/htpasswd"
    sed -e 's/5000/5001/' "$folder/registry.yml" >"$folder/private.yml"
    echo "auth: {htpasswd: {realm: rig, path: $folder/htpasswd}}" >>"$folder/private.yml"
    setsid timeout "$lifetime" nsenter --net="/proc/$(first)/ns/net" \
        docker-registry serve "$folder/private.yml" >>"$folder/private.log" 2>&1 </dev/null &
    echo $! >"$folder/private.pid"
    setsid timeout "$lifetime" nsenter --net="/proc/$(first)/ns/net" \
        docker-registry serve "$folder/registry.yml" >>"$folder/registry.log" 2>&1 </dev/null &
    echo $! >"$folder/registry.pid"
    for _ in $(seq 100); do
        if client tag web:1.0.0 localhost:5000/web:1.0.0 && client push -q localhost:5000/web:1.0.0 >/dev/null 2>&1; then break; fi
        sleep 0.1
    done
    for version in 1.1.0 2.0.0; do
        client tag "web:$version" "localhost:5000/web:$version"
        client push -q "localhost:5000/web:$version" >/dev/null
    done
    ;;
stop)
    [ ! -s "$folder/private.pid" ] || kill -- "-$(cat "$folder/private.pid")" 2>/dev/null || true
    [ ! -s "$folder/registry.pid" ] || kill -- "-$(cat "$folder/registry.pid")" 2>/dev/null || true
    halt KILL
    for _ in $(seq 50); do
        rm -rf --one-file-system "$folder" 2>/dev/null && break
        sleep 0.1
    done
    ;;
*) echo "Rigs/swarm.sh: unknown command '$command'" >&2; exit 64 ;;
esac
