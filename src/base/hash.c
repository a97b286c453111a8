#include "base/hash.h"

struct state {
    uint64_t v[4];
};

static uint64_t rotate(uint64_t word, unsigned by)
{
    return word << by | word >> (64 - by);
}

static void half_round(uint64_t *a,
                       uint64_t *b,
                       unsigned b_by,
                       uint64_t *c,
                       uint64_t *d,
                       unsigned d_by)
{
    *a += *b;
    *c += *d;
    *b = rotate(*b, b_by) ^ *a;
    *d = rotate(*d, d_by) ^ *c;
    *a = rotate(*a, 32);
}

static void full_round(struct state *state)
{
    uint64_t *v = state->v;

    half_round(&v[0], &v[1], 13, &v[2], &v[3], 16);
    half_round(&v[2], &v[1], 17, &v[0], &v[3], 21);
}

static void take_word(struct state *state, uint64_t word)
{
    state->v[3] ^= word;
    full_round(state);
    state->v[0] ^= word;
}

/* Up to eight bytes, the first one lowest, whatever the machine. */
static uint64_t little_endian(const uint8_t *at, size_t size)
{
    uint64_t word = 0;

    for (size_t i = 0; i < size; i++) {
        word |= (uint64_t)at[i] << 8 * i;
    }
    return word;
}

uint64_t npri_hash(struct npri_hash_key key, struct npr_bytes bytes)
{
    struct state state = {{
        key.words[0] ^ UINT64_C(0x736f6d6570736575),
        key.words[1] ^ UINT64_C(0x646f72616e646f6d),
        key.words[0] ^ UINT64_C(0x6c7967656e657261),
        key.words[1] ^ UINT64_C(0x7465646279746573),
    }};
    size_t at = 0;

    for (; bytes.size - at >= 8; at += 8) {
        take_word(&state, little_endian(bytes.data + at, 8));
    }
    take_word(&state, little_endian(bytes.data + at, bytes.size - at) | (uint64_t)bytes.size << 56);
    state.v[2] ^= 0xff;
    for (unsigned i = 0; i < 3; i++) {
        full_round(&state);
    }
    return state.v[0] ^ state.v[1] ^ state.v[2] ^ state.v[3];
}
