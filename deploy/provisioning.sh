#!/bin/sh
# /usr/local/bin/provisioning: every command with the settings of the server and as its user, so
# that none works on another store, or leaves files that the server can't read.
set -a
. /etc/provisioning.env
set +a
if [ "$(id -un)" = provisioning ]; then
    exec /opt/provisioning/bin/provisioning "$@"
fi
exec runuser -u provisioning -- /opt/provisioning/bin/provisioning "$@"
