%% A native node that is drained, as Erlang nodes see it: nothing, but that a process is elsewhere.
-module(interop_drain).
-export([cluster/0, cases/0, call_on/2]).

-include("interop.hrl").

cluster() ->
    [{a, erlang}, {n1, native}, {n2, native}].

cases() ->
    [{"calls go through a drain, and monitors hear of the successor", fun() -> calls(n2) end},
     {"also when the next owner is an original", fun() -> calls(a) end},
     {"a caller that the successor cannot reach gets its answer", fun unreachable/0},
     {"a process without a state is started afresh by a call of its old pid", fun stateless/0}].

%% One of n1's that is Next's when n1 is left out.
key(Next) ->
    [Key] = interop_keys:fresh(interop_cluster:name(n1), interop_cluster:names([a, n1, n2]), 1),
    case interop_keys:owner(Key, interop_cluster:names([a, n2])) =:= interop_cluster:name(Next) of
        true -> Key;
        false -> key(Next)
    end.

drain(Short) ->
    interop_cluster:command(["drain", atom_to_list(interop_cluster:name(Short)), "--deadline", "20s",
                             "--cookie-file", interop_cluster:in_directory(".erlang.cookie")]).

%% On an Erlang node: adds 1 until told to stop, then tells how it went.
call_on(Pid, Last) ->
    receive
        {stop, From} -> From ! {calls, Last}
    after 0 ->
        Reply = try gen_server:call(Pid, {add, 1}) catch Class:Reason -> {Class, Reason} end,
        case Reply of
            Next when Next =:= Last + 1 -> call_on(Pid, Next);
            _ -> receive {stop, From} -> From ! {calls, {Last, Reply}} end
        end
    end.

start_caller(Pid, First) ->
    ?ON(a, spawn(fun() -> interop_drain:call_on(Pid, First) end)).

stop_caller(Caller) ->
    ?ON(a, begin
               Caller ! {stop, self()},
               receive {calls, Result} -> Result after 10000 -> hangs end
           end).

restart(Short) ->
    ?EQUAL(0, interop_cluster:stop_node(Short)),
    interop_cluster:restart(Short),
    interop_cluster:settle().

%% Would catch: a call that fails, or is lost, or carried out twice; a DOWN for a process that lives; a
%% successor whose end nobody hears of who has the old pid.
calls(Owner) ->
    Key = key(Owner),
    N1 = interop_cluster:name(n1),
    N2 = interop_cluster:name(n2),
    Pid = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
    ?EQUAL(N1, node(Pid)),
    ?EQUAL(100, ?ON(a, gen_server:call(Pid, {add, 100}))),
    Watcher = ?ON(a, spawn(fun() ->
                               Ref = monitor(process, Pid),
                               receive {'DOWN', Ref, process, Pid, Reason} ->
                                   receive {why, From} -> From ! {down, Reason} end
                               end
                           end)),
    Caller = start_caller(Pid, 100),
    {0, Output} = drain(n1),
    ?TRUE(binary:match(Output, <<"done left=0">>) =/= nomatch),
    Next = ?ON(a, nprocreg:get_pid(Key)),
    ?EQUAL(N2, node(Next)),
    receive after 100 -> ok end, % some more calls by the old pid
    Total = stop_caller(Caller),
    ?TRUE(is_integer(Total) andalso Total > 100),
    ?EQUAL(Total, ?ON(a, gen_server:call(Next, get))),
    ?EQUAL(true, ?ON(a, is_process_alive(Watcher))),
    ?ON(a, exit(Pid, boom)), % it goes on to the one that lives
    ?EQUAL({down, boom}, ?ON(a, begin
                                    Watcher ! {why, self()},
                                    receive Down -> Down after 10000 -> nothing end
                                end)),
    ?EVENTUALLY(undefined, ?ON(a, nprocreg:get_pid(Key))),
    restart(n1).

%% An Erlang node that listens nowhere, and knows n1 only.  Would catch: a call that is carried out, and
%% whose answer is lost.
unreachable() ->
    Key = key(n2),
    Pid = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
    ?EQUAL(interop_cluster:name(n1), node(Pid)),
    ?EQUAL(1, ?ON(a, gen_server:call(Pid, {add, 1}))),
    {0, _} = drain(n1),
    Code = io_lib:format("true = net_kernel:connect_node(~p), "
                         "Pid = binary_to_term(base64:decode(~p)), "
                         "io:put_chars(io_lib:write(gen_server:call(Pid, {add, 1}))), halt().",
                         [interop_cluster:name(n1), base64:encode(term_to_binary(Pid))]),
    ?EQUAL({0, <<"2">>},
           interop_cluster:erl(["-hidden", "-dist_listen", "false", "-name", "deaf@127.0.0.1"],
                               lists:flatten(Code))),
    restart(n1).

%% `blocking` has nothing to hand over.  Would catch: an Erlang caller that is told noproc.
stateless() ->
    Key = key(n2),
    Pid = ?ON(a, nprocreg:get_pid(Key, fun blocking:start/0)),
    ?EQUAL(interop_cluster:name(n1), node(Pid)),
    ?EQUAL({error, unknown}, ?ON(a, gen_server:call(Pid, hello))),
    {0, Output} = drain(n1),
    ?TRUE(binary:match(Output, <<"ended=">>) =/= nomatch),
    ?EQUAL({error, unknown}, ?ON(a, gen_server:call(Pid, hello))),
    Next = ?ON(a, nprocreg:get_pid(Key)),
    ?TRUE(is_pid(Next) andalso node(Next) =:= interop_cluster:name(n2)),
    restart(n1).
