/* dist/epmd.h - messages of the port mapper daemon, both sides.  Pure.
 *
 * erl_dist_protocol, "Distribution Protocol / EPMD Protocol".  Requests have a 2-byte length;
 * replies have none. */
#ifndef NPRI_DIST_EPMD_H
#define NPRI_DIST_EPMD_H

#include "nprocreg/types.h"

#include "base/bytes.h"

enum npri_epmd_request_kind {
    NPRI_EPMD_ALIVE2,       /* 120: register; the connection then holds the name */
    NPRI_EPMD_PORT_PLEASE2, /* 122: where is that name? */
    NPRI_EPMD_NAMES,        /* 110 */
    NPRI_EPMD_DUMP,         /* 100 */
    NPRI_EPMD_KILL,         /* 107 */
    NPRI_EPMD_STOP,         /* 115 */
};

struct npri_epmd_request {
    enum npri_epmd_request_kind kind;
    struct npr_bytes name;  /* without @host; ALIVE2, PORT_PLEASE2, STOP.  Borrowed */
    struct npr_bytes extra; /* ALIVE2 */
    uint16_t port;
    uint8_t type; /* 77 visible, 72 hidden */
    uint8_t protocol;
    uint16_t version_high;
    uint16_t version_low;
};

#define NPRI_EPMD_TYPE_VISIBLE 77
#define NPRI_EPMD_TYPE_HIDDEN  72

/* Appends the request with its length. */
void npri_epmd_write_request(const struct npri_epmd_request *request, struct npri_buffer *out);

/* Reads one request from the front.  NPR_OK (`*out_used` set); NPR_ENOTFOUND: more bytes needed;
 * NPR_EPROTO: hang up. */
NPR_NODISCARD npr_status npri_epmd_read_request(struct npr_bytes bytes,
                                                struct npri_epmd_request *out,
                                                size_t *out_used,
                                                struct npr_error *err);

/* Replies of the server.  With large_creation the ALIVE2 reply is the 118 form of epmd >= 23. */
void npri_epmd_write_alive_reply(uint8_t result,
                                 uint32_t creation,
                                 bool large,
                                 struct npri_buffer *out);
void npri_epmd_write_port_reply(const struct npri_epmd_request *registration, /* NULL: not known */
                                struct npri_buffer *out);
void npri_epmd_write_names_header(uint32_t epmd_port, struct npri_buffer *out);
void npri_epmd_write_names_line(struct npr_bytes name, uint16_t port, struct npri_buffer *out);

/* Replies at the client; same return values as npri_epmd_read_request(). */
NPR_NODISCARD npr_status npri_epmd_read_alive_reply(struct npr_bytes bytes,
                                                    uint8_t *out_result,
                                                    uint32_t *out_creation,
                                                    struct npr_error *err);
/* NPR_EREFUSED: the name is not registered. */
NPR_NODISCARD npr_status npri_epmd_read_port_reply(struct npr_bytes bytes,
                                                   uint16_t *out_port,
                                                   struct npr_error *err);

#endif /* NPRI_DIST_EPMD_H */
