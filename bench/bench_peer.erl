%% The works of bench/processes.c and bench/keys.c, done by Erlang processes; one line each, as there.
-module(bench_peer).
-export([main/0]).

main() ->
    [Work | Numbers] = init:get_plain_arguments(),
    main(Work, [list_to_integer(N) || N <- Numbers]),
    halt(0).

main("lookup", [Keys, Callers, N]) ->
    start_keys(Keys),
    Sought = [[key(rand:uniform(Keys) - 1) || _ <- lists:seq(1, N)] || _ <- lists:seq(1, Callers)],
    print("lookup", N * Callers, fun() -> in_processes(fun look_up/1, Sought) end);
main("fresh", [N, Callers]) ->
    new_table(),
    Parts = [[key(I) || I <- lists:seq(C, N - 1, Callers)] || C <- lists:seq(0, Callers - 1)],
    print("fresh", N, fun() -> in_processes(fun start/1, Parts) end);
main(Work, [N]) ->
    print(Work, N, fun() -> work(Work, N) end).

print(Work, N, Fun) ->
    {Us, ok} = timer:tc(Fun),
    io:format("~s ~.3f~n", [Work, N / Us]).

%% ---- Keys: the least that a registry of one node can do, an ets table that all may write to.

key(I) -> iolist_to_binary(io_lib:format("k~11..0w", [I])).

new_table() -> ets:new(keys, [named_table, public, {read_concurrency, true},
                              {write_concurrency, true}]).

start_keys(Count) ->
    new_table(),
    start([key(I) || I <- lists:seq(0, Count - 1)]).

start([]) -> ok;
start([Key | Keys]) ->
    [] = ets:lookup(keys, Key),
    true = ets:insert_new(keys, {Key, spawn(fun() -> receive stop -> ok end end)}),
    start(Keys).

look_up([]) -> ok;
look_up([Key | Keys]) ->
    [{_, Pid}] = ets:lookup(keys, Key),
    true = is_pid(Pid),
    look_up(Keys).

in_processes(Fun, Parts) ->
    Me = self(),
    Workers = [spawn(fun() -> receive go -> Fun(Part), Me ! done end end) || Part <- Parts],
    [W ! go || W <- Workers],
    [receive done -> ok end || _ <- Workers],
    ok.

%% ---- Processes.

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
