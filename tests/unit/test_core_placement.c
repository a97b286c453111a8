/* core/placement.h: the vectors that Erlang nodes made, and the arithmetic's edges. */
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "core/placement.h"
#include "support/check.h"
#include "term/read.h"
#include "term/write.h"

#define LINE_BYTES  8192
#define NODES_MAX   128
#define FIELD_COUNT 7

static void md5(const void *data, size_t size, uint8_t out[16])
{
    unsigned digest_size = 16;

    assert_int_equal(EVP_Digest(data, size, out, &digest_size, EVP_md5(), NULL), 1);
}

/* Cuts `text` at each `separator`; parts may be empty. */
static size_t split(char *text, char separator, char **out, size_t most)
{
    size_t count = 0;

    while (text != NULL) {
        assert_true(count < most);
        out[count++] = text;
        text = strchr(text, separator);
        if (text != NULL) {
            *text++ = '\0';
        }
    }
    return count;
}

static int by_atom_order(const void *a, const void *b)
{
    return npri_placement_compare(a, b);
}

static uint32_t parse_nodes(char *text, struct npr_node_name *out)
{
    char *names[NODES_MAX];
    const size_t count = split(text, ',', names, NODES_MAX);

    for (size_t i = 0; i < count; i++) {
        out[i] = (struct npr_node_name){.size = (uint8_t)strlen(names[i])};
        memcpy(out[i].text, names[i], out[i].size);
    }
    return (uint32_t)count;
}

static void check_line(char *line)
{
    static struct npr_node_name nodes[NODES_MAX];
    static struct npr_node_name sorted[NODES_MAX];
    static uint8_t bytes[LINE_BYTES];
    char *fields[FIELD_COUNT] = {"", "", "", "", "", "", ""};
    uint8_t expected[16];
    uint8_t digest[16];
    struct npri_buffer scratch = {0};
    struct npri_buffer normal = {0};
    struct npri_buffer encoded = {0};
    struct npr_term term;
    size_t used;
    uint32_t count;
    uint32_t index;

    assert_int_equal(split(line, '\t', fields, FIELD_COUNT), FIELD_COUNT);
    const size_t size = check_unhex(fields[1], bytes, sizeof(bytes));
    (void)check_unhex(fields[2], expected, sizeof(expected));

    /* The key as it is kept, written as OTP 25 writes it, hashes as OTP 25 hashes it. */
    assert_int_equal(
        npri_term_read_versioned(npri_bytes(bytes, size), &scratch, &term, &used, NULL), NPR_OK);
    assert_true(npri_term_normalise(term, &normal));
    npri_term_write((struct npr_term){.data = normal.data, .size = normal.size}, NPR_OTP_25,
                    &encoded);
    md5(encoded.data, encoded.size, digest);
    CHECK_BYTES_EQUAL(npri_bytes(digest, 16), npri_bytes(expected, 16));

    count = parse_nodes(fields[3], nodes);
    assert_int_equal(parse_nodes(fields[4], sorted), count);
    qsort(nodes, count, sizeof(nodes[0]), by_atom_order);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(npr_node_name_equal(&nodes[i], &sorted[i]));
    }
    index = npri_placement_index(digest, count);
    assert_int_equal(index, strtoul(fields[5], NULL, 10));
    assert_string_equal(fields[6], nodes[index].text);
    npri_buffer_fini(&scratch);
    npri_buffer_fini(&normal);
    npri_buffer_fini(&encoded);
}

/* Order of nodes, bytes of the key, number and remainder: each line was made by an Erlang node. */
static void keys_belong_where_erlang_puts_them(void **state)
{
    static char line[LINE_BYTES];
    FILE *file = fopen(NPRI_TEST_DATA "/placement.tsv", "r");
    size_t lines_count = 0;

    (void)state;
    assert_non_null(file);
    while (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        if (strncmp(line, "# ", 2) != 0) {
            check_line(line);
            lines_count++;
        }
    }
    (void)fclose(file);
    assert_true(lines_count > 400);
}

/* The two manners differ for an atom and agree for what has none. */
static void manner_moves_keys_with_atoms_only(void **state)
{
    struct npri_buffer atom = {0};
    struct npri_buffer number = {0};
    struct npri_buffer old = {0};
    struct npri_buffer new = {0};

    (void)state;
    npri_put_atom(&atom, "foo");
    npri_put_int(&number, 42);
    npri_term_write((struct npr_term){atom.data, atom.size}, NPR_OTP_25, &old);
    npri_term_write((struct npr_term){atom.data, atom.size}, NPR_OTP_26, &new);
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&old), npri_bytes("\x83\x64\x00\x03"
                                                          "foo",
                                                          7));
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&new), npri_bytes("\x83\x77\x03"
                                                          "foo",
                                                          6));
    npri_buffer_reset(&old);
    npri_buffer_reset(&new);
    npri_term_write((struct npr_term){number.data, number.size}, NPR_OTP_25, &old);
    npri_term_write((struct npr_term){number.data, number.size}, NPR_OTP_26, &new);
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&old), npri_buffer_bytes(&new));
    npri_buffer_fini(&atom);
    npri_buffer_fini(&number);
    npri_buffer_fini(&old);
    npri_buffer_fini(&new);
}

/* 2^128 - 1 modulo odd and largest counts; catches an overflow of the running remainder. */
static void remainder_is_exact(void **state)
{
    uint8_t digest[16];

    (void)state;
    memset(digest, 0xff, sizeof(digest));
    assert_int_equal(npri_placement_index(digest, 1), 0);
    assert_int_equal(npri_placement_index(digest, 3), 0);
    assert_int_equal(npri_placement_index(digest, 7), 3);
    assert_int_equal(npri_placement_index(digest, 1000000007), 279632276);
    assert_int_equal(npri_placement_index(digest, UINT32_MAX), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_belong_where_erlang_puts_them),
        cmocka_unit_test(manner_moves_keys_with_atoms_only),
        cmocka_unit_test(remainder_is_exact),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
