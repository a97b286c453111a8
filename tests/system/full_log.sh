#!/bin/sh
# A node whose standard error nobody reads (a disk that hangs, a terminal that is stopped): it goes on, and
# misses no heartbeat.  Would catch: a node that writes its log on the thread that must not wait.
. "$(dirname "$0")/lib.sh"

mkfifo "$dir/full"
exec 9<>"$dir/full" # so that opening it waits for nobody; what is written stays in it
python3 -c 'import fcntl; fcntl.fcntl(9, fcntl.F_SETPIPE_SZ if hasattr(fcntl, "F_SETPIPE_SZ") else 1031, 4096)'
start_node a
"$nprocreg" node --name b@127.0.0.1 --cookie-file "$dir/cookie" --module "$counter" --join a@127.0.0.1 \
    --log-level debug >"$dir/b.out" 2>"$dir/full" 9>&- &
b_pid=$!
started_pids="$started_pids $b_pid"
wait_until "node b is ready" grep -q "^ready name=b@127.0.0.1" "$dir/b.out"
wait_for_view 2 a b

# Each command that connects is a line or two.  No line has room any more when fewer than 250 bytes have.
is_full() {
    python3 -c 'import array, fcntl, termios
held = array.array("i", [0])
fcntl.ioctl(9, termios.FIONREAD, held)
raise SystemExit(held[0] < 4096 - 250)'
}
get() { # get NUMBER
    ask b@127.0.0.1 get "{full,$1}" --start counter:start >/dev/null 2>"$dir/err" ||
        fail "while nobody reads its log: $(cat "$dir/err")"
}
i=0
until is_full; do
    i=$((i + 1))
    get $i
done
begun=$(date +%s)
while [ $(($(date +%s) - begun)) -lt 6 ]; do # twice as long as a node is waited for
    i=$((i + 1))
    get $i
done
is_full || fail "its log was read"
if grep 'node_left node=b@' "$dir/a.log"; then
    fail "b was missed"
fi
cat <&9 >"$dir/b.log" & # then it goes on
started_pids="$started_pids $!"
ask b@127.0.0.1 get '{read,1}' --start counter:start >/dev/null 2>"$dir/err" || fail "then: $(cat "$dir/err")"
kill -TERM $b_pid
wait_until "b says that it stops" grep -q 'stopping signal=SIGTERM' "$dir/b.log"
done_testing
