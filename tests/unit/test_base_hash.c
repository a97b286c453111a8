/* base/hash.h. */
#include "base/hash.h"
#include "support/check.h"

/* The reference implementation's key (bytes 0 to 15) and messages (bytes 0, 1, 2...), SipHash-1-3.
 * Mistakes: a wrong rotation, words read the wrong way round, the length left out. */
static void agrees_with_the_reference(void **state)
{
    static const uint64_t expected[] = {
        UINT64_C(0xabac0158050fc4dc), UINT64_C(0xc9f49bf37d57ca93), UINT64_C(0x82cb9b024dc7d44d),
        UINT64_C(0x8bf80ab8e7ddf7fb), UINT64_C(0xcf75576088d38328), UINT64_C(0xdef9d52f49533b67),
        UINT64_C(0xc50d2b50c59f22a7), UINT64_C(0xd3927d989bb11140), UINT64_C(0x369095118d299a8e),
    };
    const struct npri_hash_key key = {{UINT64_C(0x0706050403020100), UINT64_C(0x0f0e0d0c0b0a0908)}};
    uint8_t bytes[16];

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)i;
    }
    for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
        assert_int_equal(npri_hash(key, npri_bytes(bytes, i)), expected[i]);
    }
}

/* Two messages that met under the multiplying hash, whatever its seed, since it carried the highest
 * bit of a word to known places of the next. */
static void no_pair_meets_under_every_key(void **state)
{
    const uint64_t first[2] = {1, 2};
    const uint64_t second[2] = {first[0] ^ UINT64_C(1) << 63,
                                first[1] ^ (UINT64_C(1) << 63 | UINT64_C(1) << 34)};
    unsigned met = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        const struct npri_hash_key key = {{seed, ~seed}};

        met += npri_hash(key, npri_bytes(first, sizeof(first))) ==
                       npri_hash(key, npri_bytes(second, sizeof(second)))
                   ? 1
                   : 0;
    }
    assert_int_equal(met, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_reference),
        cmocka_unit_test(no_pair_meets_under_every_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
