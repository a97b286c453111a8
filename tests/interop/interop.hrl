%% What the cases are written with.

%% Expr, evaluated in the Erlang node of that short name.
-define(ON(Node, Expr), interop_cluster:on(Node, fun() -> Expr end)).

%% Expr must be Expected, exactly.
-define(EQUAL(Expected, Expr), interop_check:equal(Expected, Expr, ??Expr, ?LINE)).

-define(TRUE(Expr), interop_check:equal(true, Expr, ??Expr, ?LINE)).

%% Expr must become Expected within a bounded time; while it raises, it is not there yet.
-define(EVENTUALLY(Expected, Expr),
        interop_check:eventually(Expected, fun() -> Expr end, ??Expr, ?LINE)).
