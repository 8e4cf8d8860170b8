#!/bin/sh
# The bundled PostgreSQL: makes its data directory once, sets the password of the release's Secret
# at every start, and serves.
set -eu
for programs in /usr/lib/postgresql/*/bin /usr/local/pgsql/bin; do
  [ -d "$programs" ] && PATH=$programs:$PATH
done
export PATH

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  rm -rf "$PGDATA.new"
  initdb -D "$PGDATA.new" -U csp --auth-local=trust --auth-host=scram-sha-256 \
    --encoding=UTF8 --locale=C --no-instructions
  # A directory that is half made never counts.
  mv "$PGDATA.new" "$PGDATA"
fi

password=$(printf %s "$CSP_POSTGRESQL_PASSWORD" | sed "s/'/''/g")
unset CSP_POSTGRESQL_PASSWORD
# The server of an earlier container may have left its number behind; no other server has this volume.
rm -f "$PGDATA/postmaster.pid"
postgres --single -D "$PGDATA" postgres > /dev/null <<SQL
alter user csp password '$password'
SQL
if ! echo "select 'found' from pg_database where datname = 'csp'" \
  | postgres --single -D "$PGDATA" postgres | grep -q '"found"'; then
  echo "create database csp" | postgres --single -D "$PGDATA" postgres > /dev/null
fi
unset password

{
  echo "local all all trust"
  echo "host all all all scram-sha-256"
} > "$PGDATA/pg_hba.conf"
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/tmp \
  -c max_connections=200 -c jit=off
