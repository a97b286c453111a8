#!/bin/sh
# Exit codes and help: what a script can rely on when no cluster is there.
. "$(dirname "$0")/lib.sh"

for command in node get why term keys watch await nodes status register unregister send call ps info kill drain conflicts; do
    expect_exit 0 "$nprocreg" $command --help
    expect_out "^usage: nprocreg $command"
    expect_exit 2 "$nprocreg" $command --no-such-option
    expect_err "unknown option --no-such-option"
done
# Letters are told by themselves: getopt may not yet be behind the argument that they are in.
expect_exit 2 "$nprocreg" get -xyz --node a@127.0.0.1
expect_err 'unknown option -x '
expect_exit 2 "$nprocreg" get -55 --node a@127.0.0.1
expect_err 'a negative number goes behind --'
expect_exit 0 "$nprocreg" --version
expect_exit 0 "$nprocreg" --help
expect_exit 2 "$nprocreg"
expect_exit 2 "$nprocreg" fetch
expect_exit 2 "$nprocreg" get --node a@127.0.0.1
expect_exit 2 "$nprocreg" get a b --node a@127.0.0.1
expect_exit 2 "$nprocreg" get a --node a@127.0.0.1 --timeout never
expect_err '^nprocreg get: --timeout takes TIME, and this is none: never '
expect_exit 2 "$nprocreg" ps --limit=many
expect_err '^nprocreg ps: --limit takes N, and this is none: many '
expect_exit 2 "$nprocreg" get a --otp 24
expect_err '^nprocreg get: unknown option --otp '
expect_exit 2 "$nprocreg" term a --otp 24
expect_err '^nprocreg term: --otp takes 25|26, and this is none: 24 '
expect_exit 2 "$nprocreg" get a --cookie-file "$dir/cookie"
expect_err 'NPROCREG_NODE'
expect_exit 2 "$nprocreg" get a --node nonsense --cookie-file "$dir/cookie"
expect_exit 2 "$nprocreg" get '{a' --node a@127.0.0.1 --cookie-file "$dir/cookie"
expect_exit 2 "$nprocreg" get a --node a@127.0.0.1 --cookie-file "$dir/none"
expect_exit 2 "$nprocreg" node --cookie-file "$dir/cookie"
expect_exit 2 "$nprocreg" node --name nonsense --cookie-file "$dir/cookie"
expect_exit 2 "$nprocreg" node --name a@127.0.0.1 --cookie-file "$dir/cookie" --module "$dir/none.so"
expect_exit 2 "$nprocreg" node --name a@127.0.0.1 --cookie-file "$dir/cookie" --module "$dir/cookie"
expect_exit 2 "$nprocreg" node --name a@127.0.0.1 --cookie-file "$dir/cookie" --module none.so
expect_err 'a file in this folder is ./none.so'

# The node to ask stands behind what takes nothing else: for it each command looks for that node, whatever
# the environment says, and takes no second one.
NPROCREG_NODE=b@127.0.0.1
export NPROCREG_NODE
for command in keys nodes status ps drain conflicts; do
    expect_exit 3 "$nprocreg" $command a@127.0.0.1 --cookie-file "$dir/cookie"
    expect_err 'no epmd to ask for a@127.0.0.1'
    expect_exit 3 "$nprocreg" $command a@127.0.0.1 --node a@127.0.0.1 --cookie-file "$dir/cookie"
    expect_exit 3 "$nprocreg" $command --cookie-file "$dir/cookie"
    expect_err 'no epmd to ask for b@127.0.0.1'
    expect_exit 2 "$nprocreg" $command a@127.0.0.1 --node b@127.0.0.1 --cookie-file "$dir/cookie"
    expect_err 'two nodes to ask, with --node and as a@127.0.0.1 '
    expect_exit 2 "$nprocreg" $command a@127.0.0.1 b@127.0.0.1 --cookie-file "$dir/cookie"
    expect_exit 0 "$nprocreg" $command --help
    expect_out "^usage: nprocreg $command \[NODE\] "
done
unset NPROCREG_NODE

# However few descriptors there are: an exit code, and a sentence.  Would catch: an end by abort().
for limit in 5 6 7 8 9 10 11 12; do
    (
        ulimit -n $limit
        exec "$nprocreg" node --name a@127.0.0.1 --listen 127.0.0.1:0 --cookie-file "$dir/cookie"
    ) >"$dir/out" 2>"$dir/err" &
    limited=$!
    tries=0
    while kill -0 $limited 2>/dev/null && [ $tries -lt 200 ] && ! grep -q '^ready' "$dir/out"; do
        tries=$((tries + 1))
        sleep 0.05
    done
    kill $limited 2>/dev/null
    wait $limited
    code=$?
    [ $code -lt 128 ] || fail "exit code $code with $limit descriptors: $(cat "$dir/err")"
done

# Nobody there: unreachable, at once, and said so in JSON too.
expect_exit 3 "$nprocreg" get a --node a@127.0.0.1 --cookie-file "$dir/cookie" --json
expect_out '"error":"eunreachable"'
expect_out 'no epmd to ask for a@127.0.0.1 (does it run?)'
done_testing
