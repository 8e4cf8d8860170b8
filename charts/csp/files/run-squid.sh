#!/bin/sh
# The egress proxy: Squid with its own error pages and one of csp's.
set -eu
mkdir -p /run/squid/errors
for pages in /usr/share/squid/errors/templates /usr/share/squid/errors/en; do
  [ -d "$pages" ] && cp "$pages"/* /run/squid/errors/
done
cp /etc/csp/ERR_CSP_NOT_ALLOWED /run/squid/errors/
PATH=$PATH:/usr/sbin
exec squid -N -f /etc/csp/squid.conf
