#!/bin/sh
# nprocreg why: the owner is the one that starts the key, with any placement and while nodes are
# drained; and it says whether it is settled, and whom it waits for if not.
. "$(dirname "$0")/lib.sh"

start_node a --placement rendezvous --node-timeout 60s
start_node b --placement rendezvous --node-timeout 60s --join a@127.0.0.1
b_pid=$node_pid
start_node c --placement rendezvous --node-timeout 60s --join a@127.0.0.1
wait_for_view 3 a b c

owner() { # owner KEY: one letter, as a says
    ask a@127.0.0.1 why "$1" --json | sed 's/.*"owner":"\(.\)@.*/\1/'
}
starts_where_why_says() { # starts_where_why_says FIRST LAST: prints the owners, a letter each
    for i in $(seq "$1" "$2"); do
        says=$(owner "{room,$i}")
        expect_exit 0 ask a@127.0.0.1 get "{room,$i}" --start counter:start
        expect_out "^<$says@127.0.0.1"
        owners="$owners$says"
    done
}

expect_exit 0 ask a@127.0.0.1 why foo
expect_out '^placement rendezvous$'
expect_out '^nodes     a@127.0.0.1 b@127.0.0.1 c@127.0.0.1$'
expect_out '^settled   yes$'
expect_out '^asked     c@127.0.0.1: not here'
expect_exit 0 ask b@127.0.0.1 why foo --json
expect_out '"settled":true,"asked"'
owners=""
starts_where_why_says 1 20
for node_name in a b c; do
    case $owners in *$node_name*) ;; *) fail "no key of 20 is $node_name's: $owners" ;; esac
done

# A node that is drained owns nothing; it is asked nevertheless.
expect_exit 0 ask c@127.0.0.1 drain
expect_exit 0 ask a@127.0.0.1 why foo
expect_out '^nodes     a@127.0.0.1 b@127.0.0.1$'
expect_out '^asked     c@127.0.0.1: not here'
owners=""
starts_where_why_says 21 30
case $owners in *c*) fail "c is drained and owns a key: $owners" ;; esac

# b is stopped, and then c dies: a waits for b to agree, for as long as b may come back.
i=1
while [ "$(owner "{room,$i}")" != b ]; do i=$((i + 1)); done
of_b="{room,$i}"
while [ "$(owner "{room,$i}")" != a ]; do i=$((i + 1)); done
of_a="{room,$i}"
kill -STOP "$b_pid"
kill -KILL "$(cat "$dir/c.pid")"
waits() { ask a@127.0.0.1 why "$of_a" --timeout 1s >"$dir/out" && grep -q '^settled   no: b@127.0.0.1 has' "$dir/out"; }
wait_until "a waits for b" waits
expect_exit 0 ask a@127.0.0.1 why "$of_a" --timeout 1s --json
expect_out '"settled":false,"waits":"b@127.0.0.1 has'
expect_exit 0 ask a@127.0.0.1 status
expect_out '^waits .*b@127.0.0.1 has'
# b itself says nothing.
expect_exit 0 ask a@127.0.0.1 why "$of_b" --timeout 1s
expect_out '^settled   unknown: '
expect_exit 0 ask a@127.0.0.1 why "$of_b" --timeout 1s --json
expect_out '"settled":null,"waits":"'

kill -CONT "$b_pid"
settled() { ask a@127.0.0.1 why "$of_a" >"$dir/out" && grep -q '^settled   yes$' "$dir/out"; }
wait_until "a is settled" settled
done_testing
