%% What witness.c is on a native node, on an Erlang node with nprocreg: processes that tell the referee
%% of their start, of each request that they carry out, and of their end (report.h has the lines).
%%
%% nprocreg does not tell a process its key: it learns it with the first request, and tells the referee
%% of its start then.
-module(witness).
-export([main/0, main/1, start/0]).

-define(BEAT_MS, 50).
-define(DIAL_MS, 1000).

%% erl -run witness main OTHER...: connects to the other Erlang nodes, and runs nprocreg.
main() ->
    main([]).

main(Others) ->
    {ok, Socket} = gen_tcp:connect({local, os:getenv("FAULT_REFEREE")}, 0, [local, binary]),
    persistent_term:put(?MODULE, Socket),
    tell("hello ~s ~s ~s", [os:getenv("FAULT_ROLE"), os:getenv("FAULT_NAME"), os:getenv("FAULT_RUN")]),
    Nodes = [list_to_atom(Other) || Other <- Others],
    [net_kernel:connect_node(Node) || Node <- Nodes],
    {ok, _} = application:ensure_all_started(nprocreg),
    spawn(fun() -> stay_connected(Nodes) end),
    io:format("ready name=~s~n", [node()]),
    beat().

%% A dial that fails, on a busy machine or while the other one is stopped, is made up for by nobody.
stay_connected(Nodes) ->
    timer:sleep(?DIAL_MS),
    [net_kernel:connect_node(Node) || Node <- Nodes -- nodes()],
    stay_connected(Nodes).

beat() ->
    tell("beat ~b", [now_ns()]),
    timer:sleep(?BEAT_MS),
    beat().

start() ->
    loop(#{started => now_ns(), name => name(), count => 0}).

loop(#{name := Name, count := Count} = State) ->
    receive
        {'$gen_call', From, {op, Key, Client, Seq}} ->
            Known = know(Key, State),
            tell("op ~b ~s ~b ~b ~b", [now_ns(), Name, Client, Seq, Count + 1]),
            gen_server:reply(From, {ok, 0, Count + 1}),
            loop(Known#{count := Count + 1});
        {'$gen_call', From, stop} ->
            gen_server:reply(From, ok),
            tell("end ~b ~s normal", [now_ns(), Name]);
        _Other ->
            loop(State)
    end.

know(_Key, #{key := _} = State) ->
    State;
know(Key, #{started := Started, name := Name} = State) ->
    tell("start ~b ~s ~b 0 0", [Started, Name, Key]),
    State#{key => Key}.

%% The pid as witness.c writes it: node.id.serial.creation.
name() ->
    "<" ++ Text = pid_to_list(self()),
    [_, Id, Serial] = string:lexemes(Text, ".>"),
    io_lib:format("~s.~s.~s.~b", [node(), Id, Serial, erlang:system_info(creation)]).

%% The machine's monotonic clock, as it is: Erlang's own has another origin.
now_ns() ->
    Source = erlang:system_info(os_monotonic_time_source),
    {clock_id, 'CLOCK_MONOTONIC'} = lists:keyfind(clock_id, 1, Source),
    {resolution, Resolution} = lists:keyfind(resolution, 1, Source),
    {time, Time} = lists:keyfind(time, 1, Source),
    Time * (1000000000 div Resolution).

tell(Format, Arguments) ->
    ok = gen_tcp:send(persistent_term:get(?MODULE), [io_lib:format(Format, Arguments), $\n]).
