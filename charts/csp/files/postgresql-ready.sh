#!/bin/sh
# Whether the bundled PostgreSQL takes connections.
for programs in /usr/lib/postgresql/*/bin /usr/local/pgsql/bin; do
  [ -d "$programs" ] && PATH=$programs:$PATH
done
export PATH
exec pg_isready -q -h /tmp -U csp -d csp
