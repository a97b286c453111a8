#!/bin/sh
# Listing and counting keys: all, by their beginning, by a pattern.
. "$(dirname "$0")/lib.sh"
a=a@127.0.0.1

start_node a
for key in '{room,1}' '{room,2}' '{hall,1}' '<<"room 3">>'; do
    expect_exit 0 ask $a get "$key" --start counter:start
done
pid=$(ask $a get '{hall,1}')

expect_exit 0 ask $a keys
[ "$(wc -l <"$dir/out")" -eq 4 ] || fail "not 4 keys: $(cat "$dir/out")"
expect_exit 0 ask $a keys --count
expect_out '^4$'
expect_exit 0 ask $a keys --prefix '{room}'
[ "$(sort "$dir/out" | cut -f 1 | tr '\n' ' ')" = "{room,1} {room,2} " ] || fail "$(cat "$dir/out")"
expect_exit 0 ask $a keys --prefix room -b
expect_out '^<<"room 3">>'
expect_exit 0 ask $a keys --match '{_,1}' --count
expect_out '^2$'
expect_exit 0 ask $a keys --match '{_,1}' --count --json
expect_out '^{"node":"a@127.0.0.1","count":2}$'
expect_exit 0 ask $a keys --prefix '{hall}' --json
expect_out "^{\"node\":\"a@127.0.0.1\",\"keys\":\[{\"key\":\"{hall,1}\",\"pid\":\"$pid\",\"token\":[1-9][0-9]*}\]}\$"
expect_exit 0 ask $a keys --limit 2
[ "$(wc -l <"$dir/out")" -eq 2 ] || fail "not 2 keys: $(cat "$dir/out")"
expect_exit 0 ask $a keys --prefix '{cellar}'
[ ! -s "$dir/out" ] || fail "keys that are not there: $(cat "$dir/out")"

expect_exit 2 ask $a keys --prefix room
expect_err 'a prefix is'
expect_exit 2 ask $a keys --match '{room'
expect_err 'pattern'
expect_exit 2 ask $a keys --match _ --prefix '{}'
expect_exit 3 ask nobody@127.0.0.1 keys --count
done_testing
