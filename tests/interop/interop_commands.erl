%% Child programs behind pids, as Erlang sees them.  The native node declares room:open (the example), and
%% echo:json and echo:packet4 (echo.py), which answer each call with its request.
-module(interop_commands).
-export([cluster/0, cases/0]).
-export([member/1]).

-include("interop.hrl").

cluster() ->
    [{a, erlang}, {n1, native}].

cases() ->
    [{"a chat room in Python is a gen_server", fun room/0},
     {"terms come back from a child as they were", fun terms/0},
     {"links, monitors and exit/2", fun ends/0},
     {"what sys asks", fun system/0},
     {"a start that fails", fun failing_start/0}].

native() ->
    interop_cluster:name(n1).

start(Function) ->
    Native = native(),
    {Module, Name} = Function,
    ?ON(a, spawn(Native, Module, Name, [])).

%% Keeps what it is sent; {ask, From}: all of it.
member(Heard) ->
    receive
        {ask, From} -> From ! {heard, lists:reverse(Heard)}, member(Heard);
        Message -> member([Message | Heard])
    end.

heard(Member) ->
    ?ON(a, begin
               Member ! {ask, self()},
               receive {heard, Heard} -> Heard after 10000 -> silence end
           end).

room() ->
    Room = start({room, open}),
    Member = ?ON(a, spawn(?MODULE, member, [[]])),
    ?EQUAL(ok, ?ON(a, gen_server:call(Room, {join, <<"Anna">>, Member}))),
    ?EQUAL({error, name_taken}, ?ON(a, gen_server:call(Room, {join, <<"Anna">>}))),
    ?EQUAL(ok, ?ON(a, gen_server:cast(Room, {post, <<"Anna">>, <<"Grüße"/utf8>>}))),
    ?EVENTUALLY([{room, null, <<"Anna">>, <<"Grüße"/utf8>>}], heard(Member)),
    ?EQUAL([{<<"Anna">>, <<"Grüße"/utf8>>}], ?ON(a, gen_server:call(Room, history))),
    ?EQUAL(true, ?ON(a, begin Room ! hello, true end)),
    ?EQUAL([<<"Anna">>], ?ON(a, gen_server:call(Room, members))),
    ?EQUAL({down, normal}, ?ON(a, begin
                                      Ref = monitor(process, Room),
                                      gen_server:cast(Room, close),
                                      receive {'DOWN', Ref, process, Room, Why} -> {down, Why}
                                      after 10000 -> none
                                      end
                                  end)).

%% Would catch: what JSON or the envelope changes on its way.
terms() ->
    Terms =
        ?ON(a, [0, -1, 255, 256, 1 bsl 64, -(1 bsl 2000), 1.0, -0.0, 1.0e300, 5.0e-324, true, false,
                null, undefined, '', 'ä b', <<>>, <<"text">>, <<"λ"/utf8>>, <<0, 10, 34, 92>>, <<255>>,
                <<1:3>>, [], [1], "string", [1 | 2], [a, b | {c}], {}, {1}, {{{}}}, #{},
                #{<<"a">> => 1}, #{<<"$atom">> => <<"x">>}, #{<<"$a">> => 1, <<"b">> => 2},
                #{1 => 2, {} => []}, self(), make_ref(), fun erlang:node/0, fun(X) -> X end,
                lists:seq(1, 1000), list_to_tuple(lists:seq(1, 300)),
                maps:from_list([{integer_to_binary(N), N} || N <- lists:seq(1, 100)]),
                binary:copy(<<"x">>, 100000), hd([P || P <- erlang:ports()])]),
    [begin
         Echo = start({echo, Wire}),
         [?EQUAL({Wire, Term}, {Wire, ?ON(a, gen_server:call(Echo, Term))}) || Term <- Terms]
     end || Wire <- [json, packet4]],
    ok.

down(Pid, Ends) ->
    ?ON(a, begin
               Ref = monitor(process, Pid),
               Ends(),
               receive {'DOWN', Ref, process, Pid, Why} -> {down, Why} after 10000 -> none end
           end).

ends() ->
    Shut = start({echo, json}),
    ?EQUAL({down, shutdown}, down(Shut, fun() -> exit(Shut, shutdown) end)),
    Killed = start({echo, json}),
    ?EQUAL({down, killed}, down(Killed, fun() -> exit(Killed, kill) end)),
    Linked = start({echo, json}),
    ?EQUAL({down, {my, reason}},
           down(Linked, fun() -> spawn(fun() -> link(Linked), exit({my, reason}) end) end)),
    ?EQUAL({down, noproc}, down(Linked, fun() -> ok end)).

system() ->
    Echo = start({echo, packet4}),
    ?EQUAL(1, ?ON(a, gen_server:call(Echo, 1))),
    #{os_pid := OsPid, wire := packet4, calls := 0} = ?ON(a, sys:get_state(Echo)),
    ?EQUAL(true, is_integer(OsPid) andalso OsPid > 1),
    ?EQUAL(ok, ?ON(a, sys:suspend(Echo))),
    ?EQUAL(timeout, ?ON(a, try gen_server:call(Echo, 2, 50) catch exit:{timeout, _} -> timeout end)),
    ?EQUAL(ok, ?ON(a, sys:resume(Echo))),
    ?EQUAL(3, ?ON(a, gen_server:call(Echo, 3))).

failing_start() ->
    Native = native(),
    ?EQUAL({down, {exit_status, 7}},
           ?ON(a, begin
                      {Pid, Ref} = spawn_monitor(Native, echo, fails, []),
                      receive {'DOWN', Ref, process, Pid, Why} -> {down, Why} after 10000 -> none end
                  end)).
