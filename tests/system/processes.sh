#!/bin/sh
# ps, info and kill: what an operator sees of processes and does to them.
. "$(dirname "$0")/lib.sh"
a=a@127.0.0.1

count_lines() { # count_lines COUNT: of the last output
    [ "$(wc -l <"$dir/out")" -eq "$1" ] || fail "not $1 lines: $(cat "$dir/out")"
}


start_node a
expect_exit 0 ask $a ps
count_lines 1
expect_out '^PID  FUNCTION  MAILBOX  HANDLED  TIME  STATE  LINKS  KEYS$'

# One line for each, in columns; the largest first; a limit says that there are more.
for i in 1 2 3 4 5; do
    expect_exit 0 ask $a get "{room,$i}" --start counter:start
    expect_exit 0 ask $a call "{room,$i}" "{add,$i}"
done
for i in 1 2 3; do
    expect_exit 0 ask $a call '{room,4}' get
done
expect_exit 0 ask $a call '{room,2}' get
expect_exit 0 ask $a ps
count_lines 6
expect_out "^<a@127.0.0.1[0-9.]*>  counter:start/0        0        4  *[0-9.]*[um]*s      8      0  {room,4}$"
expect_exit 0 ask $a ps --sort handled --limit 2
count_lines 3
expect_err '^(2 of 5 processes)$'
[ "$(sed -n '2,3s/.*{room,\([0-9]\)}$/\1/p' "$dir/out" | tr '\n' ' ')" = "4 2 " ] ||
    fail "not the two that have handled most: $(cat "$dir/out")"
expect_exit 0 ask $a ps --sort pid --json
expect_out '"count":5,"processes":\[{"pid":"<a@[^}]*"keys":\["{room,1}"\]'
expect_exit 2 ask $a ps --sort name
expect_err 'sort name'
expect_exit 2 ask $a ps --limit 10001
expect_exit 2 ask $a ps --limit many

# One process, by key and by pid.
pid=$(ask $a get '{room,3}')
for target in '{room,3}' "$pid"; do
    expect_exit 0 ask $a info "$target"
    expect_out "^pid  *$pid$"
    expect_out '^function  *counter:start/0$'
    expect_out '^handled  *1$'
    expect_out '^keys  *{room,3}$'
done
expect_exit 0 ask $a info "$pid" --json
expect_out '"status":"waiting","names":\[\],"keys":\["{room,3}"\],"mailbox":0,"handled":1,"dropped":0,'
expect_exit 1 ask $a info '{no,room}'
expect_exit 1 ask $a info '<a@127.0.0.1.9999999.0>'
expect_err 'dead'

# One that is suspended does not hide, nor what waits for it; it can be killed.
expect_exit 0 ask $a send '{room,5}' '{system,{<a@127.0.0.1.1.0>,tag},suspend}'
expect_exit 0 ask $a send '{room,5}' hello
expect_exit 0 ask $a info '{room,5}'
expect_out '^status  *suspended$'
expect_exit 0 ask $a kill '{room,5}' kill
expect_exit 1 ask $a get '{room,5}'

# Killed: gone from the registry when the command returns, also with a reason of one's own; a reason
# that ends nobody is a refusal, not a success.
expect_exit 0 ask $a kill '{room,3}' --json
expect_out '^{"killed":true}$'
expect_exit 1 ask $a get '{room,3}'
expect_exit 1 ask $a kill "$pid"
expect_exit 1 ask $a kill '{room,3}'
expect_exit 0 ask $a kill '{room,4}' '{moved,<<"elsewhere">>}'
expect_exit 1 ask $a get '{room,4}'
expect_exit 5 ask $a kill '{room,2}' normal --timeout 300ms
expect_err 'still alive'
expect_exit 0 ask $a call '{room,2}' get
expect_exit 2 ask $a kill '{room,2}' '{unbalanced'
expect_exit 0 ask $a ps
count_lines 3
done_testing
