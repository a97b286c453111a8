%% The works of bench/processes.c, done by Erlang processes; one line each, as there.
-module(bench_peer).
-export([main/0]).

main() ->
    [Work, Count] = init:get_plain_arguments(),
    N = list_to_integer(Count),
    {Us, ok} = timer:tc(fun() -> work(Work, N) end),
    io:format("~s ~.3f~n", [Work, N / Us]),
    halt(0).

work("spawn", N) -> in_process(fun() -> spawn_all(N) end);
work("watched", N) -> in_process(fun() -> watch(N) end);
work("flood", N) ->
    Me = self(),
    Sink = spawn(fun() -> sink(N), Me ! done end),
    spawn(fun() -> flood(Sink, N) end),
    receive done -> ok end;
work("call", N) -> callers(1, N);
work("call64", N) -> callers(64, N).

in_process(Fun) ->
    Me = self(),
    spawn(fun() -> Fun(), Me ! done end),
    receive done -> ok end.

spawn_all(0) -> ok;
spawn_all(N) -> spawn(fun() -> ok end), spawn_all(N - 1).

watch(0) -> ok;
watch(N) ->
    {Pid, Ref} = spawn_monitor(fun() -> ok end),
    receive {'DOWN', Ref, process, Pid, normal} -> watch(N - 1) end.

flood(_, 0) -> ok;
flood(Sink, N) -> Sink ! {add, N}, flood(Sink, N - 1).

sink(0) -> ok;
sink(N) -> receive {add, I} when is_integer(I) -> sink(N - 1) end.

callers(Count, N) ->
    Me = self(),
    Server = spawn(fun server/0),
    [spawn(fun() -> call(Server, N div Count), Me ! done end) || _ <- lists:seq(1, Count)],
    [receive done -> ok end || _ <- lists:seq(1, Count)],
    ok.

server() ->
    receive {'$gen_call', From, {add, I}} -> gen_server:reply(From, I), server() end.

call(_, 0) -> ok;
call(Server, N) -> N = gen_server:call(Server, {add, N}), call(Server, N - 1).
