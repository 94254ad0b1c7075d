#!/bin/sh
# Installs this version beside the one that runs, and switches over. Typed as root, in a clone:
#
#     deploy/upgrade.sh           the first installation, or a new version
#     deploy/upgrade.sh --back    the version and the data of before the last upgrade
#
# The optional packages are those that the settings ask for, and in EXTRAS (EXTRAS=sql,scim).
# Each version has a folder of its own, and /opt/provisioning leads to the one that runs. The data is
# backed up while nothing runs, for its owner alone. --back names what was acknowledged since then,
# and would be lost, and asks (--yes: it doesn't).
set -eu
link=/opt/provisioning
backups=/var/backups/provisioning
settings=/etc/provisioning.env
clone=$(cd "$(dirname "$0")/.." && pwd)
stamp=$(date +%Y%m%d-%H%M%S)

fail() {
    echo "$*" >&2
    exit 1
}

# A program of some version with the settings of the server and as its user.
as_server() {
    program=$1
    shift
    PROVISIONING_PROGRAM=$program sh "$clone/deploy/provisioning.sh" "$@"
}

# A program of PostgreSQL, which is told the database without a password among its words.
with_database() {
    version=$1
    shift
    as_server "$version/bin/python" -c '
import os, sys
from psycopg.conninfo import conninfo_to_dict, make_conninfo
os.umask(0o077)
facts = conninfo_to_dict(os.environ["PROVISIONING_DATA"])
os.environ["PGPASSWORD"] = facts.pop("password", None) or os.environ.get("PGPASSWORD", "")
os.execvp(sys.argv[1], [*sys.argv[1:], "--dbname=" + make_conninfo(**facts)])' "$@"
}

back_up() { # VERSION FILE
    case $data in
    postgresql://*)
        schema=$(with_database "$1" psql --no-psqlrc -Atc 'SELECT current_schema()')
        with_database "$1" pg_dump --format=custom --no-owner --schema="$schema" --file="$2"
        ;;
    *) as_server "$1/bin/provisioning" backup "$2" ;;
    esac
}

put_back() { # VERSION FILE, while nothing runs
    case $data in
    postgresql://*)
        schema=$(with_database "$1" psql --no-psqlrc -Atc 'SELECT current_schema()')
        {
            with_database "$1" psql --no-psqlrc -Atc "SELECT format('DROP TABLE %I.%I CASCADE;', schemaname, tablename)
                FROM pg_tables WHERE schemaname = current_schema()
                UNION ALL SELECT format('DROP SEQUENCE IF EXISTS %I.%I;', schemaname, sequencename)
                FROM pg_sequences WHERE schemaname = current_schema()"
            as_server "$(command -v pg_restore)" --no-owner --schema="$schema" --file=- "$2"
        } | with_database "$1" psql --no-psqlrc --quiet --single-transaction -v ON_ERROR_STOP=1 >/dev/null
        ;;
    *)
        file=${data#sqlite:///}
        as_server /bin/sh -euc 'cd "$3"; rm -f "$2-wal" "$2-shm"; cp "$1" "$2.new"; mv "$2.new" "$2"' \
            - "$2" "$file" /var/lib/provisioning
        ;;
    esac
}

start() {
    systemctl start provisioning || return 1
    curl --silent --fail --retry 120 --retry-delay 1 --retry-all-errors --output /dev/null \
        "http://127.0.0.1:${port:-8000}/health/ready"
}

read_settings() {
    data=$(as_server /usr/bin/printenv PROVISIONING_DATA)
    port=$(as_server /usr/bin/printenv PORT || true)
}

install_version() { # FOLDER WORDS-OF-EXTRAS
    # From a copy without build/, in which modules that there are no longer may lie.
    source=$(mktemp -d)
    mkdir "$source/data"
    cp -R "$clone/provisioning" "$clone/pyproject.toml" "$clone/README.md" "$clone/LICENSE" "$source"
    cp "$clone/data/demo.json" "$clone/data/catalogue.json" "$source/data"
    python3 -m venv "$1"
    python3 -m pip wheel --quiet --no-deps --wheel-dir "$1/wheel" "$source"
    rm -r "$source"
    "$1/bin/pip" install --quiet --requirement "$clone/requirements.txt" \
        --constraint "$clone/requirements-extras.txt" "$(echo "$1"/wheel/*.whl)$2"
}

# The optional packages that the settings ask for, or that the version before has.
extras_of() { # OLD-VERSION
    found=${EXTRAS:+,$EXTRAS}
    if [ -f $settings ]; then
        case $(as_server /usr/bin/env) in *PROVISIONING_DATA=*://*) found=$found,sql ;; esac
        case $(as_server /usr/bin/env) in *PROVISIONING_SCIM=on*) found=$found,scim ;; esac
    fi
    for each in sql:sqlalchemy scim:scim2_models remote:httpx2; do
        if [ -n "$1" ] && "$1/bin/python" -c "import ${each#*:}" 2>/dev/null; then
            found=$found,${each%:*}
        fi
    done
    [ -z "$found" ] || echo "[${found#,}]"
}

upgrade() {
    old=$(readlink $link || true)
    new=$link-$stamp
    install_version "$new" "$(extras_of "$old")"
    if [ -n "$old" ] && [ -f $settings ]; then
        read_settings
        as_server "$new/bin/python" -c 'import os
from provisioning.settings import Settings
Settings.from_env(os.environ)' || fail "The settings don't fit this version. Nothing was changed."
        kept=$backups/upgrade-$stamp
        install -d -m 0700 -o provisioning -g provisioning "$kept"
        systemctl stop provisioning
        began=$(date +%s)
        if ! back_up "$old" "$kept/backup"; then
            systemctl start provisioning
            rmdir "$kept" || true
            fail "The data can't be backed up. The old version runs on."
        fi
        echo "$old" >"$kept/version"
        date -u +%Y-%m-%dT%H:%M:%SZ >"$kept/since"
        ln -sfn "$new" $link
        start || fail "It isn't ready: journalctl -u provisioning says why, $0 --back leads back."
        echo "The new version answers. It was away for $(($(date +%s) - began)) s. Backup: $kept/backup"
    else
        ln -sfn "$new" $link
        echo "Installed in $new."
    fi
}

go_back() { # --yes, or nothing
    kept=$(find $backups -maxdepth 1 -name 'upgrade-*' ! -name '*.undone' | sort | tail -n 1)
    [ -n "$kept" ] || fail "There is no upgrade in $backups to go back from."
    new=$(readlink $link)
    old=$(cat "$kept/version")
    since=$(cat "$kept/since")
    read_settings
    echo "Back to $old. What was acknowledged since $since, and would be lost:"
    as_server "$new/bin/provisioning" audit --since "$since" || echo "(The audit can't be read.)"
    if [ "${1-}" != --yes ]; then
        printf 'Go back, and lose it? [y/N] '
        read -r answer || answer=
        [ "$answer" = y ] || fail "Nothing was changed."
    fi
    systemctl stop provisioning
    if ! back_up "$new" "$kept/undone"; then
        systemctl start provisioning
        fail "What is there now can't be kept. The new version runs on."
    fi
    put_back "$old" "$kept/backup"
    ln -sfn "$old" $link
    mv "$kept" "$kept.undone"
    start || fail "It isn't ready: journalctl -u provisioning says why."
    echo "The old version answers. What was undone is in $kept.undone/undone"
}

case ${1-} in
"") upgrade ;;
--back) go_back "${2-}" ;;
*) fail "usage: deploy/upgrade.sh [--back [--yes]]" ;;
esac
