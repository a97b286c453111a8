#!/bin/sh
# Processes with a thread of their own, as the command sees them: their limit, what they do to others,
# how they end with their node.
. "$(dirname "$0")/lib.sh"
blocking=$3
a=a@127.0.0.1

expect_exit 2 "$nprocreg" node --name $a --threads-max 0
expect_exit 2 "$nprocreg" node --name $a --long-callback soon

start_node a --module "$blocking" --threads-max 2 --long-callback 0
expect_exit 0 ask $a get '{thread,1}' --start blocking:start
expect_exit 0 ask $a get '{thread,2}' --start blocking:start
expect_exit 5 ask $a get '{thread,3}' --start blocking:start
expect_err 'no thread for blocking:start/0: 2 thread processes run, which is threads_max'

# One that is dead makes room.
expect_exit 0 ask $a kill '{thread,1}' kill
wait_until "there is room for one more" ask $a get '{thread,3}' --start blocking:start

# While one blocks, others answer; it answers when it comes to it.  It waits for a FIFO, which nobody
# writes to before all has been asked, however long that takes.
mkfifo "$dir/fifo"
ask $a call '{thread,2}' "{read,<<\"$dir/fifo\">>}" --timeout 60s >"$dir/read" 2>&1 &
reader=$!
wait_until "it waits" sh -c "'$nprocreg' info '{thread,2}' --node $a --cookie-file '$dir/cookie' |
    grep -q running"
expect_exit 0 ask $a call '{thread,3}' nonsense
expect_out '^{error,unknown}$'
expect_exit 4 ask $a call '{thread,2}' nonsense --timeout 100ms
# Open for both, the shell waits for no reader; open until the answer, no line is lost.
exec 3<>"$dir/fifo"
echo written >&3
wait $reader || fail "the call that read: $(cat "$dir/read")"
exec 3>&-
grep -q '^{ok,<<"written">>}$' "$dir/read" || fail "it has not read: $(cat "$dir/read")"

# The node ends when their code has returned, those that wait at once.
kill -TERM "$(cat "$dir/a.pid")"
wait "$(cat "$dir/a.pid")" || fail "the node did not end well"
done_testing
