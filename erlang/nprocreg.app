{application, nprocreg, [
    {description, "Stand-in for nprocreg 0.3.0, for the interop tests"},
    {vsn, "0.3.0"},
    {registered, [nprocreg]},
    {applications, [kernel, stdlib]},
    {mod, {nprocreg, []}}
]}.
