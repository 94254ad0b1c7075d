#!/bin/sh
# Asks a server of its own with curl. Needs the server (`pip install ../..`), and no jq.
set -eu

folder=$(mktemp -d)
provisioning serve --port 0 --memory --ready-file "$folder/ready" --exit-with-parent >"$folder/log" &
server=$!
trap 'kill "$server" 2>/dev/null || true; rm -r "$folder"' EXIT

until [ -s "$folder/ready" ]; do
  kill -0 "$server" # ends the script if the server has ended
  sleep 0.05
done
member() { sed -n "s/.*\"$1\": *\"\([^\"]*\)\".*/\1/p" "$folder/ready"; }
url=$(member url)
key=$(member apiToken)

api() { curl --silent --show-error --fail -H "Authorization: Bearer $key" "$@"; }
json="Content-Type: application/json"

echo "who asks:"
api "$url/api/v1/provisioning/whoami"
echo

echo "a user is made:"
api -H "$json" "$url/api/v1/provisioning/users" \
  --data '{"username": "bob@acme.test", "email": "bob@acme.test", "password": "a long password"}'
echo

echo "all is as it was:"
curl --silent --show-error --fail -X POST "$url/_control/reset"
status=$(curl --silent --output /dev/null --write-out '%{http_code}' \
  -H "Authorization: Bearer $key" "$url/api/v1/provisioning/users/bob@acme.test")
echo "GET /users/bob@acme.test: $status"
test "$status" = 404
