%% Connections on which nothing happens, and peers that say nothing: ticks, with a net_ticktime T of
%% 4 s, so that a silent peer is dropped after 3 to 5 s.
-module(interop_ticks).
-export([cluster/0, ticktime/0, cases/0]).

-include("interop.hrl").

-define(IDLE_MS, 10000).

cluster() ->
    [{a, erlang}, {b, erlang}, {n1, native}].

ticktime() ->
    4.

cases() ->
    [{"idle connections stay up", fun idle/0},
     {"a native node that hangs is dropped, and taken back when it goes on", fun native_hangs/0},
     {"an Erlang node that hangs is dropped by native nodes, and taken back", fun erlang_hangs/0}].

%% An event that must not come: the one place where time itself is what is tested.
idle() ->
    Native = interop_cluster:name(n1),
    ?EQUAL(still_up, ?ON(a, begin
                                net_kernel:monitor_nodes(true, [{node_type, all}]),
                                true = lists:member(Native, nodes(hidden)),
                                receive {nodedown, Node, _} -> {lost, Node}
                                after ?IDLE_MS -> still_up
                                end
                            end)),
    ?EQUAL(pong, ?ON(b, net_adm:ping(Native))).

native_hangs() ->
    Native = interop_cluster:name(n1),
    [Key] = interop_keys:fresh(Native, interop_cluster:names(interop_cluster:members()), 1),
    Pid = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
    ?EQUAL(noconnection,
           interop_cluster:while_stopped(
             n1, fun() -> ?ON(a, interop_check:down(monitor(process, Pid), Pid)) end)),
    ?EVENTUALLY(false, interop_cluster:take_errors([a, b]) =:= []), % They report who was dropped.
    interop_cluster:settle(),
    interop_cluster:take_errors([a, b]),
    ?EQUAL(Pid, ?ON(b, nprocreg:get_pid(Key))).

%% The native node is asked through a, which knows b to be gone or waits for nothing of it.
erlang_hangs() ->
    Keeper = interop_cluster:name(n1),
    Key = interop_keys:fresh(registered),
    Pid = ?ON(b, spawn(fun() -> receive stop -> ok end end)),
    ?ON(a, gen_server:cast({nprocreg, Keeper}, {register_pid, Key, Pid})),
    ?EVENTUALLY(Pid, ?ON(a, rpc:call(Keeper, nprocreg, get_pid, [Key]))),
    interop_cluster:while_stopped(
      b, fun() ->
             ?EVENTUALLY([], ?ON(a, rpc:call(Keeper, ets, lookup, [nprocreg_data, Key])))
         end),
    interop_cluster:settle(),
    interop_cluster:take_errors([a, b]),
    ok.
