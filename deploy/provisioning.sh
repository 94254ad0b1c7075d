#!/bin/sh
# /usr/local/bin/provisioning: every command with the settings of the server and as its user, so
# that none works on another store, or leaves files that the server can't read. PROVISIONING_PROGRAM
# is a program to run instead of the command, such as that of another version.
set -eu
file=/etc/provisioning.env
program=${PROVISIONING_PROGRAM:-/opt/provisioning/bin/provisioning}

# As systemd reads it: a line is NAME=VALUE, quotes and backslashes keep what is in or behind them,
# # and ; begin a line that is none, and nothing is expanded or run. What comes out are assignments
# in single quotes.
settings=$(LC_ALL=C awk -v q="'" '
    function put() {
        if (state == "plain") value = substr(value, 1, kept)
        sub(/[ \t]+$/, "", name)
        gsub(q, q "\\" q q, value)
        if (name ~ /^[A-Za-z_][A-Za-z0-9_]*$/) printf "export %s=%s%s%s\n", name, q, value, q
        name = value = ""; kept = 0; state = "before"
    }
    function add(c) { value = value c; if (c !~ /[ \t]/ || state != "plain") kept = length(value) }
    { text = text $0 "\n" }
    END {
        state = "before"
        for (i = 1; i <= length(text); i++) {
            c = substr(text, i, 1); ends = c ~ /[\n\r]/; blank = c ~ /[ \t\n\r]/
            if (state == "before") {
                if (c ~ /[#;]/) state = "comment"
                else if (!blank) { state = "name"; name = c }
            } else if (state == "comment") {
                if (ends) state = "before"
            } else if (state == "name") {
                if (ends) { state = "before"; name = "" }
                else if (c == "=") state = "value"
                else name = name c
            } else if (state == "single") {
                if (c == q) state = "value"; else add(c)
            } else if (state == "double") {
                if (c == "\"") state = "value"
                else if (c == "\\") state = "double\\"
                else add(c)
            } else if (state == "double\\") {
                state = "double"
                if (c ~ /["\\`$]/) add(c)
                else if (c != "\n") { add("\\"); add(c) }
            } else if (state == "plain\\") {
                if (!ends) add(c)
                state = "plain"
            } else if (ends) put()
            else if (c == "\\") state = "plain\\"
            else if (state == "value" && c == q) state = "single"
            else if (state == "value" && c == "\"") state = "double"
            else if (state == "plain" || !blank) { state = "plain"; add(c) }
        }
        if (state != "before" && state != "comment" && state != "name") put()
    }
' "$file")
for name in $(env | sed -n 's/^\(PROVISIONING_[A-Za-z0-9_]*\)=.*/\1/p'); do unset "$name"; done
eval "$settings"
if [ -z "${PROVISIONING_DATA-}" ]; then
    echo "$file: PROVISIONING_DATA is not set in it, and without it this would be another store." >&2
    exit 1
fi
if [ "$(id -un)" = provisioning ]; then
    exec "$program" "$@"
fi
exec runuser -u provisioning -- "$program" "$@"
