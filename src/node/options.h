/* node/options.h - the options of a node, checked and taken apart.  Pure. */
#ifndef NPRI_NODE_OPTIONS_H
#define NPRI_NODE_OPTIONS_H

#include "nprocreg/node.h"

/* A host as it is written in names and addresses, terminated. */
#define NPRI_HOST_BYTES_MAX 256u

struct npri_endpoint {
    char host[NPRI_HOST_BYTES_MAX];
    uint16_t port;
};

/* Every field but name, listen, join and modules: NPR_OK or NPR_EINVAL, and `err` names it. */
NPR_NODISCARD npr_status npri_options_check(const struct npr_node_options *options,
                                            struct npr_error *err);

/* "host:port", "[::1]:port".  NPR_OK or NPR_EINVAL. */
NPR_NODISCARD npr_status npri_endpoint_parse(const char *text,
                                             struct npri_endpoint *out,
                                             struct npr_error *err);

/* "b@host" (port 0: not given) or "b@host:port".  NPR_OK or NPR_EINVAL. */
NPR_NODISCARD npr_status npri_peer_parse(const char *text,
                                         struct npr_node_name *out_name,
                                         uint16_t *out_port,
                                         struct npr_error *err);

/* What follows the '@', terminated. */
void npri_host_of(const struct npr_node_name *name, char out[NPRI_HOST_BYTES_MAX]);

#endif /* NPRI_NODE_OPTIONS_H */
