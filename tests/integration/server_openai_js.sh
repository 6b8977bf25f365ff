#!/usr/bin/env bash
# The openai package for Node against our server. A skip (77) where node or npm, or the package, cannot be had.
set -u
root=$(cd "$(dirname "$0")/../.." && pwd)
shoal=${SHOAL:-$root/build/release/shoal}
peer=$root/build/peer
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "skip: node and npm are not installed"
    exit 77
fi
mkdir -p "$peer"
if [ ! -d "$peer/node_modules/openai" ]; then
    (cd "$peer" && { [ -f package.json ] || echo '{"private":true}' >package.json; } && timeout 200 npm install --no-audit --no-fund --silent openai) >/dev/null 2>&1 || {
        echo "skip: npm cannot install openai here"
        exit 77
    }
fi
out=$(mktemp)
"$shoal" serve --port 0 --quiet >"$out" &
pid=$!
trap 'kill $pid 2>/dev/null; wait $pid 2>/dev/null; rm -f "$out"' EXIT
for _ in $(seq 100); do
    url=$(sed -n 's/^listening on \(http[^ ]*\).*/\1/p' "$out")
    [ -n "$url" ] && break
    sleep 0.1
done
cp "$root/tests/integration/_openai.mjs" "$peer/openai_test.mjs"
cd "$peer" && timeout 100 node openai_test.mjs "$url/v1"
