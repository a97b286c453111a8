/* nprocreg/module.h - functions that processes can be started from, by name.
 *
 * A program gives its modules to npr_node_options; a shared object for `nprocreg node --module`
 * defines nprocreg_module() with NPR_MODULE. */
#ifndef NPROCREG_MODULE_H
#define NPROCREG_MODULE_H

#include "nprocreg/process.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Changes when a module built for one release cannot be used by another. */
#define NPR_MODULE_ABI 1u

/* `module:name/arity` starts a process of `behaviour`; its init gets the list of arguments. */
struct npr_function {
    const char *name;
    uint8_t arity;
    const struct npr_behaviour *behaviour;
};

/* All pointers must live as long as the node. */
struct npr_module {
    uint32_t abi; /* NPR_MODULE_ABI */
    const char *name;
    const struct npr_function *functions;
    size_t functions_count;
};

/* Loads a shared object and gives the module that it defines.  It stays loaded for the rest of the
 * program, since processes may run its code at any time.  `path` is a file; without a slash the
 * system's library path is searched, as dlopen(3) says.  Blocks while it is read.  Any thread.
 *
 * Returns NPR_OK, or NPR_EINVAL (no such file, not a shared object, no nprocreg_module in it,
 * another NPR_MODULE_ABI, or a malformed table; `err` says which). */
NPR_API NPR_NODISCARD npr_status npr_module_load(const char *path,
                                                 const struct npr_module **out,
                                                 struct npr_error *err);

/* What a shared object must define.  Called once, when it is loaded; any thread. */
typedef const struct npr_module *(*npr_module_fn)(void);
#define NPR_MODULE_SYMBOL "nprocreg_module"
#ifdef __cplusplus
#define NPR_MODULE_LINKAGE extern "C"
#else
#define NPR_MODULE_LINKAGE
#endif
#define NPR_MODULE(variable)                                                                       \
    NPR_MODULE_LINKAGE NPR_API const struct npr_module *nprocreg_module(void);                     \
    const struct npr_module *nprocreg_module(void)                                                 \
    {                                                                                              \
        return &(variable);                                                                        \
    }

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_MODULE_H */
