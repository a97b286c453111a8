#!/bin/sh
# A node that hangs (SIGSTOP): a time-out is 4 and not "not found", until the node counts as gone;
# keys that others own are served all the time.
. "$(dirname "$0")/lib.sh"
nodes=a@127.0.0.1,b@127.0.0.1

start_node a
start_node b --join a@127.0.0.1
wait_for_view 2 a b
owner() {
    "$nprocreg" why "$1" --nodes $nodes --json | sed 's/.*"owner":"\(.\)@.*/\1/'
}
i=1
for_a=""
for_b=""
while [ -z "$for_a" ] || [ -z "$for_b" ]; do
    if [ "$(owner "{k,$i}")" = a ]; then for_a="{k,$i}"; else for_b="{k,$i}"; fi
    i=$((i + 1))
done
expect_exit 0 ask a@127.0.0.1 get "$for_a" --start counter:start
expect_exit 0 ask a@127.0.0.1 get "{fresh,$i}" --start counter:start

kill -STOP "$(cat "$dir/b.pid")"
# The signal is there; on a busy machine threads run on until one of them has taken it.
all_stopped() { ! grep -hvE '^[0-9]+ [(].*[)] T ' "/proc/$(cat "$dir/b.pid")"/task/*/stat >"$dir/running"; }
wait_until "b has stopped" all_stopped
expect_exit 4 ask a@127.0.0.1 get "$for_b" --start counter:start --timeout 1s
expect_exit 4 ask a@127.0.0.1 get "$for_b" --timeout 500ms
expect_exit 0 ask a@127.0.0.1 get "$for_a"
expect_exit 0 ask a@127.0.0.1 get "$for_a" --start counter:start --json
expect_out '"started":false'

# After node_timeout b counts as gone, and its keys are started elsewhere.
elsewhere() { ask a@127.0.0.1 get "$for_b" --start counter:start; }
wait_until "a serves the keys of b" elsewhere

kill -CONT "$(cat "$dir/b.pid")"
again() { ask a@127.0.0.1 get "$for_b" --start counter:start; }
wait_until "b answers again" again
done_testing
