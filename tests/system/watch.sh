#!/bin/sh
# Live events of keys on several nodes, and waiting for a key.
. "$(dirname "$0")/lib.sh"
a=a@127.0.0.1
b=b@127.0.0.1

# watch NAME ARGUMENT...: in the background, into $dir/NAME.events; its process is $watch_pid.
watch() {
    watch_name=$1
    shift
    "$nprocreg" watch "$@" --cookie-file "$dir/cookie" >"$dir/$watch_name.events" \
        2>"$dir/$watch_name.err" &
    watch_pid=$!
    started_pids="$started_pids $watch_pid"
    wait_until "$watch_name is synced" grep -q synced "$dir/$watch_name.events"
}

# told NAME PATTERN: an event that matches was printed.
told() {
    wait_until "$1 was told $2" grep -q -e "$2" "$dir/$1.events"
}

tab=$(printf '\t')

start_node a
start_node b --join $a
wait_for_view 2 a b
expect_exit 0 ask $b get '{room,1}' --start counter:start
watch plain '{room}' --node $a
plain_pid=$watch_pid
watch json --match '{room,_}' --node $b --json
json_pid=$watch_pid
head -n 1 "$dir/plain.events" | grep -q "^registered$tab{room,1}$tab<" ||
    fail "first of all: $(cat "$dir/plain.events")"

# Whatever node a key is on: there are keys of both among these.
for i in 2 3 4 5 6 7 8 9; do
    expect_exit 0 ask $a get "{room,$i}" --start counter:start
    pid=$(cat "$dir/out")
    told plain "^registered$tab{room,$i}$tab$pid\$"
    told json "{\"event\":\"registered\",\"key\":\"{room,$i}\",\"pid\":\"$pid\""
done
expect_exit 0 ask $a get '{hall,1}' --start counter:start
expect_exit 5 ask $a call '{room,2}' '{crash,bad}'
told plain "^gone$tab{room,2}$tab<.*>${tab}error\$"
told json '"key":"{room,2}","pid":"<[^"]*>","reason":"error"'
expect_exit 0 ask $b kill '{room,3}' killed
told plain "^gone$tab{room,3}$tab"
grep -q hall "$dir/plain.events" && fail "told of what was not asked for"

# Waiting: for what is there, for what comes, for what does not.
expect_exit 0 ask $b await '{room,4}'
[ "$(cat "$dir/out")" = "$(ask $a get '{room,4}')" ] || fail "awaited $(cat "$dir/out")"
watched=$(ask $b status | sed -n 's/^watched *//p')
"$nprocreg" await '{late,1}' --node $b --cookie-file "$dir/cookie" --timeout 20s >"$dir/late" &
late_pid=$!
wait_until "somebody waits" sh -c \
    "'$nprocreg' status --node $b --cookie-file '$dir/cookie' |
     grep -q '^watched *$((watched + 1))\$'"
expect_exit 0 ask $a get '{late,1}' --start counter:start
wait $late_pid || fail "await ended with $?"
[ "$(cat "$dir/late")" = "$(cat "$dir/out")" ] || fail "awaited $(cat "$dir/late")"
expect_exit 4 ask $a await '{late,2}' --timeout 200ms
expect_exit 2 ask $a watch room
expect_exit 2 ask $a watch '{room}' --match _
expect_exit 3 ask nobody@127.0.0.1 watch

# The node that was asked goes: 3.  The other one's keys are seen until the end; interrupted: 0.
kill -TERM "$(cat "$dir/b.pid")"
wait "$(cat "$dir/b.pid")" || fail "node b ended with $?"
wait $json_pid
code=$?
[ $code -eq 3 ] || fail "the watch of b ended with $code: $(cat "$dir/json.err")"
told plain "^nodedown$tab$b\$"
tail -n 1 "$dir/plain.events" | grep -q nodedown || fail "after the end: $(tail -n 2 "$dir/plain.events")"
kill -INT $plain_pid
wait $plain_pid
code=$?
[ $code -eq 0 ] || fail "the watch that was interrupted ended with $code"
done_testing
