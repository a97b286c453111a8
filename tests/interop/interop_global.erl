%% What Erlang nodes do among themselves goes on as if native nodes were not there.
-module(interop_global).
-export([cluster/0, cases/0]).

-include("interop.hrl").

cluster() ->
    [{a, erlang}, {b, erlang}, {n1, native}, {n2, native}].

cases() ->
    [{"names of global are seen on the other Erlang node", fun names/0},
     {"100 names registered at once from both sides", fun many_names/0},
     {"global:sync returns", fun sync/0},
     {"global:trans and locks", fun trans/0},
     {"a native node that comes and goes leaves names and connections alone", fun native_goes/0},
     {"a native node that hangs does not stop global", fun native_hangs/0},
     {"cutting a native node off does not cut Erlang nodes off", fun cut_off/0},
     {"a restarted Erlang node is meshed and has all names", fun erlang_restarts/0}].

%% A name held by a process of Short.
held(Short, Name) ->
    ?EQUAL(yes, ?ON(Short, global:register_name(Name, spawn(fun() -> receive stop -> ok end end)))),
    ?ON(Short, global:whereis_name(Name)).

names() ->
    Name = interop_keys:fresh(name),
    Pid = held(a, Name),
    ?EQUAL(Pid, ?ON(b, global:whereis_name(Name))),
    ?EQUAL(no, ?ON(b, global:register_name(Name, self()))),
    ?ON(b, global:send(Name, stop)),
    ?EVENTUALLY(undefined, ?ON(b, global:whereis_name(Name))),
    held(b, Name),
    ?EQUAL(interop_cluster:name(b), node(?ON(a, global:whereis_name(Name)))),
    ?ON(a, global:unregister_name(Name)),
    ?EQUAL(undefined, ?ON(b, global:whereis_name(Name))).

many_names() ->
    Names = [interop_keys:fresh(name) || _ <- lists:seq(1, 100)],
    Self = self(),
    [spawn_link(fun() -> Self ! {Short, register_all(Short, Names)} end) || Short <- [a, b]],
    Results = lists:zip(receive {a, A} -> A end, receive {b, B} -> B end),
    ?EQUAL([], [Both || Both <- Results, Both =/= {yes, no}, Both =/= {no, yes}]),
    ?ON(a, [global:send(Name, stop) || Name <- Names]),
    ok.

register_all(Short, Names) ->
    ?ON(Short, begin
                   Calls = [spawn_monitor(fun() -> exit({is, register(Name)}) end)
                            || Name <- Names],
                   [receive {'DOWN', Ref, process, _, {is, Result}} -> Result end
                    || {_, Ref} <- Calls]
               end).

register(Name) ->
    Pid = spawn(fun() -> receive stop -> ok end end),
    global:register_name(Name, Pid).

sync() ->
    [?EQUAL(ok, ?ON(Short, global:sync())) || Short <- [a, b]].

trans() ->
    [?EQUAL(done, ?ON(Short, global:trans({resource, self()}, fun() -> done end)))
     || Short <- [a, b]],
    ?EQUAL(true, ?ON(a, begin
                            true = global:set_lock({other, self()}, [node() | nodes()]),
                            global:del_lock({other, self()}, [node() | nodes()])
                        end)).

native_goes() ->
    Name = interop_keys:fresh(name),
    Pid = held(b, Name),
    interop_cluster:kill(n1),
    ?EQUAL(ok, ?ON(a, global:sync())),
    interop_cluster:restart(n1),
    ?EQUAL(ok, ?ON(b, global:sync())),
    ?EQUAL(Pid, ?ON(a, global:whereis_name(Name))),
    ?EQUAL([interop_cluster:name(b)], ?ON(a, nodes())),
    interop_cluster:settle(),
    ?ON(a, global:send(Name, stop)).

native_hangs() ->
    Name = interop_keys:fresh(name),
    Pid = interop_cluster:while_stopped(n2, fun() ->
                                                Held = held(a, Name),
                                                ?EQUAL(Held, ?ON(b, global:whereis_name(Name))),
                                                sync(),
                                                trans(),
                                                Held
                                            end),
    ?ON(a, Pid ! stop),
    interop_cluster:settle().

%% Losing a node that global knows makes it disconnect others too (prevent_overlapping_partitions).
cut_off() ->
    Up = ?ON(a, begin
                    net_kernel:monitor_nodes(true),
                    [erlang:disconnect_node(Node) || Node <- nodes(hidden)],
                    sync_twice(),
                    receive {nodedown, Node} -> {lost, Node} after 0 -> nodes() end
                end),
    ?EQUAL([interop_cluster:name(b)], Up),
    interop_cluster:settle().

sync_twice() ->
    ok = global:sync(),
    ok = global:sync().

erlang_restarts() ->
    Name = interop_keys:fresh(name),
    Pid = held(a, Name),
    interop_cluster:kill(b),
    ?EVENTUALLY([], ?ON(a, nodes())),
    interop_cluster:restart(b),
    ?EQUAL(ok, ?ON(b, global:sync())),
    ?EQUAL(Pid, ?ON(b, global:whereis_name(Name))),
    ?EQUAL([interop_cluster:name(b)], ?ON(a, nodes())),
    names(),
    interop_cluster:settle(),
    ?ON(a, Pid ! stop).
