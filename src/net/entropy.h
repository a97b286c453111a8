/* net/entropy.h - what only the operating system and OpenSSL can give.  Any thread. */
#ifndef NPRI_NET_ENTROPY_H
#define NPRI_NET_ENTROPY_H

#include <stddef.h>
#include <stdint.h>

/* Unpredictable bytes.  Blocks only before the system's pool is first filled. */
void npri_entropy(void *out, size_t size);

/* Microseconds since 1970, as far as this machine knows.  May jump either way. */
uint64_t npri_wall_clock_us(void);

/* MD5 (RFC 1321), for placement and the cookie digest: both are the wire's choice, not ours. */
void npri_md5(const void *data, size_t size, uint8_t out[16]);

#endif /* NPRI_NET_ENTROPY_H */
