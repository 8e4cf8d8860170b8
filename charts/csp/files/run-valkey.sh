#!/bin/sh
# The bundled Valkey (or Redis, where an image has that): keeps nothing on disk.
set -eu
server=$(command -v valkey-server || command -v redis-server)
password=$CSP_VALKEY_PASSWORD
unset CSP_VALKEY_PASSWORD
# By standard input, because a command line can be read by others.
exec "$server" - <<CONF
bind * -::*
requirepass $password
save ""
appendonly no
dir /data
maxmemory 200mb
maxmemory-policy allkeys-lru
CONF
