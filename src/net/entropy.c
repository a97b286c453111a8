#include "net/entropy.h"

#include <openssl/evp.h>
#include <pthread.h>
#include <uv.h>

#include "base/assert.h"

void npri_entropy(void *out, size_t size)
{
    /* Without entropy there is no safe way on: every challenge and creation rests on it. */
    NPRI_ASSERT(uv_random(NULL, NULL, out, size, 0, NULL) == 0);
}

uint64_t npri_wall_clock_us(void)
{
    uv_timeval64_t now = {0};

    (void)uv_gettimeofday(&now); /* It fails for a bad pointer only. */
    return now.tv_sec < 0 ? 0 : (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
}

/* Looking the algorithm up costs more than hashing a key; the result may be used by any thread and
 * lives as long as the program. */
static pthread_once_t md5_once = PTHREAD_ONCE_INIT;
static EVP_MD *md5;

static void md5_fetch(void)
{
    /* A machine that allows only FIPS algorithms still has to hash keys as Erlang does. */
    md5 = EVP_MD_fetch(NULL, "MD5", "-fips");
}

void npri_md5(const void *data, size_t size, uint8_t out[16])
{
    NPRI_ASSERT(pthread_once(&md5_once, md5_fetch) == 0);
    NPRI_ASSERT(md5 != NULL);
    NPRI_ASSERT(EVP_Digest(data, size, out, NULL, md5, NULL) == 1);
}
