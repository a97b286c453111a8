#!/bin/sh
# examples/rooms.c: three programs that are nodes; the one that has a room is killed, and the room lives
# again on another; one that crashes is opened again in its place; an idle one closes.
# $3 is the program.
. "$(dirname "$0")/lib.sh"
rooms=$3
cookie=$(cat "$dir/cookie")

# start_rooms NAME IDLE_MS [NODE]...: its output is $dir/NAME.out, its process in $dir/NAME.pid.
start_rooms() {
    name=$1
    idle_ms=$2
    shift 2
    mkfifo "$dir/$name.in"
    "$rooms" "$name@127.0.0.1" "$cookie" "$idle_ms" "$@" <"$dir/$name.in" >"$dir/$name.out" \
        2>"$dir/$name.log" &
    echo $! >"$dir/$name.pid"
    started_pids="$started_pids $!"
    sleep 600 >"$dir/$name.in" & # holds its input open
    started_pids="$started_pids $!"
    wait_until "$name is ready" grep -q '^ready$' "$dir/$name.out"
}

tell() { # tell NAME LINE
    echo "$2" >"$dir/$1.in"
}

has_line() { # has_line NAME COUNT PATTERN: so many lines of its output are like that
    [ "$(grep -c "$3" "$dir/$1.out")" -eq "$2" ]
}

lobby='{room,<<"lobby">>}'
has_members() { # has_members COUNT NODE: of the lobby, as that node is told
    [ "$(ask "$2@127.0.0.1" call "$lobby" count 2>/dev/null)" = "$1" ]
}

start_rooms a 600000
start_rooms b 600000 a@127.0.0.1
start_rooms c 600000 a@127.0.0.1 b@127.0.0.1
wait_for_view 3 a b c

# One room, whoever asks.
for node in a b c; do
    tell $node "enter lobby member_$node"
    wait_until "member_$node is in" has_line $node 1 "^\[member_$node\] in lobby on "
done
for node in a b c; do
    wait_until "$node hears of the lobby" has_line $node 1 '^\* lobby registered$'
done
[ "$(cat "$dir"/[abc].out | sed -n 's/.* in lobby on //p' | sort -u | wc -l)" -eq 1 ] ||
    fail "more than one lobby"
wait_until "three are in" has_members 3 a
tell b "say lobby bob hello, all"
for node in a b c; do
    wait_until "member_$node hears it" has_line $node 1 "^\[member_$node\] bob: hello, all$"
done

# A crash: opened again on the same node, and all enter again.
owner=$(sed -n 's/.* in lobby on \(.\)@127.0.0.1$/\1/p' "$dir/a.out" | head -n 1)
expect_exit 5 ask a@127.0.0.1 call "$lobby" crash
for node in a b c; do
    wait_until "member_$node is in again" has_line $node 2 "^\[member_$node\] in lobby on $owner@"
done

# Its program is killed: opened again on another node.
survivors=$(echo a b c | tr -d "$owner")
kill -KILL "$(cat "$dir/$owner.pid")"
for node in $survivors; do
    wait_until "member_$node is in on another node" \
        has_line $node 1 "^\[member_$node\] in lobby on [^$owner]@"
    asked=$node
done
wait_until "two are in" has_members 2 "$asked"
for node in $survivors; do
    grep -q '^\* lobby gone$' "$dir/$node.out" || fail "$node has not heard that the lobby was gone"
done
tell "$asked" "say lobby eve still there?"
for node in $survivors; do
    wait_until "member_$node hears eve" has_line $node 1 "^\[member_$node\] eve: still there?$"
done

# Nothing happens: closed, and gone from the registry.
start_rooms d 200
tell d "enter cellar dan"
wait_until "the cellar has closed" has_line d 1 '^\[dan\] cellar has closed$'
expect_exit 1 ask d@127.0.0.1 get '{room,<<"cellar">>}'
tell d "say cellar dan anybody?"
wait_until "nobody knows it" has_line d 1 '^error: '
done_testing
