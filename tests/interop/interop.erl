%% Runs one group of cases against one cluster: erl -run interop main GROUP (a module interop_GROUP
%% with cluster/0 and cases/0).  Prints a line for each case; the exit status is 0 if all are ok.
-module(interop).
-export([main/1]).

-define(CASE_MS_MAX, 100000).
-define(FAULT_DEPTH, 24). % of what is printed of a fault

main([Group | Wanted]) ->
    process_flag(trap_exit, true),
    Module = list_to_atom("interop_" ++ Group),
    Directory = filename:absname(filename:join(os:getenv("NPROCREG_RUN_DIRECTORY"), Group)),
    ok = remove(Directory),
    ok = filelib:ensure_dir(filename:join(Directory, "x")),
    Failed = try
        run(Module, Directory, Wanted)
    catch
        Class:Reason:Stack ->
            say("FAILED  the cluster: ~0tp:~0tp~n~tp~n", [Class, Reason, Stack]),
            1
    end,
    [say("the logs are in ~ts~n", [Directory]) || Failed > 0],
    halt(min(Failed, 1)).

run(Module, Directory, Wanted) ->
    interop_cluster:start(Module:cluster(), ticktime(Module), Directory),
    say("the nprocreg of the Erlang nodes: ~ts~n",
        [interop_cluster:on(hd(interop_cluster:erlangs()), fun() -> code:which(nprocreg) end)]),
    Cases = [Case || Case = {Name, _} <- Module:cases(), wanted(Name, Wanted)],
    Failed = [Name || {Name, Fun} <- Cases, not passes(Name, Fun)],
    Faults = interop_cluster:stop(),
    [say("FAILED  at the end: ~0tp~n", [Fault]) || Fault <- Faults],
    length(Failed) + length(Faults).

%% Erlang's default, for groups that say nothing else.
ticktime(Module) ->
    case erlang:function_exported(Module, ticktime, 0) of
        true -> Module:ticktime();
        false -> 60
    end.

%% All, or those whose name contains one of the words given.
wanted(_Name, []) ->
    true;
wanted(Name, Words) ->
    lists:any(fun(Word) -> string:find(Name, Word) =/= nomatch end, Words).

passes(Name, Fun) ->
    Start = erlang:monotonic_time(millisecond),
    Result = in_time(fun() -> Fun(), no_errors_logged() end),
    Seconds = (erlang:monotonic_time(millisecond) - Start) / 1000,
    case Result of
        ok -> say("ok      ~ts (~.1f s)~n", [Name, Seconds]);
        Fault ->
            say("FAILED  ~ts (~.1f s)~n        ~tP~n", [Name, Seconds, Fault, ?FAULT_DEPTH]),
            case in_time(fun interop_cluster:heal/0) of
                ok -> ok;
                Broken -> say("        and the cluster stays broken: ~tP~n", [Broken, ?FAULT_DEPTH])
            end
    end,
    Result =:= ok.

%% A case runs in a process of its own, so that no message of one reaches the next.
in_time(Fun) ->
    {Pid, Ref} = spawn_monitor(fun() -> exit(result(Fun)) end),
    receive
        {'DOWN', Ref, process, Pid, {result, Result}} -> Result;
        {'DOWN', Ref, process, Pid, Reason} -> Reason
    after ?CASE_MS_MAX ->
        Where = process_info(Pid, current_stacktrace),
        exit(Pid, kill),
        {not_done_in_time, Where}
    end.

result(Fun) ->
    try
        Fun(),
        {result, ok}
    catch
        Class:Reason:Stack -> {result, {Class, Reason, at(Stack)}}
    end.

%% The innermost calls.
at(Stack) ->
    [{Module, Function, proplists:get_value(line, Where)}
     || {Module, Function, _, Where} <- lists:sublist(Stack, 5)].

%% Whatever a native node does, no Erlang node may find fault with it.
no_errors_logged() ->
    case interop_cluster:take_errors(interop_cluster:erlangs()) of
        [] -> ok;
        Errors -> error({errors_logged, Errors})
    end.

remove(Directory) ->
    case file:del_dir_r(Directory) of
        {error, enoent} -> ok;
        Result -> Result
    end.

say(Format, Arguments) ->
    io:format(Format, Arguments).
