%% The command, against original and native nodes alike.  No original node may find fault with it:
%% that none logs an error is checked after every case.
-module(interop_command).
-export([cluster/0, cases/0]).

-include("interop.hrl").

-define(FOUND, 0).
-define(NOT_FOUND, 1).
-define(USAGE, 2).
-define(UNREACHABLE, 3).
-define(TIMEOUT, 4).
-define(REFUSED, 5).

cluster() ->
    [{a, erlang}, {b, erlang}, {n1, native}].

cases() ->
    [{"get starts a key on its owner, and finds it, through any node", fun get_and_start/0},
     {"get of what is not there", fun get_missing/0},
     {"get of a function that the owner has not", fun get_unknown_function/0},
     {"keys as hexadecimal and as plain binaries", fun key_forms/0},
     {"nodes, keys and status", fun questions/0},
     {"await what comes on any node, original nodes among them", fun await/0},
     {"watch, of which original nodes know nothing", fun watch/0},
     {"register and unregister", fun register_and_unregister/0},
     {"send and call, by key and by pid, Erlang and native processes", fun send_and_call/0},
     {"ps, info and kill, Erlang and native processes", fun processes/0},
     {"why, offline: encoding, hash and owner as Erlang computes them", fun why_offline/0},
     {"why, online: who was asked, and what each answered", fun why_online/0},
     {"term reads what Erlang prints, and prints what Erlang reads", fun term/0},
     {"a node that cannot be reached, a wrong cookie, a node that hangs", fun failures/0},
     {"the command is no member and leaves nothing behind", fun no_member/0}].

members() ->
    interop_cluster:names(interop_cluster:members()).

%% Runs the command with words of any kind: {Status, Output}.
run(Words) ->
    interop_cluster:command([word(Word) || Word <- Words]).

word(Word) when is_atom(Word) -> atom_to_binary(Word);
word(Word) -> unicode:characters_to_binary(Word).

%% With --node and --json.
ask(Node, Words) ->
    run(Words ++ ["--node", Node, "--json"]).

text(Term) ->
    io_lib:format("~0tp", [Term]).

%% The value of a field in one line of JSON that has it once: a string, without its quotes, or the
%% text of another value.
field(Name, Output) ->
    Patterns = ["\"" ++ Name ++ "\":\"((?:[^\"\\\\]|\\\\.)*)\"", "\"" ++ Name ++ "\":([a-z0-9.]+)"],
    case [Found || Pattern <- Patterns,
                   {match, [Found]} <- [re:run(Output, Pattern, [{capture, [1], binary}])]] of
        [Value | _] -> Value;
        [] -> {no, Name, in, Output}
    end.

%% A pid as the command prints it: <a@127.0.0.1.85.0>.
pid_text(Pid) ->
    [_, Rest] = string:split(pid_to_list(Pid), "."),
    iolist_to_binary(["<", atom_to_binary(node(Pid)), ".", Rest]).

fresh(Owner) ->
    hd(interop_keys:fresh(Owner, members(), 1)).

get_and_start() ->
    [begin
         Key = fresh(Owner),
         {?FOUND, First} = ask(Asked, ["get", text(Key), "--start", "counter:start"]),
         ?EQUAL(<<"true">>, field("started", First)),
         ?EQUAL(atom_to_binary(Owner), field("node", First)),
         ?EQUAL(iolist_to_binary(text(Key)), field("key", First)),
         Pid = ?ON(b, nprocreg:get_pid(Key)),
         ?EQUAL(pid_text(Pid), field("pid", First)),
         [begin
              {?FOUND, Again} = ask(Other, ["get", text(Key) | Start]),
              ?EQUAL({pid_text(Pid), <<"false">>}, {field("pid", Again), field("started", Again)})
          end || Other <- members(), Start <- [[], ["--start", "counter:start"]]],
         ?EQUAL(Owner, ?ON(a, gen_server:call(Pid, where))),
         ?ON(a, gen_server:call(Pid, stop))
     end || Owner <- members(), Asked <- members()],
    Key = fresh(interop_cluster:name(n1)),
    {?FOUND, Plain} = run(["get", text(Key), "--start", "counter:start", "--node", "a@127.0.0.1"]),
    Pid = ?ON(a, nprocreg:get_pid(Key)),
    ?EQUAL(<<(pid_text(Pid))/binary, "\n">>, Plain).

get_missing() ->
    [?EQUAL({Asked, ?NOT_FOUND}, {Asked, element(1, ask(Asked, ["get", text(fresh(Owner))]))})
     || Owner <- members(), Asked <- members()].

%% Only native owners can say so: an original starts a process that dies at once.
get_unknown_function() ->
    Key = fresh(interop_cluster:name(n1)),
    {?REFUSED, _} = ask('n1@127.0.0.1', ["get", text(Key), "--start", "counter:nosuch"]),
    {?REFUSED, _} = ask('n1@127.0.0.1', ["get", text(Key), "--start", "nosuch:start"]),
    {?USAGE, _} = ask('n1@127.0.0.1', ["get", text(Key), "--start", "nosuch"]),
    {?NOT_FOUND, _} = ask('n1@127.0.0.1', ["get", text(Key)]).

key_forms() ->
    Anybody = ?ON(b, whereis(kernel_sup)),
    [begin
         {?FOUND, Output} = ask(Asked, ["get" | Words] ++ ["--start", "counter:start"]),
         Pid = ?ON(a, nprocreg:get_pid(Key)),
         ?EQUAL(pid_text(Pid), field("pid", Output)),
         ?ON(a, gen_server:call(Pid, stop))
     end || {Words, Key} <-
            [{["-b", "room 7"], <<"room 7">>},
             {["-b", [8364, 955]], unicode:characters_to_binary([8364, 955])},
             {["--hex", binary:encode_hex(term_to_binary({x, 1.5}))], {x, 1.5}},
             {["<<\"room 7\">>"], <<"room 7">>},
             {["\"room 7\""], "room 7"},
             {["16#ff"], 255},
             {[["{key_of, ", pid_text(Anybody), "}"]], {key_of, Anybody}},
             {["#{a => [1, 2.5 | x]}"], #{a => [1, 2.5 | x]}}],
            Asked <- members()].

questions() ->
    Names = lists:sort(members()),
    [begin
         {?FOUND, Nodes} = run(["nodes", "--node", Asked]),
         ?EQUAL(Names, lists:sort([binary_to_atom(Line)
                                   || Line <- string:lexemes(Nodes, "\n")])),
         Key = fresh(Asked),
         Pid = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
         {?FOUND, Keys} = run(["keys", "--node", Asked]),
         Line = unicode:characters_to_binary([text(Key), "\t", pid_text(Pid)]),
         ?TRUE(lists:member(Line, string:lexemes(Keys, "\n"))),
         Some = fun(Words) -> run(["keys", "--node", Asked | Words]) end,
         Prefix = text(list_to_tuple([element(1, Key)])),
         {?FOUND, Begun} = Some(["--prefix", Prefix]),
         ?TRUE(lists:member(Line, string:lexemes(Begun, "\n"))),
         Size = integer_to_binary(length(string:lexemes(Begun, "\n"))),
         ?EQUAL({?FOUND, <<Size/binary, "\n">>}, Some(["--prefix", Prefix, "--count"])),
         ?EQUAL({?FOUND, <<Line/binary, "\n">>}, Some(["--match", text(Key)])),
         ?EQUAL({?FOUND, <<"0\n">>}, Some(["--match", "{no, such, key}", "--count"])),
         All = ?ON(a, gen_server:call({nprocreg, Asked}, get_status)),
         ?EQUAL({?FOUND, iolist_to_binary([integer_to_list(All), "\n"])}, Some(["--count"])),
         {?FOUND, Status} = ask(Asked, ["status"]),
         ?EQUAL(atom_to_binary(Asked), field("node", Status)),
         ?EQUAL(integer_to_binary(?ON(a, gen_server:call({nprocreg, Asked}, get_status))),
                field("entries", Status)),
         ?ON(a, gen_server:call(Pid, stop))
     end || Asked <- members()].

%% Native nodes tell of it, original ones are asked each second: found either way, whoever is asked.
await() ->
    Self = self(),
    Asks = [{Owner, Asked} || Owner <- members(), Asked <- members()],
    Keys = [fresh(Owner) || {Owner, _} <- Asks],
    [spawn_link(fun() ->
                    Self ! {Key, run(["await", text(Key), "--node", Asked, "--timeout", "20s"])}
                end) || {Key, {_, Asked}} <- lists:zip(Keys, Asks)],
    Pids = [?ON(a, nprocreg:get_pid(Key, fun counter:start/0)) || Key <- Keys],
    [receive
         {Key, Outcome} -> ?EQUAL({?FOUND, <<(pid_text(Pid))/binary, "\n">>}, Outcome)
     end || {Key, Pid} <- lists:zip(Keys, Pids)],
    [?EQUAL({?FOUND, <<(pid_text(hd(Pids)))/binary, "\n">>},
            run(["await", text(hd(Keys)), "--node", Asked])) || Asked <- members()],
    {?TIMEOUT, _} = run(["await", "{no, such, key}", "--node", "a@127.0.0.1", "--timeout", "1500ms"]),
    [?ON(a, gen_server:call(Pid, stop)) || Pid <- Pids].

watch() ->
    {?REFUSED, Said} = run(["watch", "--node", "a@127.0.0.1"]),
    {match, _} = re:run(Said, "original node").

register_and_unregister() ->
    [Pid, Other, Dead] = [?ON(b, spawn(fun() -> receive stop -> ok end end)) || _ <- lists:seq(1, 3)],
    ?ON(b, begin
               Ref = monitor(process, Dead),
               Dead ! stop,
               receive {'DOWN', Ref, process, Dead, _} -> ok end
           end),
    [begin
         Key = interop_keys:fresh(registered),
         {?FOUND, _} = run(["register", text(Key), pid_text(Pid), "--node", Asked]),
         ?EQUAL([{Key, Pid}], ?ON(a, rpc:call(Asked, ets, lookup, [nprocreg_data, Key]))),
         ?EQUAL(Pid, ?ON(a, nprocreg:get_pid(Key))),
         {?REFUSED, Taken} = run(["register", text(Key), pid_text(Other), "--node", Asked]),
         {match, _} = re:run(Taken, <<"already registered: ", (pid_text(Pid))/binary>>),
         ?EQUAL(Pid, ?ON(a, nprocreg:get_pid(Key))),
         {?FOUND, Replaced} = run(["register", text(Key), pid_text(Other), "--replace", "--node", Asked]),
         ?EQUAL(lists:member(Asked, interop_cluster:names(interop_cluster:natives())),
                re:run(Replaced, "nobody was asked for consent") =:= nomatch),
         ?EQUAL(Other, ?ON(a, nprocreg:get_pid(Key))),
         {?FOUND, _} = run(["register", text(Key), pid_text(Pid), "--replace", "--node", Asked]),
         {?NOT_FOUND, _} = run(["register", text(Key), pid_text(Dead), "--replace", "--node", Asked]),
         ?EQUAL(Pid, ?ON(a, nprocreg:get_pid(Key))),
         Second = interop_keys:fresh(registered),
         {?FOUND, _} = run(["register", text(Second), text(Key), "--node", Asked]),
         ?EQUAL(Pid, ?ON(a, nprocreg:get_pid(Second))),
         [{?FOUND, _} = run(["unregister", text(Gone), "--node", Asked])
          || Gone <- [Key, Second, Second]],
         ?EQUAL({undefined, undefined}, ?ON(a, {nprocreg:get_pid(Key), nprocreg:get_pid(Second)}))
     end || Asked <- members()],
    ?TRUE(?ON(b, is_process_alive(Pid) andalso is_process_alive(Other))),
    ?ON(b, [To ! stop || To <- [Pid, Other]]).

send_and_call() ->
    Taker = ?ON(a, spawn(fun() ->
                             register(taker, self()),
                             receive {pong, Pid} -> receive {ask, From} -> From ! {got, Pid} end end
                         end)),
    [begin
         Key = fresh(Owner),
         Pid = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
         Calls = [{text(Key), "{add, 20}", <<"20\n">>},
                  {pid_text(Pid), "{add, 22}", <<"42\n">>},
                  {text(Key), "where", <<"'", (atom_to_binary(Owner))/binary, "'\n">>},
                  {pid_text(Pid), "[nonsense]", <<"{error,unknown}\n">>}],
         [?EQUAL({?FOUND, Reply}, run(["call", To, Request, "--node", Asked]))
          || {To, Request, Reply} <- Calls],
         [{?FOUND, _} = run(["send", To, "{'$gen_cast', inc}", "--node", Asked])
          || To <- [text(Key), pid_text(Pid)]],
         ?EVENTUALLY(44, ?ON(b, gen_server:call(Pid, get))),
         {?REFUSED, Said} = run(["call", text(Key), "{crash, {my, reason}}", "--node", Asked]),
         {match, _} = re:run(Said, "{my,reason}"),
         ?EVENTUALLY(?NOT_FOUND, element(1, run(["call", text(Key), "get", "--node", Asked]))),
         {?NOT_FOUND, _} = run(["call", pid_text(Pid), "get", "--node", Asked])
     end || Owner <- members(), Asked <- members()],
    Key = fresh(interop_cluster:name(n1)),
    Counter = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
    Ping = ["{ping, ", pid_text(Taker), "}"],
    {?FOUND, _} = run(["send", text(Key), Ping, "--node", "n1@127.0.0.1"]),
    ?EQUAL({got, Counter}, ?ON(a, begin
                                      Taker ! {ask, self()},
                                      receive Got -> Got after 10000 -> silence end
                                  end)).

%% Would catch: a pid that is asked about on the wrong node, and figures that Erlang has under
%% another name.
processes() ->
    [begin
         Key = fresh(Owner),
         Pid = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
         {?FOUND, Table} = run(["ps", "--node", Owner, "--limit", "1000"]),
         ?TRUE(string:find(Table, pid_text(Pid)) =/= nomatch),
         {?FOUND, _} = run(["ps", "--node", Owner, "--sort", "links", "--limit", "2", "--json"]),
         {?FOUND, Told} = ask(Asked, ["info", text(Key)]),
         ?EQUAL({pid_text(Pid), <<"waiting">>, <<"0">>},
                {field("pid", Told), field("status", Told), field("mailbox", Told)}),
         {?FOUND, Told} = ask(Asked, ["info", pid_text(Pid)]),
         Watcher = ?ON(b, interop_processes:watcher(Pid)),
         {?REFUSED, _} = ask(Asked, ["kill", pid_text(Pid), "normal", "--timeout", "200ms"]),
         {?FOUND, _} = ask(Asked, ["kill", text(Key), "{moved, away}"]),
         ?EQUAL({moved, away}, ?ON(b, interop_processes:reason_seen_by(Watcher))),
         {?NOT_FOUND, _} = ask(Asked, ["kill", pid_text(Pid)]),
         {?NOT_FOUND, _} = ask(Asked, ["info", pid_text(Pid)])
     end || Owner <- members(), Asked <- members()].

%% Keys that are no pids, since those have no text that stands for them.
why_offline() ->
    Nodes = ['a@127.0.0.1', 'B@127.0.0.1', 'n10@127.0.0.1', 'n2@127.0.0.1', 'z_@h.example'],
    List = lists:join(",", [atom_to_list(Node) || Node <- Nodes]),
    [begin
         {?FOUND, Output} = run(["why", text(Key), "--nodes", List, "--otp", "25", "--json"]),
         Bytes = term_to_binary(Key),
         Owner = interop_keys:owner(Key, Nodes),
         ?EQUAL({Key, hex(Bytes), hex(erlang:md5(Bytes)), atom_to_binary(Owner)},
                {Key, field("encoding", Output), field("md5", Output), field("owner", Output)})
     end || Key <- printable_keys()].

hex(Bytes) ->
    string:lowercase(binary:encode_hex(Bytes)).

printable_keys() ->
    [Key || Key <- interop_keys:mixed([3, 200]), no_reference(Key), not negative(Key)].

no_reference(Key) ->
    not (is_pid(Key) orelse is_reference(Key) orelse is_port(Key)).

%% They look like options.
negative(Key) ->
    is_number(Key) andalso Key < 0.

why_online() ->
    Key = fresh(interop_cluster:name(n1)),
    Pid = ?ON(a, nprocreg:get_pid(Key, fun counter:start/0)),
    [begin
         {?FOUND, Output} = ask(Asked, ["why", text(Key)]),
         ?EQUAL(<<"n1@127.0.0.1">>, field("owner", Output)),
         ?EQUAL(hex(term_to_binary(Key)), field("encoding", Output)),
         [{match, _} = re:run(Output, ["\"node\":\"", atom_to_list(Node), "\",\"answer\":\"",
                                       case Node =:= node(Pid) of
                                           true -> pid_text(Pid);
                                           false -> "not here"
                                       end])
          || Node <- members()]
     end || Asked <- members()],
    ?ON(a, gen_server:call(Pid, stop)).

term() ->
    [begin
         {?FOUND, Output} = run(["term", text(Key), "--otp", "25", "--json"]),
         ?EQUAL({Key, hex(term_to_binary(Key))}, {Key, field("hex", Output)}),
         {?FOUND, Lines} = run(["term", "--hex", hex(term_to_binary(Key))]),
         ?EQUAL({Key, Key}, {Key, evaluate(hd(string:lexemes(Lines, "\n")))})
     end || Key <- printable_keys()].

evaluate(Text) ->
    Characters = unicode:characters_to_list([string:trim(Text), "."]),
    {ok, Tokens, _} = erl_scan:string(Characters),
    {ok, Expressions} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Expressions, []),
    Value.

failures() ->
    {?UNREACHABLE, _} = ask("nobody@127.0.0.1", ["get", "key"]),
    [{?UNREACHABLE, _} = ask(Asked, ["get", "key", "--cookie-file",
                                     interop_cluster:in_directory("wrong.cookie")])
     || Asked <- members()],
    interop_cluster:take_errors([a, b]), % They say who was sent away.
    interop_cluster:while_stopped(
      b, fun() -> {?TIMEOUT, _} = ask('b@127.0.0.1', ["get", "key", "--timeout", "1s"]) end),
    {?USAGE, _} = ask('a@127.0.0.1', ["get", "{unbalanced"]),
    {?USAGE, _} = ask('a@127.0.0.1', ["get"]),
    ?EVENTUALLY(?NOT_FOUND, element(1, ask('b@127.0.0.1', ["get", "key"]))).

no_member() ->
    Before = [?ON(Short, lists:sort(nodes(connected))) || Short <- [a, b]],
    [{?NOT_FOUND, _} = ask(Asked, ["get", "{nobody, home}"])
     || Asked <- members(), _ <- lists:seq(1, 5)],
    ?EVENTUALLY(Before, [?ON(Short, lists:sort(nodes(connected))) || Short <- [a, b]]),
    Names = lists:sort(members()),
    [?EQUAL({Node, Names}, {Node, ?ON(a, lists:sort(gen_server:call({nprocreg, Node}, get_nodes)))})
     || Node <- members()].
