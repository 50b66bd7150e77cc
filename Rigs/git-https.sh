#!/usr/bin/env bash
# A Git server as forges are one: Apache with TLS and a password, git http-backend behind it.
#
#   Rigs/git-https.sh start FOLDER PORT  serves the repositories below FOLDER/repositories at https://localhost:PORT/git/
#                                        to user 'bot' with password 'hush'; FOLDER/ca.pem is what to trust
#   Rigs/git-https.sh stop FOLDER
#
# https://localhost:PORT/elsewhere/ redirects to the same paths below /git/ of 127.0.0.1. The server ends by itself after
# RIG_LIFETIME seconds (ten minutes when not set).
set -euo pipefail
command=${1:?command} folder=${2:?folder}
case $command in
start)
    port=${3:?port}
    modules=/usr/lib/apache2/modules
    [ -e "$modules/mod_cgid.so" ] || { echo "Rigs/git-https.sh: Apache is missing; run script/bootstrap" >&2; exit 1; }
    mkdir -p "$folder/repositories" "$folder/run"
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -addext subjectAltName=DNS:localhost,IP:127.0.0.1 \
        -keyout "$folder/key.pem" -out "$folder/ca.pem" 2>/dev/null
    htpasswd -Bbn bot hush >"$folder/htpasswd"
    cat >"$folder/apache.conf" <<EOF
ServerRoot $folder/run
ServerName localhost
PidFile $folder/run/pid
Listen 127.0.0.1:$port
ErrorLog $folder/run/error.log
LoadModule mpm_event_module $modules/mod_mpm_event.so
LoadModule authn_core_module $modules/mod_authn_core.so
LoadModule authn_file_module $modules/mod_authn_file.so
LoadModule authz_core_module $modules/mod_authz_core.so
LoadModule authz_user_module $modules/mod_authz_user.so
LoadModule auth_basic_module $modules/mod_auth_basic.so
LoadModule alias_module $modules/mod_alias.so
LoadModule env_module $modules/mod_env.so
LoadModule cgid_module $modules/mod_cgid.so
LoadModule ssl_module $modules/mod_ssl.so
User nobody
Group nogroup
ScriptSock $folder/run/cgid.sock
SSLEngine on
SSLCertificateFile $folder/ca.pem
SSLCertificateKeyFile $folder/key.pem
SetEnv GIT_PROJECT_ROOT $folder/repositories
SetEnv GIT_HTTP_EXPORT_ALL 1
SetEnv GIT_CONFIG_COUNT 1
SetEnv GIT_CONFIG_KEY_0 safe.directory
SetEnv GIT_CONFIG_VALUE_0 *
ScriptAlias /git/ $(git --exec-path)/git-http-backend/
Redirect /elsewhere/ https://127.0.0.1:$port/git/
<Location />
    AuthType Basic
    AuthName rig
    AuthUserFile $folder/htpasswd
    Require valid-user
</Location>
<Location /elsewhere/>
    Require all granted
</Location>
EOF
    chmod 755 "$folder" "$folder/repositories"
    setsid timeout "${RIG_LIFETIME:-600}" apache2 -f "$folder/apache.conf" -DFOREGROUND >"$folder/run/out" 2>&1 </dev/null &
    echo $! >"$folder/pid"
    for _ in $(seq 50); do
        curl -s --cacert "$folder/ca.pem" -o /dev/null "https://localhost:$port/" && exit 0
        sleep 0.1
    done
    cat "$folder/run/out" "$folder/run/error.log" >&2
    exit 1
    ;;
stop)
    [ ! -s "$folder/pid" ] || kill -- "-$(cat "$folder/pid")" 2>/dev/null || true
    ;;
*) echo "Rigs/git-https.sh: unknown command '$command'" >&2; exit 64 ;;
esac
