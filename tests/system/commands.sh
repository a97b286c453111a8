#!/bin/sh
# Programs as processes of real nodes, declared on the command line: the chat room of the examples, and
# what becomes of children when their node is killed.  $3 is the folder of the examples.
examples=$3
. "$(dirname "$0")/lib.sh"

# ---- The room.

start_node a --command "room:open=python3 '$examples/room.py'" \
    --command "env:show,kill:1s=sh '$dir/show'"
cat >"$dir/sleeper" <<'EOF'
read -r start
echo '{"started":true}'
echo $$ >>"$SLEEPERS"
exec sleep 1000
EOF
cat >"$dir/show" <<'EOF'
read -r start
echo "{\"failed\":\"$#\"}"
EOF

expect_exit 0 ask a@127.0.0.1 get '<<"kitchen">>' --start room:open
pid=$(cat "$dir/out")
expect_exit 0 ask a@127.0.0.1 get '<<"kitchen">>' --start room:open
expect_out "^$pid\$"
expect_exit 0 ask a@127.0.0.1 call '<<"kitchen">>' '{join,<<"Anna">>}'
expect_out '^ok$'
expect_exit 0 ask a@127.0.0.1 call '<<"kitchen">>' '{join,<<"Anna">>}'
expect_out '^{error,name_taken}$'
expect_exit 0 ask a@127.0.0.1 call '<<"kitchen">>' '{join,<<"Bert">>}'
expect_exit 0 ask a@127.0.0.1 call '<<"kitchen">>' members
expect_out '^\[<<"Anna">>,<<"Bert">>\]$'
expect_exit 0 ask a@127.0.0.1 send '<<"kitchen">>' "{'\$gen_cast',{post,<<\"Anna\">>,<<\"gr\\x{fc}\\x{df}e\"/utf8>>}}"
expect_exit 0 ask a@127.0.0.1 call '<<"kitchen">>' history
expect_out '^\[{<<"Anna">>,<<.*>>}\]$'
expect_exit 0 ask a@127.0.0.1 call '<<"kitchen">>' '{leave,<<"Bert">>}'
expect_exit 0 ask a@127.0.0.1 call '<<"kitchen">>' nonsense
expect_out '^{error,unknown}$'
expect_exit 0 ask a@127.0.0.1 send '<<"kitchen">>' 'hello'
wait_until "the room's complaint is in the log" grep -q 'command_stderr.*not understood' "$dir/a.log"
expect_exit 0 ask a@127.0.0.1 send '<<"kitchen">>' "{'\$gen_cast',close}"
room_is_gone() {
    ask a@127.0.0.1 get '<<"kitchen">>'
    [ $? -eq 1 ]
}
wait_until "the room is closed" room_is_gone
expect_exit 0 ask a@127.0.0.1 get '<<"kitchen">>' --start room:open # a new one
expect_exit 0 ask a@127.0.0.1 call '<<"kitchen">>' members
expect_out '^\[\]$'

# ---- Nothing of a start is on the command line; only what is declared starts.

expect_exit 5 ask a@127.0.0.1 get k --start env:show --args '[<<"$(touch pwned)">>,<<"; touch pwned">>]'
expect_err 'failed to start: <<"0">>'
expect_exit 5 ask a@127.0.0.1 get k --start os:cmd --args '["id"]'
expect_err 'no function os:cmd/1 is exported'
[ ! -e pwned ] && [ ! -e "$dir/pwned" ] || fail "a shell has run"

# ---- A node that is killed takes its children along.

SLEEPERS="$dir/sleepers"
export SLEEPERS
start_node b --command "sleeper:run=sh '$dir/sleeper'"
for key in 1 2 3 4 5; do
    expect_exit 0 ask b@127.0.0.1 get $key --start sleeper:run
done
wait_until "five sleepers run" sh -c "[ \$(wc -l <'$SLEEPERS') -eq 5 ]"
for child in $(cat "$SLEEPERS"); do
    kill -0 "$child" || fail "sleeper $child does not run"
done
kill -KILL "$node_pid"
is_dead() { # not there, or only until somebody waits for it
    ! kill -0 "$1" 2>/dev/null || grep -q '^State:.*[ZX]' "/proc/$1/status"
}
for child in $(cat "$SLEEPERS"); do
    wait_until "sleeper $child has died with its node" is_dead "$child"
done

# ---- A declaration that is wrong.

expect_exit 2 "$nprocreg" node --name c@127.0.0.1 --cookie-file "$dir/cookie" --command 'room'
expect_err 'MODULE:FUNCTION=PROGRAM'

done_testing
