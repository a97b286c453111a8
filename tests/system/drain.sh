#!/bin/sh
# nprocreg drain, and SIGTERM: the keys of a node go to the others with what their processes know, while
# clients ask and call without pause; the last node, a deadline that is too short, a second SIGTERM.
. "$(dirname "$0")/lib.sh"

on_node() { # on_node NAME KEY: its process is on that node
    ask b@127.0.0.1 get "$2" 2>/dev/null | grep -q "^<$1@127.0.0.1\."
}

keys_of() { # keys_of NAME COUNT: that many keys are at that node
    [ "$(ask "$1@127.0.0.1" keys --count)" -eq "$2" ]
}

has_ended() { # has_ended NAME: its program
    ! kill -0 "$(cat "$dir/$1.pid")" 2>/dev/null
}

start_node a
start_node b --join a@127.0.0.1
start_node c --join a@127.0.0.1 --join b@127.0.0.1
wait_for_view 3 a b c

i=1
while [ $i -le 30 ]; do
    expect_exit 0 ask b@127.0.0.1 get "{k,$i}" --start counter:start
    expect_exit 0 ask c@127.0.0.1 call "{k,$i}" "{add,$i}"
    i=$((i + 1))
done
held=$(ask a@127.0.0.1 keys --count)
[ "$held" -gt 0 ] || fail "none of 30 keys is at a"
key=$(ask a@127.0.0.1 keys | head -n 1 | cut -f 1)
number=$(echo "$key" | sed 's/.*,\([0-9]*\)}/\1/')
old=$(ask b@127.0.0.1 get "$key")

# A client that calls all the while: each of its calls must be answered.
(
    while [ ! -e "$dir/enough" ]; do
        "$nprocreg" call "$key" '{add,1}' --node b@127.0.0.1 --cookie-file "$dir/cookie" \
            >>"$dir/answers" 2>>"$dir/complaints" || echo failed >>"$dir/complaints"
    done
) &
started_pids="$started_pids $!"
wait_until "the client calls" test -s "$dir/answers"

expect_exit 0 "$nprocreg" drain a@127.0.0.1 --deadline 20s --cookie-file "$dir/cookie"
expect_out "^done left=0 moved=$held ended=0 failed=0$"
keys_of a 0 || fail "a has keys still"
! on_node a "$key" || fail "$key is at a still"
calls=$(wc -l <"$dir/answers")
wait_until "the client goes on" sh -c "[ \$(wc -l <$dir/answers) -gt $((calls + 3)) ]"
: >"$dir/enough"
wait_until "the client has ended" sh -c "! kill -0 ${started_pids##* } 2>/dev/null"
[ ! -s "$dir/complaints" ] || fail "calls have failed: $(cat "$dir/complaints")"
calls=$(wc -l <"$dir/answers")
expect_exit 0 ask b@127.0.0.1 call "$key" get
expect_out "^$((number + calls))$"
expect_exit 0 ask b@127.0.0.1 call "$old" get # by the pid of before
expect_out "^$((number + calls))$"
i=1
while [ $i -le 30 ]; do
    [ $i -eq "$number" ] || [ "$(ask c@127.0.0.1 call "{k,$i}" get)" = "$i" ] || fail "{k,$i} has lost its count"
    i=$((i + 1))
done

# It takes no new ones, and is drained once more at once.
expect_exit 0 ask a@127.0.0.1 get '{new,1}' --start counter:start
keys_of a 0 || fail "a drained node has started something"
expect_exit 0 "$nprocreg" drain a@127.0.0.1 --json --cookie-file "$dir/cookie"
expect_out '"state":"done"'
kill -TERM "$(cat "$dir/a.pid")"
wait_until "a has stopped" has_ended a
wait_for_view 2 b c

# SIGTERM: the node hands its keys over, then stops.
count_b=$(ask b@127.0.0.1 keys --count)
count_c=$(ask c@127.0.0.1 keys --count)
kill -TERM "$(cat "$dir/b.pid")"
wait_until "b has stopped" has_ended b
wait_for_view 1 c # which has to serve as epmd first, if b did
grep -q 'draining deadline_ms=5000' "$dir/b.log" || fail "b has not said that it drains"
keys_of c $((count_b + count_c)) || fail "c has not all keys: $(ask c@127.0.0.1 keys --count)"
expect_exit 0 ask c@127.0.0.1 call "$key" get
expect_out "^$((number + calls))$"

# The last one has nobody; it stops at once.
expect_exit 5 ask c@127.0.0.1 drain
expect_err 'no other node'
expect_exit 2 "$nprocreg" drain --deadline never
expect_exit 0 ask c@127.0.0.1 conflicts --json
expect_out '"conflicts":\[\]'
kill -TERM "$(cat "$dir/c.pid")"
wait_until "c has stopped" has_ended c
done_testing
