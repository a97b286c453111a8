#include "node/options.h"

#include <string.h>

#include "base/bytes.h"
#include "base/fail.h"
#include "base/limits.h"

#define WORKERS_MAX         1024u
#define FRAME_BYTES_MIN     65536u

#define HEARTBEAT_MS_MAX    600000u
#define NODE_TIMEOUT_MS_MAX 3600000u

npr_status npri_options_check(const struct npr_node_options *options, struct npr_error *err)
{
    size_t cookie_size;

    if (options == NULL || options->struct_size != sizeof(*options)) {
        return npri_fail(err, NPR_EINVAL,
                         "the options are not those of this release: start from "
                         "NPR_NODE_OPTIONS_INIT");
    }
    if (options->name == NULL) {
        return npri_fail(err, NPR_EINVAL, "name: missing");
    }
    if (options->cookie == NULL) {
        return npri_fail(err, NPR_EINVAL, "cookie: missing");
    }
    cookie_size = strlen(options->cookie);
    if (cookie_size == 0 || cookie_size > NPRI_COOKIE_BYTES_MAX) {
        return npri_fail(err, NPR_EINVAL, "cookie: it has %zu bytes, 1 to %u are allowed",
                         cookie_size, NPRI_COOKIE_BYTES_MAX);
    }
    if (options->client && options->listen != NULL) {
        return npri_fail(err, NPR_EINVAL, "listen: a client does not listen");
    }
    if (options->join_count > 0 && options->join == NULL) {
        return npri_fail(err, NPR_EINVAL, "join_count without join");
    }
    if (options->otp != 0 && options->otp != 25 && options->otp != 26) {
        return npri_fail(err, NPR_EINVAL, "otp: %u is not one of 0, 25, 26",
                         (unsigned)options->otp);
    }
    if (options->workers > WORKERS_MAX) {
        return npri_fail(err, NPR_EINVAL, "workers: more than %u", WORKERS_MAX);
    }
    if (options->net_ticktime_s == 0 || options->handshake_ms_max == 0 ||
        options->handshakes_max == 0 || options->queue_ms_max == 0 ||
        options->queue_bytes_max == 0) {
        return npri_fail(err, NPR_EINVAL,
                         "net_ticktime_s, handshake_ms_max, handshakes_max, queue_bytes_max and "
                         "queue_ms_max may not be 0");
    }
    if (options->heartbeat_ms == 0 || options->heartbeat_ms > HEARTBEAT_MS_MAX ||
        options->heartbeat_ms > options->node_timeout_ms / 2) {
        return npri_fail(err, NPR_EINVAL,
                         "heartbeat_ms: %u is not between 1 and half of node_timeout_ms, which is "
                         "%u, nor more than %u",
                         (unsigned)options->heartbeat_ms, (unsigned)options->node_timeout_ms,
                         HEARTBEAT_MS_MAX);
    }
    if (options->node_timeout_ms > NODE_TIMEOUT_MS_MAX) {
        return npri_fail(err, NPR_EINVAL, "node_timeout_ms: %u is more than %u",
                         (unsigned)options->node_timeout_ms, NODE_TIMEOUT_MS_MAX);
    }
    if (options->quorum > NPRI_VIEW_NODES_MAX) {
        return npri_fail(err, NPR_EINVAL,
                         "quorum: %u is more than the %u nodes that a cluster may have",
                         (unsigned)options->quorum, NPRI_VIEW_NODES_MAX);
    }
    if (options->placement != NPR_PLACEMENT_ORIGINAL &&
        options->placement != NPR_PLACEMENT_RENDEZVOUS) {
        return npri_fail(err, NPR_EINVAL, "placement: no such");
    }
    if (options->frame_bytes_max < FRAME_BYTES_MIN || options->frame_bytes_max > UINT32_MAX) {
        return npri_fail(err, NPR_EINVAL, "frame_bytes_max: not between %u and %u bytes",
                         FRAME_BYTES_MIN, UINT32_MAX);
    }
    return NPR_OK;
}

/* Digits only, 0..65535. */
static bool read_port(const char *text, uint16_t *out)
{
    unsigned port = 0;

    if (*text == '\0') {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        port = port * 10 + (unsigned)(*text - '0');
        if (port > UINT16_MAX) {
            return false;
        }
    }
    *out = (uint16_t)port;
    return true;
}

npr_status npri_endpoint_parse(const char *text, struct npri_endpoint *out, struct npr_error *err)
{
    const char *colon = strrchr(text, ':');
    struct npri_endpoint endpoint = {0};
    const char *host = text;
    size_t size;

    if (colon == NULL || !read_port(colon + 1, &endpoint.port)) {
        return npri_fail(err, NPR_EINVAL, "%s: not of the form host:port", text);
    }
    size = (size_t)(colon - text);
    if (size >= 2 && host[0] == '[' && host[size - 1] == ']') {
        host++;
        size -= 2;
    }
    if (size == 0 || size >= sizeof(endpoint.host)) {
        return npri_fail(err, NPR_EINVAL, "%s: the host is empty or too long", text);
    }
    memcpy(endpoint.host, host, size);
    *out = endpoint;
    return NPR_OK;
}

npr_status npri_peer_parse(const char *text,
                           struct npr_node_name *out_name,
                           uint16_t *out_port,
                           struct npr_error *err)
{
    const char *at = strchr(text, '@');
    const char *colon = at == NULL ? NULL : strchr(at, ':');
    struct npr_node_name name;
    uint16_t port = 0;
    npr_status status;

    /* A second colon belongs to an IPv6 address, which carries no port here. */
    if (colon != NULL && strchr(colon + 1, ':') != NULL) {
        colon = NULL;
    }
    if (colon != NULL && (!read_port(colon + 1, &port) || port == 0)) {
        return npri_fail(err, NPR_EINVAL, "%s: not of the form name@host or name@host:port", text);
    }
    status = npr_node_name_parse(
        npri_bytes(text, colon == NULL ? strlen(text) : (size_t)(colon - text)), &name, err);
    if (status != NPR_OK) {
        return status;
    }
    *out_name = name;
    *out_port = port;
    return NPR_OK;
}

void npri_host_of(const struct npr_node_name *name, char out[NPRI_HOST_BYTES_MAX])
{
    size_t at = 0;
    size_t size = 0;

    while (at < name->size && name->text[at] != '@') {
        at++;
    }
    for (at++; at < name->size; at++) {
        out[size++] = name->text[at];
    }
    out[size] = '\0';
}
