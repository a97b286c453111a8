%% Keys, and where they belong: computed here, apart from everything that is tested.
-module(interop_keys).
-export([owner/2, fresh/1, fresh/3, mixed/1, mixed_owned/2]).

%% The owner of Key among Nodes, as the original places it.
owner(Key, Nodes) ->
    <<Hash:128>> = erlang:md5(term_to_binary(Key)),
    lists:nth(Hash rem length(Nodes) + 1, lists:sort(Nodes)).

%% A key that no test has used yet.
fresh(Kind) ->
    {Kind, erlang:unique_integer([positive, monotonic])}.

%% Count fresh keys that belong to Owner.
fresh(_Owner, _Nodes, 0) ->
    [];
fresh(Owner, Nodes, Count) ->
    Key = fresh(key),
    case owner(Key, Nodes) of
        Owner -> [Key | fresh(Owner, Nodes, Count - 1)];
        _ -> fresh(Owner, Nodes, Count)
    end.

%% One key of every type for each number, all different.
mixed(Numbers) ->
    lists:append([mixed_of(N) || N <- Numbers]).

%% The first key of every type that belongs to Owner: [{Type, Key}].
mixed_owned(Owner, Nodes) ->
    Tagged = [lists:enumerate(mixed_of(N)) || N <- lists:seq(1, 64)],
    [{Type, hd([K || Keys <- Tagged, {T, K} <- Keys, T =:= Type, owner(K, Nodes) =:= Owner])}
     || {Type, _} <- hd(Tagged)].

mixed_of(N) ->
    Text = integer_to_list(N),
    [list_to_atom("key" ++ Text),
     list_to_atom("Grüße " ++ Text),
     list_to_atom([955 | Text]),
     N,
     -N - 1,
     N bsl 24,
     (1 bsl 63) + N,
     -(1 bsl 64) - N,
     (1 bsl 2100) + N,
     N + 0.5,
     -1.0e-300 * N,
     "string " ++ Text,
     [8364, 955 | Text],
     [key, N],
     [key | N],
     [[], [N]],
     list_to_binary(["binary ", Text]),
     <<N:32/little>>,
     <<N:13>>,
     {key, N},
     {user, {N, <<"x">>}, [a, "b", 1.5]},
     list_to_tuple(lists:seq(N, N + 299)),
     #{key => N},
     #{N => a, <<"b">> => [c], "d" => #{}, 1.5 => 1, -1 => 1.0, {e, f} => g},
     {fun lists:map/2, N}
     | references_of(N)].

%% Pids and references as another node made them; nobody asks that node.
references_of(N) ->
    Elsewhere = <<100, 0, 11, "z@192.0.2.1">>,
    [binary_to_term(<<131, 88, Elsewhere/binary, N:32, 0:32, 77:32>>),
     binary_to_term(<<131, 90, 3:16, Elsewhere/binary, 77:32, N:32, 1:32, 2:32>>),
     binary_to_term(<<131, 89, Elsewhere/binary, N:32, 77:32>>)].
