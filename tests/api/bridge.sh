#!/bin/sh
# bridge.sh COMMAND COUNTER BRIDGE: examples/bridge.c against a real Erlang node.
# Would catch: an answer that is lost either way, a wrong cookie that is not told.
# shellcheck source-path=SCRIPTDIR/../system
. "$(dirname "$0")/../system/lib.sh"
bridge=$3
erlang=e@127.0.0.1

epmd -port "$ERL_EPMD_PORT" >"$dir/epmd.log" 2>&1 &
started_pids="$started_pids $!"
wait_until "epmd serves" epmd -names
erl -noinput -start_epmd false -name "$erlang" -setcookie secret >"$dir/erl.log" 2>&1 &
started_pids="$started_pids $!"
known() {
    epmd -names | grep -q '^name e at port'
}
wait_until "epmd knows the Erlang node" known

expect_exit 0 "$bridge" "$erlang" secret
cat >"$dir/expected" <<'END'
lists:sum([1,2,39]) -> 42
gen_server:call(Pid, {double,21}) -> 42
erlang:is_process_alive(Pid) -> {error,badarg}
END
diff "$dir/expected" "$dir/out" || fail "not what its first lines say"
expect_exit 1 "$bridge" "$erlang" wrong
expect_err 'bridge: wrong cookie'
expect_exit 1 "$bridge" no_such_node@127.0.0.1 secret
expect_err 'bridge: node unreachable'
expect_exit 2 "$bridge"
done_testing
