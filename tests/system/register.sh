#!/bin/sh
# register and unregister: what is answered is what was done, with the consent of the key's owner.
. "$(dirname "$0")/lib.sh"
nodes=a@127.0.0.1,b@127.0.0.1

owner() {
    "$nprocreg" why "$1" --nodes $nodes --json | sed 's/.*"owner":"\(.\)@.*/\1/'
}
key_of() { # key_of NODE PREFIX: one that it owns
    i=1
    while [ "$(owner "{$2,$i}")" != "$1" ]; do i=$((i + 1)); done
    echo "{$2,$i}"
}
lives_as() { # lives_as KEY PID, seen from both nodes
    for seen_from in a b; do
        expect_exit 0 ask "$seen_from@127.0.0.1" get "$1"
        [ "$(cat "$dir/out")" = "$2" ] || fail "$1 is $(cat "$dir/out") at $seen_from, not $2"
    done
}
lives_not() {
    for seen_from in a b; do
        expect_exit 1 ask "$seen_from@127.0.0.1" get "$1"
    done
}

# ---- No quorum: refused, and says what is missing.  Would catch: an answer before the node has decided.

start_node a
expect_exit 0 ask a@127.0.0.1 get lives --start counter:start
start_node q --quorum 2
expect_exit 5 ask q@127.0.0.1 register '{zz,1}' "$(cat "$dir/out")" --json
expect_out '"error":"erefused"'
expect_err 'quorum'
expect_exit 1 ask q@127.0.0.1 get '{zz,1}'
kill "$node_pid"
wait "$node_pid"

# ---- Two nodes; the keys' owner is now the one that is asked, now the other.

start_node b --join a@127.0.0.1
wait_for_view 2 a b
expect_exit 0 ask a@127.0.0.1 get "$(key_of a home)" --start counter:start
first=$(cat "$dir/out")
expect_exit 0 ask a@127.0.0.1 get "$(key_of b home)" --start counter:start
second=$(cat "$dir/out")

for of in a b; do
    key=$(key_of $of registered)
    for asked in a b; do
        # Put there, and once more; taken from it by nobody else, unless by --replace.
        expect_exit 0 ask $asked@127.0.0.1 register "$key" "$first" --json
        expect_out '^{"registered":true,"native":true}$'
        expect_exit 0 ask $asked@127.0.0.1 register "$key" "$first"
        lives_as "$key" "$first"
        for other in a b; do
            expect_exit 5 ask $other@127.0.0.1 register "$key" "$second" --json
            expect_out '"error":"eexist"'
            expect_err "already registered: $first has the key"
        done
        lives_as "$key" "$first"
        expect_exit 0 ask $asked@127.0.0.1 register "$key" "$second" --replace
        lives_as "$key" "$second"
        # Found by another key of it.
        expect_exit 5 ask $asked@127.0.0.1 register "$key" "$(key_of a home)"
        # Let go by way of whichever node, and once more.
        expect_exit 0 ask a@127.0.0.1 unregister "$key" --json
        expect_out '^{"unregistered":true,"native":true}$'
        lives_not "$key"
        expect_exit 0 ask b@127.0.0.1 unregister "$key"
        lives_not "$key"
    done
done
lives_as "$(key_of b home)" "$second" # no process has come to harm

# ---- Processes that are none.

key=$(key_of b dead)
expect_exit 1 ask a@127.0.0.1 register "$key" '<a@127.0.0.1.999999.7>' --json
expect_out '"error":"enoproc"'
expect_err 'no such process: <a@127.0.0.1.999999.7> is dead'
expect_exit 1 ask a@127.0.0.1 register "$key" '<b@127.0.0.1.999999.7>' --replace
expect_exit 1 ask a@127.0.0.1 register "$key" '{no,such,key}'
expect_exit 3 ask a@127.0.0.1 register "$key" '<nobody@127.0.0.1.85.0>'
lives_not "$key"
expect_exit 2 ask a@127.0.0.1 unregister "$key" --replace

# ---- The owner does not answer: an end in time, which says for whom was waited.

kill -STOP "$(cat "$dir/b.pid")"
all_stopped() { ! grep -hvE '^[0-9]+ [(].*[)] T ' "/proc/$(cat "$dir/b.pid")"/task/*/stat >"$dir/running"; }
wait_until "b has stopped" all_stopped
key=$(key_of b silent)
expect_exit 4 ask a@127.0.0.1 register "$key" "$first" --timeout 500ms --json
expect_out '"error":"etimedout"'
expect_err 'waited for the consent of b@127.0.0.1'
expect_exit 4 ask a@127.0.0.1 unregister "$key" --timeout 500ms
expect_err 'waited for the consent of b@127.0.0.1'
expect_exit 0 ask a@127.0.0.1 register "$(key_of a silent)" "$first" --timeout 500ms
kill -CONT "$(cat "$dir/b.pid")"
later() { ask a@127.0.0.1 register "$key" "$first" --replace; }
wait_until "b consents again" later
done_testing
