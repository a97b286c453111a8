#!/bin/sh
# What has taken too long says who was waited for, as the node says it: its word comes when the time is
# over, and the command must not have ended by then.
. "$(dirname "$0")/lib.sh"
nodes=a@127.0.0.1,b@127.0.0.1

# Nobody is taken for lost here.
start_node a --node-timeout 60s
start_node b --join a@127.0.0.1 --node-timeout 60s --command 'slow:run=sleep 60'
wait_for_view 2 a b
owner() {
    "$nprocreg" why "$1" --nodes $nodes --json | sed 's/.*"owner":"\(.\)@.*/\1/'
}
i=1
for_b=""
while [ "$(echo "$for_b" | wc -w)" -lt 12 ]; do
    [ "$(owner "{k,$i}")" = b ] && for_b="$for_b {k,$i}"
    i=$((i + 1))
done

# However long a time is given, nobody takes it for a mistake.
key=$(echo "$for_b" | cut -d " " -f 2)
expect_exit 0 ask a@127.0.0.1 get "$key" --start counter:start --timeout 70000m
expect_exit 0 ask a@127.0.0.1 unregister "$key" --timeout 70000m

# Six times: time-outs, which say that b was waited for.  On a machine that is busy enough the node's word
# comes too late even so: two may be the command's own.
all_name_b() { # all_name_b START KEY...
    start=$1
    shift
    named=0
    for key in "$@"; do
        expect_exit 4 ask a@127.0.0.1 get "$key" --start "$start" --timeout 400ms
        if grep -q 'waited for .*b@127.0.0.1' "$dir/err"; then
            named=$((named + 1))
        else
            cat "$dir/err" >>"$dir/others"
        fi
    done
    [ $named -ge 4 ] || fail "b is named $named times only, and: $(sort "$dir/others" | uniq -c)"
}

# b is there, but its start takes longer.  Would catch: b is told to take less time than there is, and a
# takes its word for a view that has changed, which is waited for then.
# shellcheck disable=SC2046
all_name_b slow:run $(echo "$for_b" | cut -d " " -f 2-7)

stop() {
    kill -STOP "$(cat "$dir/$1.pid")"
    # The signal is there; on a busy machine threads run on until one of them has taken it.
    stopped=$1
    wait_until "$1 has stopped" all_stopped
}
all_stopped() { ! grep -hvE '^[0-9]+ [(].*[)] T ' "/proc/$(cat "$dir/$stopped.pid")"/task/*/stat >"$dir/running"; }

# A client of a waits for a, which waits for b until the same time.  Would catch: "no answer in time" of
# the command's own clock, or of a's, which names nobody.
stop b
# shellcheck disable=SC2046
all_name_b counter:start $(echo "$for_b" | cut -d " " -f 8-13)

# The same while the nodes are not agreed: c is lost, and b does not say that it knows.
kill -CONT "$(cat "$dir/b.pid")"
start_node c --join a@127.0.0.1 --node-timeout 60s
wait_for_view 3 a b c
stop b
kill -KILL "$(cat "$dir/c.pid")"
wait_until "a has lost c" sees a 2
all_name_b counter:start '{late,1}' '{late,2}' '{late,3}' '{late,4}' '{late,5}' '{late,6}'

# The node that is asked says nothing: then it is named, at its time and a little more.
stop a
before=$(date +%s%N)
expect_exit 4 ask a@127.0.0.1 get late --timeout 300ms
took_ms=$((($(date +%s%N) - before) / 1000000))
expect_err '\(answer from\|connection to\) a@127.0.0.1 in time'
[ $took_ms -ge 300 ] || fail "ended after $took_ms ms already"
done_testing
