%% Many callers ask for one fresh key at once.  A native owner starts one process; all get that one.
%% (Two original owners would start two: their keys are not raced for.)
-module(interop_races).
-export([cluster/0, cases/0]).
-export([echo/0]).

-include("interop.hrl").

-define(RACED_KEYS, 2000).
-define(CALLERS_PER_NODE, 8).

cluster() ->
    [{a, erlang}, {b, erlang}, {n1, native}, {n2, native}].

cases() ->
    [{"2,000 fresh keys raced for from four nodes: one process each",
      fun() -> race(?RACED_KEYS, fun() -> fun counter:start/0 end) end},
     {"64 callers on one Erlang node want one fresh key", fun() -> crowd(a) end},
     {"64 callers on one native node want one fresh key", fun() -> crowd(n1) end},
     {"closures raced for from two Erlang nodes: one process each",
      fun() -> race_erlang(fun() -> Word = stop, fun() -> receive Word -> ok end end end) end},
     {"functions that only Erlang has, raced for: one process each",
      fun() -> race_erlang(fun() -> fun ?MODULE:echo/0 end) end}].

echo() ->
    receive stop -> ok end.

%% The keys that natives own, since there the promise holds; half of them for each.
raced_keys(Count) ->
    Members = interop_cluster:names(interop_cluster:members()),
    Natives = interop_cluster:names([n1, n2]),
    lists:append([interop_keys:fresh(Node, Members, Count div 2) || Node <- Natives]).

race(Count, MakeFun) ->
    Keys = raced_keys(Count),
    ?EVENTUALLY(0, native_processes()), %% what the cluster's beginning took has ended
    Before = {entries(), native_processes()},
    Answers = ask(interop_cluster:members(), Keys, MakeFun),
    ?EQUAL(element(2, Before) + Count, native_processes()),
    check(Keys, Answers, Before).

race_erlang(MakeFun) ->
    Keys = raced_keys(200),
    Before = {entries(), native_processes()},
    Answers = ask([a, b], Keys, MakeFun),
    ?EVENTUALLY(length(Keys), erlang_processes()),
    check(Keys, Answers, Before).

%% Every node asks for every key; a native node does so itself, an Erlang node has it called there.
%% [{Key, Pid}], one for each key and node.
ask(Shorts, Keys, MakeFun) ->
    Self = self(),
    Askers = [spawn_monitor(fun() -> Self ! {answers, ask_through(Short, Keys, MakeFun)} end)
              || Short <- Shorts],
    lists:append([receive
                      {answers, Answers} -> Answers;
                      {'DOWN', Ref, process, _, Reason} when Reason =/= normal -> error(Reason)
                  end || {_, Ref} <- Askers]).

ask_through(Short, Keys, MakeFun) ->
    Name = interop_cluster:name(Short),
    Via = case lists:member(Short, [n1, n2]) of true -> a; false -> Short end,
    interop_cluster:on(
      Via,
      fun() ->
          Fun = MakeFun(),
          Get = fun(Key) when Name =:= node() -> nprocreg:get_pid(Key, Fun);
                   (Key) -> rpc:call(Name, nprocreg, get_pid, [Key, Fun])
                end,
          at_once(Get, Keys)
      end).

%% A few callers side by side, each with every eighth key, in the order given: so all nodes are
%% about the same keys at the same time.
at_once(Get, Keys) ->
    Self = self(),
    Numbered = lists:enumerate(Keys),
    Callers =
        [spawn_monitor(fun() ->
                           Mine = [Key || {N, Key} <- Numbered, N rem ?CALLERS_PER_NODE =:= Turn],
                           Self ! {pids, [{Key, Get(Key)} || Key <- Mine]}
                       end) || Turn <- lists:seq(0, ?CALLERS_PER_NODE - 1)],
    lists:append([receive
                      {pids, Pids} -> Pids;
                      {'DOWN', Ref, process, _, Reason} when Reason =/= normal -> error(Reason)
                  end || {_, Ref} <- Callers]).

entries() ->
    Natives = interop_cluster:names([n1, n2]),
    ?ON(a, lists:sum([gen_server:call({nprocreg, Node}, get_status) || Node <- Natives])).

%% All that run on the native nodes, whether somebody got their pids or not.
native_processes() ->
    Natives = interop_cluster:names([n1, n2]),
    ?ON(a, lists:sum([rpc:call(Node, erlang, system_info, [process_count]) || Node <- Natives])).

%% Those on the Erlang nodes that wait in a function of this module: the ones that were started.
erlang_processes() ->
    lists:sum([?ON(Short, length([Pid || Pid <- processes(), Pid =/= self(),
                                         {current_function, {?MODULE, _, _}}
                                             <- [process_info(Pid, current_function)]]))
               || Short <- [a, b]]).

%% All callers of a key have one pid; there are as many entries as keys, each of a living process.
check(Keys, Answers, Before) ->
    ByKey = lists:foldl(fun({Key, Pid}, Map) ->
                            maps:update_with(Key, fun(Pids) -> [Pid | Pids] end, [Pid], Map)
                        end, #{}, Answers),
    ?EQUAL([], [{Key, Pids} || {Key, Pids} <- maps:to_list(ByKey),
                               length(lists:usort(Pids)) =/= 1 orelse not is_pid(hd(Pids))]),
    ?EQUAL(lists:sort(Keys), lists:sort(maps:keys(ByKey))),
    Pids = [hd(Pids) || Pids <- maps:values(ByKey)],
    ?EQUAL(length(Keys), length(lists:usort(Pids))),
    ?EQUAL(element(1, Before) + length(Keys), entries()),
    ?EQUAL([], ?ON(a, [Pid || Pid <- Pids,
                              not rpc:call(node(Pid), erlang, is_process_alive, [Pid])])),
    ?ON(a, [exit(Pid, kill) || Pid <- Pids]),
    ?EVENTUALLY(Before, {entries(), native_processes()}).

crowd(Short) ->
    Name = interop_cluster:name(Short),
    Before = native_processes(),
    [begin
         Pids = ?ON(a, begin
                           Self = self(),
                           [spawn_link(fun() ->
                                           Self ! {pid, rpc:call(Name, nprocreg, get_pid,
                                                                 [Key, fun counter:start/0])}
                                       end) || _ <- lists:seq(1, 64)],
                           [receive {pid, Pid} -> Pid end || _ <- lists:seq(1, 64)]
                       end),
         ?EQUAL([hd(Pids)], lists:usort(Pids)),
         ?TRUE(is_pid(hd(Pids))),
         ?EQUAL(ok, ?ON(b, gen_server:call(hd(Pids), stop)))
     end || Key <- raced_keys(20)],
    ?EVENTUALLY(Before, native_processes()).
