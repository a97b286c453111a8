/* node/exports.h - the functions that processes can be started from, by name.  Immutable once the
 * node runs, so any thread may look. */
#ifndef NPRI_NODE_EXPORTS_H
#define NPRI_NODE_EXPORTS_H

#include "nprocreg/module.h"

#include "base/bytes.h"

#define NPRI_EXPORT_NAME_BYTES 128u

struct npri_commands;

/* One function of a module, and what would be written anew with each start. */
struct npri_export {
    const struct npr_module *module; /* the program's, like */
    const struct npr_function *function;
    struct npri_buffer startable;      /* `fun module:function/0` */
    bool has_init;                     /* or a thread: a worker or the thread begins it */
    bool is_restarted;                 /* when it ends */
    char name[NPRI_EXPORT_NAME_BYTES]; /* "module:function/arity", cut to what fits */
};

struct npri_exports {
    struct npri_export *functions; /* of all modules */
    size_t functions_count;
    const struct npri_commands *commands; /* the node's; NULL: none */
};

/* NPR_OK, or NPR_EINVAL: no module of this release, or a malformed table. */
NPR_NODISCARD npr_status npri_module_check(const struct npr_module *module, struct npr_error *err);

/* Checks and notes the modules.  NPR_OK, NPR_EINVAL (`err` says which and why), NPR_ENOMEM. */
NPR_NODISCARD npr_status npri_exports_init(struct npri_exports *exports,
                                           const struct npr_module *const *modules,
                                           size_t modules_count,
                                           struct npr_error *err);
void npri_exports_fini(struct npri_exports *exports);

/* `module:name/arity`, of a module, else a command; or NULL. */
const struct npr_function *npri_exports_find(const struct npri_exports *exports,
                                             struct npr_bytes module,
                                             struct npr_bytes name,
                                             uint32_t arity);

/* The same of the modules only. */
const struct npri_export *npri_exports_look(const struct npri_exports *exports,
                                            struct npr_bytes module,
                                            struct npr_bytes name,
                                            uint32_t arity);

#endif /* NPRI_NODE_EXPORTS_H */
