#!/bin/sh
# --listen and --join NAME@HOST:PORT: a cluster, and commands, without any epmd.
. "$(dirname "$0")/lib.sh"

start_node a --listen 127.0.0.1:0
port=$(sed 's/.*port=//' "$dir/a.out")
start_node b --listen 127.0.0.1:0 --join "a@127.0.0.1:$port"
b_port=$(sed 's/.*port=//' "$dir/b.out")
two_seen() {
    [ "$(ask "a@127.0.0.1:$port" nodes | wc -l)" -eq 2 ] &&
        [ "$(ask "b@127.0.0.1:$b_port" nodes | wc -l)" -eq 2 ]
}
wait_until "both see both" two_seen
for i in 1 2 3 4 5 6; do
    expect_exit 0 ask "a@127.0.0.1:$port" get "{room,$i}" --start counter:start
    cp "$dir/out" "$dir/first"
    expect_exit 0 ask "b@127.0.0.1:$b_port" get "{room,$i}" --start counter:start
    cmp -s "$dir/first" "$dir/out" || fail "two pids for {room,$i}"
done
grep -qi ":$(printf '%04x' "$ERL_EPMD_PORT") " /proc/net/tcp && fail "somebody serves as epmd"

# Without the port nobody finds it.
expect_exit 3 ask a@127.0.0.1 nodes
# The port is taken: a clear refusal.
expect_exit 5 "$nprocreg" node --name c@127.0.0.1 --cookie-file "$dir/cookie" --listen "127.0.0.1:$port"
expect_err "$port"
done_testing
