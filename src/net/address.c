#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "net/handles.h"

bool npri_address_parse(const char *host, uint16_t port, struct sockaddr_storage *out)
{
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;

    memset(out, 0, sizeof(*out));
    if (uv_ip4_addr(host, port, &ip4) == 0) {
        memcpy(out, &ip4, sizeof(ip4));
        return true;
    }
    if (uv_ip6_addr(host, port, &ip6) == 0) {
        memcpy(out, &ip6, sizeof(ip6));
        return true;
    }
    return false;
}

void npri_address_text(const struct sockaddr_storage *address, char out[64])
{
    char digits[INET6_ADDRSTRLEN] = "?";
    struct sockaddr_in ip4;
    struct sockaddr_in6 ip6;

    if (address->ss_family == AF_INET6) {
        memcpy(&ip6, address, sizeof(ip6));
        (void)uv_ip6_name(&ip6, digits, sizeof(digits)); /* It fits. */
        (void)snprintf(out, 64, "[%s]:%u", digits, (unsigned)ntohs(ip6.sin6_port));
        return;
    }
    memcpy(&ip4, address, sizeof(ip4));
    if (address->ss_family == AF_INET) {
        (void)uv_ip4_name(&ip4, digits, sizeof(digits));
    }
    (void)snprintf(out, 64, "%s:%u", digits, (unsigned)ntohs(ip4.sin_port));
}
