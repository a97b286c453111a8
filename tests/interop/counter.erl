%% What examples/counter.c does, for keys that Erlang nodes own: counter:start/0 is the body of a
%% process that counts.  Keep the two alike; the cases do not care on which side a counter runs.
-module(counter).
-export([start/0]).

start() ->
    loop(0).

%% Not a gen_server: one that crashes on purpose would log an error, which the tests watch for.
loop(Count) ->
    receive
        {'$gen_call', {Pid, _} = From, Request} when is_pid(Pid) -> call(Request, From, Count);
        {'$gen_cast', inc} -> loop(Count + 1);
        {ping, Pid} -> Pid ! {pong, self()}, loop(Count);
        _ -> loop(Count)
    end.

call(get, From, Count) ->
    reply(From, Count, Count);
call({add, N}, From, Count) when is_integer(N) ->
    reply(From, Count + N, Count + N);
call(where, From, Count) ->
    reply(From, node(), Count);
call(pid, From, Count) ->
    reply(From, self(), Count);
call(stop, From, _Count) ->
    gen_server:reply(From, ok);
call({crash, Reason}, _From, _Count) ->
    exit(Reason);
call(_, From, Count) ->
    reply(From, {error, unknown}, Count).

reply(From, Reply, Count) ->
    gen_server:reply(From, Reply),
    loop(Count).
