/* nprocreg/names.h - registered names of processes, as Erlang's register/2: each node has its own.
 *
 * What is sent to {Name, Node} by Erlang, or to a struct npr_address with a name, reaches the
 * process that has the name at that moment, and calls and monitors do too.  (A key of
 * nprocreg/registry.h is another thing: one for the whole cluster, and it starts what is missing.)
 *
 * A name is an atom: 1 to 255 characters of UTF-8, not "undefined".  Only processes of this node
 * get names; one may have several, and they are free again when it is dead.  The names of the
 * library's own servers (net_kernel, nprocreg, ...) are not to be had.
 *
 * Threads: the functions with a node may be called from any thread, callbacks included; those with
 * a `self` as nprocreg/process.h says.  None blocks. */
#ifndef NPROCREG_NAMES_H
#define NPROCREG_NAMES_H

#include "nprocreg/node.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Gives `pid` that name.  Returns NPR_OK, NPR_EEXIST (another process, or the same, has it),
 * NPR_ENOPROC (no such process on this node), NPR_EINVAL (no name, or none of that form),
 * NPR_ENOMEM or NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_node_register_name(struct npr_node *node,
                                                        const char *name,
                                                        const struct npr_pid *pid);

/* Frees the name.  Returns NPR_OK, NPR_ENOTFOUND (nobody has it), NPR_EREFUSED (it is the
 * library's), NPR_EINVAL or NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_node_unregister_name(struct npr_node *node, const char *name);

/* Who has the name.  Returns NPR_OK, NPR_ENOTFOUND, NPR_EINVAL or NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_node_whereis(struct npr_node *node,
                                                  const char *name,
                                                  struct npr_pid *out_pid);

/* The same for the running process, on its node: it takes the name for itself, frees a name that
 * may be another's, asks who has one.  Return as above, never NPR_ECLOSED. */
NPR_API NPR_NODISCARD npr_status npr_register_name(struct npr_process *self, const char *name);
NPR_API NPR_NODISCARD npr_status npr_unregister_name(struct npr_process *self, const char *name);
NPR_API NPR_NODISCARD npr_status npr_whereis(struct npr_process *self,
                                             const char *name,
                                             struct npr_pid *out_pid);

#ifdef __cplusplus
}
#endif
#endif /* NPROCREG_NAMES_H */
