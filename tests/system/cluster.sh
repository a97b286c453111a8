#!/bin/sh
# The commands against native nodes: found, started, registered, called; and the three answers that are
# not "found", each with its own exit code.
. "$(dirname "$0")/lib.sh"
a=a@127.0.0.1
b=b@127.0.0.1

start_node a
start_node b --join $a
wait_for_view 2 a b

# Not there is 1; started once, found ever after, the same from everywhere.
expect_exit 1 ask $a get '{room,7}'
expect_exit 0 ask $a get '{room,7}' --start counter:start --json
expect_out '"key":"{room,7}"'
expect_out '"started":true'
expect_out '"token":[1-9][0-9]'
token=$(sed 's/.*\("token":[0-9]*\).*/\1/' "$dir/out")
pid=$(sed 's/.*"pid":"\([^"]*\)".*/\1/' "$dir/out")
expect_exit 0 ask $b get '{room,7}' --start counter:start --json
expect_out '"started":false'
expect_out "$token"
[ "$(ask $b get '{room,7}')" = "$pid" ] || fail "another pid from the other node"

# What the owner cannot start is refused, with the reason.
expect_exit 5 ask $a get nothing --start counter:no_such
for i in 1 2 3 4 5 6 7 8; do # Whichever node owns it says so in words, not in terms.
    expect_exit 5 ask $a get "{nothing,$i}" --start counter:no_such
    expect_err 'counter:no_such/0 is exported'
    if grep -q nprocreg_error "$dir/err"; then fail "a term instead of words: $(cat "$dir/err")"; fi
done
expect_err 'counter:no_such'
expect_exit 2 ask $a get nothing --start counter
# A node that does not run is named.
expect_exit 3 ask nobody@127.0.0.1 get nothing
expect_err 'epmd knows no nobody@127.0.0.1'

# With arguments, wherever the key belongs; the second caller's do not count.  What init refuses is
# refused with its reason, and leaves no entry.
for i in 1 2 3 4; do
    expect_exit 0 ask $a get "{from,$i}" --start counter:start --args "[$i]"
    expect_exit 0 ask $b get "{from,$i}" --start counter:start --args '[99]'
    expect_exit 0 ask $b call "{from,$i}" get
    expect_out "^$i$"
    expect_exit 5 ask $a get "{bad,$i}" --start counter:start --args '[x]'
    expect_err 'einval'
    expect_exit 1 ask $b get "{bad,$i}"
done
expect_exit 5 ask $a get nothing --start counter:start --args '[1,2]'
expect_err 'counter:start/2\|counter,start,\[1,2\]'
expect_exit 2 ask $a get nothing --start counter:start --args 7
expect_exit 2 ask $a get nothing --args '[7]'

# Calls and messages, by key and by pid.
expect_exit 0 ask $a call '{room,7}' '{add,2}'
expect_out '^2$'
expect_exit 0 ask $b call "$pid" '{add,3}' --json
expect_out '^{"reply":"5"}$'
expect_exit 0 ask $b send "$pid" "{'\$gen_cast',inc}"
wait_until "the cast has arrived" sh -c \
    "'$nprocreg' call '{room,7}' get --node $a --cookie-file '$dir/cookie' | grep -qx 6"
expect_exit 0 ask $a call "$pid" pid
[ "$(cat "$dir/out")" = "$pid" ] || fail "the counter says that it is $(cat "$dir/out"), not $pid"
expect_exit 0 ask $a call "$pid" nonsense
expect_out '^{error,unknown}$'

# A second name for it; the entry is in the table of the node that was asked.
expect_exit 0 ask $a register '"other name"' "$pid"
expect_exit 0 ask $b get '"other name"'
[ "$(cat "$dir/out")" = "$pid" ] || fail "the second key gives $(cat "$dir/out")"
expect_exit 0 ask $a keys
expect_out '^"other name"'
expect_exit 0 ask $a unregister '"other name"'
expect_exit 1 ask $b get '"other name"'

# Keys as plain binaries and in hexadecimal.
expect_exit 0 ask $a get -b 'device 1' --start counter:start
expect_exit 0 ask $a get '<<"device 1">>' --json
expect_out '"started":false'
expect_exit 0 ask $a get --hex 836d00000008646576696365203'1'

# What the operator sees.
expect_exit 0 ask $a nodes --json
expect_out '^{"nodes":\["a@127.0.0.1","b@127.0.0.1"\]}$'
expect_exit 0 ask $a status --json
expect_out '"native":true'
expect_exit 0 ask $a why '{room,7}' --json
expect_out '"owner":"[ab]@127.0.0.1"'
expect_out '"answer":"not here"'

# A call that crashes the process: refused with the reason, and the key is free again.
expect_exit 5 ask $a call '{room,7}' '{crash,{bad,luck}}'
expect_err '{bad,luck}'
wait_until "the key is free" sh -c \
    "'$nprocreg' get '{room,7}' --node $b --cookie-file '$dir/cookie'; [ \$? -eq 1 ]"
expect_exit 1 ask $a call "$pid" get

# A permanent process is there again after a crash, another one each time; after too many in too short
# a time it is let go, with a line that says so.
crash_again() {
    expect_exit 5 ask $a call '{lasting,1}' '{crash,oops}'
    ask $b get '{lasting,1}' >"$dir/out" 2>"$dir/err" || return 1
    [ "$(cat "$dir/out")" != "$pid" ] || fail "the dead process: $pid"
    pid=$(cat "$dir/out")
}
expect_exit 0 ask $a get '{lasting,1}' --start counter:permanent
pid=$(cat "$dir/out")
crash_again || fail "not there again: $(cat "$dir/err")"
crashes=1
while crash_again && [ $crashes -lt 40 ]; do
    crashes=$((crashes + 1))
done
grep -q 'restart_given_up key={lasting,1} function=counter:permanent/0 restarts=3 window_ms=5000 reason=oops' \
    "$dir/a.log" "$dir/b.log" || fail "no line after $crashes crashes"
expect_exit 1 ask $a get '{lasting,1}'

# A node that ends cleanly takes its keys along, and the other one says so at once.
kill -TERM "$(cat "$dir/b.pid")"
wait "$(cat "$dir/b.pid")" || fail "node b ended with $?"
wait_for_view 1 a
expect_exit 0 ask $a get '{room,7}' --start counter:start --json
expect_out '"node":"a@127.0.0.1"'
kill -INT "$(cat "$dir/a.pid")"
wait "$(cat "$dir/a.pid")" || fail "node a ended with $?"
done_testing
