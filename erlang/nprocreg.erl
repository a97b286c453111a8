%% A stand-in for the Erlang application nprocreg 0.3.0: the same module and table names, the same
%% messages, the same placement, so that the interop tests can run where the original is not
%% installed.  Written from the description of its behaviour; docs/testing.md says how to run the
%% same tests against the original itself.
%%
%% Two habits of the original are kept on purpose, since a neighbour must live with them: a start
%% does not look again before it starts, and a time-out while looking counts as "not here".
-module(nprocreg).
-behaviour(gen_server).
-behaviour(application).

-export([get_pid/1, get_pid/2, register_pid/2, unregister_key/1, get_status/0]).
-export([start_link/0, start/2, stop/1]).
-export([init/1, handle_call/3, handle_cast/2, handle_info/2]).

-define(ENTRIES, nprocreg_data).     % {Key, Pid}; neighbours read it by this name
-define(KEYS, nprocreg_index).       % {Pid, Key}
-define(NODE_LIST, nprocreg_nodes).  % {nodes, [Node], GoodUntilMs}

-define(LOOKUP_MS, 1000).
-define(NODE_LIST_MS, 1000).
-define(CHATTER_MS, 5000).
-define(SILENCE_MS_MAX, 10000).

%% The process that lives under Key, or undefined.
get_pid(Key) ->
    {Owner, Others} = place(Key),
    find([Owner | Others], Key).

%% The same, and if there is none, Fun is started on the node that Key hashes to.
get_pid(Key, Fun) when is_function(Fun, 0) ->
    {Owner, Others} = place(Key),
    case find([Owner | Others], Key) of
        undefined -> gen_server:call({?MODULE, Owner}, {start_function, Key, Fun});
        Pid -> Pid
    end.

register_pid(Key, Pid) ->
    gen_server:cast(?MODULE, {register_pid, Key, Pid}).

unregister_key(Key) ->
    gen_server:cast(?MODULE, {unregister_key, Key}).

%% How many entries this node holds.
get_status() ->
    gen_server:call(?MODULE, get_status).

find([], _Key) ->
    undefined;
find([Node | Rest], Key) ->
    case lookup(Node, Key) of
        [{_, Pid}] -> Pid;
        _NotHereOrUnreachable -> find(Rest, Key)
    end.

lookup(Node, Key) when Node =:= node() ->
    ets:lookup(?ENTRIES, Key);
lookup(Node, Key) ->
    rpc:call(Node, ets, lookup, [?ENTRIES, Key], ?LOOKUP_MS).

%% {Owner, [Other]} in the present view.
place(Key) ->
    Nodes = nodes_alive(),
    Hash = binary:decode_unsigned(erlang:md5(term_to_binary(Key))),
    Owner = lists:nth(Hash rem length(Nodes) + 1, Nodes),
    {Owner, lists:delete(Owner, Nodes)}.

nodes_alive() ->
    Now = erlang:monotonic_time(millisecond),
    case ets:lookup(?NODE_LIST, nodes) of
        [{nodes, Nodes, GoodUntil}] when Now < GoodUntil ->
            Nodes;
        _ ->
            Known = gen_server:call(?MODULE, get_nodes),
            Nodes = lists:sort([N || N <- Known, N =:= node() orelse net_adm:ping(N) =:= pong]),
            Expiry = erlang:monotonic_time(millisecond) + ?NODE_LIST_MS,
            ets:insert(?NODE_LIST, {nodes, Nodes, Expiry}),
            Nodes
    end.

%% The application.

start(_Type, _Args) ->
    start_link().

stop(_State) ->
    ok.

start_link() ->
    gen_server:start_link({local, ?MODULE}, ?MODULE, [], []).

%% The server.  Its state is #{Node => when it was last heard of, in ms, or `always`}.

init([]) ->
    ?ENTRIES = ets:new(?ENTRIES, [named_table, protected, {read_concurrency, true}]),
    ?KEYS = ets:new(?KEYS, [named_table, protected]),
    ?NODE_LIST = ets:new(?NODE_LIST, [named_table, public]),
    {ok, _} = timer:apply_interval(?CHATTER_MS, gen_server, cast, [?MODULE, broadcast_node]),
    gen_server:cast(self(), broadcast_node),
    {ok, #{node() => always}}.

handle_call(get_status, _From, Heard) ->
    {reply, ets:info(?ENTRIES, size), Heard};
handle_call(get_nodes, _From, Heard) ->
    {reply, maps:keys(Heard), Heard};
handle_call({start_function, Key, Fun}, _From, Heard) ->
    {Pid, _Monitor} = spawn_monitor(Fun),
    store(Key, Pid),
    {reply, Pid, Heard};
handle_call(Request, From, Heard) ->
    logger:error("nprocreg: unknown call ~0tp from ~0tp", [Request, From]),
    {reply, invalid_message, Heard}.

handle_cast({register_node, Node}, Heard) ->
    {noreply, Heard#{Node => erlang:monotonic_time(millisecond)}};
handle_cast(broadcast_node, Heard) ->
    Oldest = erlang:monotonic_time(millisecond) - ?SILENCE_MS_MAX,
    gen_server:abcast(nodes(), ?MODULE, {register_node, node()}),
    {noreply, maps:filter(fun(_, At) -> At =:= always orelse At > Oldest end, Heard)};
handle_cast({register_pid, Key, Pid}, Heard) ->
    monitor(process, Pid),
    store(Key, Pid),
    {noreply, Heard};
handle_cast({unregister_key, Key}, Heard) ->
    case ets:lookup(?ENTRIES, Key) of
        [{_, Pid}] -> forget(Key, Pid);
        [] -> ok
    end,
    {noreply, Heard};
handle_cast(Message, Heard) ->
    logger:error("nprocreg: unknown cast ~0tp", [Message]),
    {noreply, Heard}.

handle_info({'DOWN', _, process, Pid, _}, Heard) ->
    case ets:lookup(?KEYS, Pid) of
        [{_, Key}] -> forget(Key, Pid);
        [] -> ok
    end,
    {noreply, Heard};
handle_info(_, Heard) ->
    {noreply, Heard}.

store(Key, Pid) ->
    ets:insert(?ENTRIES, {Key, Pid}),
    ets:insert(?KEYS, {Pid, Key}).

forget(Key, Pid) ->
    ets:delete(?ENTRIES, Key),
    ets:delete(?KEYS, Pid).
