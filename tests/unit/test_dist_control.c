/* dist/control.h: every operation against its own table of what OTP accepts, and the forms that are
 * written for peers with different flags. */
#include <stdio.h>

#include "base/alloc.h"
#include "dist/control.h"
#include "dist/flags.h"
#include "support/check.h"
#include "term/read.h"

#define HEX_MAX   2048u
#define BYTES_MAX (HEX_MAX / 2u)

/* Terms, on node a@b. */
#define PID_1 "58770361406200000001000000000000000c"
#define PID_2 "58770361406200000002000000000000000c"
#define PID_3 "58770361406200000003000000000000000c"
#define REF_1 "5a000377036140620000000c000000010000000200000003"
#define REF_2 "5a000277036140620000000c0000000100000002"
#define ATOM  "77046563686f"
#define EMPTY "7700"
#define NIL   "6a"
#define MFA                                                                                        \
    "680377016d770166"                                                                             \
    "6101"
#define BIG_2_27 "6208000000"
#define BIG_2_64 "6e0900000000000000000001"
#define MAX_64   "6e0800ffffffffffffffff"

struct spec {
    unsigned op;
    enum npri_control_kind kind;
    const char *fields; /* one letter each, see sample_of() */
    bool payload;
};

/* The table of reference section 5, written down independently of the code. */
static const struct spec specs[] = {
    {1, NPRI_CONTROL_LINK, "ft", false},
    {2, NPRI_CONTROL_SEND, "-t", true},
    {3, NPRI_CONTROL_EXIT_LINK, "fte", false},
    {4, NPRI_CONTROL_UNLINK, "ft", false},
    {6, NPRI_CONTROL_REG_SEND, "f-n", true},
    {7, NPRI_CONTROL_GROUP_LEADER, "ft", false},
    {8, NPRI_CONTROL_EXIT, "fte", false},
    {12, NPRI_CONTROL_SEND, "-t-", true},
    {13, NPRI_CONTROL_EXIT_LINK, "ft-e", false},
    {16, NPRI_CONTROL_REG_SEND, "f-n-", true},
    {18, NPRI_CONTROL_EXIT, "ft-e", false},
    {19, NPRI_CONTROL_MONITOR, "fTr", false},
    {20, NPRI_CONTROL_DEMONITOR, "fTr", false},
    {21, NPRI_CONTROL_DOWN, "Ftre", false},
    {22, NPRI_CONTROL_SEND, "ft", true},
    {23, NPRI_CONTROL_SEND, "ft-", true},
    {24, NPRI_CONTROL_EXIT_LINK, "ft", true},
    {25, NPRI_CONTROL_EXIT_LINK, "ft-", true},
    {26, NPRI_CONTROL_EXIT, "ft", true},
    {27, NPRI_CONTROL_EXIT, "ft-", true},
    {28, NPRI_CONTROL_DOWN, "Ftr", true},
    {29, NPRI_CONTROL_SPAWN_REQUEST, "rflmo", true},
    {30, NPRI_CONTROL_SPAWN_REQUEST, "rflmo-", true},
    {31, NPRI_CONTROL_SPAWN_REPLY, "rtgs", false},
    {32, NPRI_CONTROL_SPAWN_REPLY, "rtgs-", false},
    {33, NPRI_CONTROL_ALIAS_SEND, "fx", true},
    {34, NPRI_CONTROL_ALIAS_SEND, "fx-", true},
    {35, NPRI_CONTROL_UNLINK, "Ift", false},
    {36, NPRI_CONTROL_UNLINK_ACK, "ift", false},
};

#define SPECS_COUNT (sizeof(specs) / sizeof(specs[0]))
#define OPS_END     37u

static const char *sample_of(char letter)
{
    switch (letter) {
    case 'f': /* from: pid */
    case 'F': /* from: pid or atom */
        return PID_1;
    case 't': /* to: pid */
    case 'T': /* to: pid or atom */
        return PID_2;
    case 'n': /* to: atom */
        return ATOM;
    case 'x': /* to: ref */
    case 'r':
        return REF_1;
    case 'l':
        return PID_3;
    case 'm':
        return MFA;
    case 's': /* result */
        return PID_3;
    case 'g': /* flags */
        return "6103";
    case 'i':
    case 'I': /* not 0 */
        return MAX_64;
    case 'e': /* reason */
        return "77066e6f70726f63";
    case 'o': /* options */
        return NIL;
    default: /* unused, token */
        return EMPTY;
    }
}

/* Terms to try in every place, and the letters that take them. */
static const struct {
    const char *hex;
    const char *letters; /* besides e, o and -, which take anything */
} substitutes[] = {
    {PID_3, "fFtTls"},
    {ATOM, "FTns"},
    {EMPTY, "FTns"},
    {REF_2, "xr"},
    {"6100", "gi"},
    {"6101", "giI"},
    {"62ffffffff", ""},
    {"6207ffffff", "giI"},
    {BIG_2_27, "iI"},
    {MAX_64, "iI"},
    {BIG_2_64, ""},
    {NIL, ""},
    {MFA, "m"},
    {"680377016d7701666200000100", "m"}, /* any arity: wrong ones are answered */
    {"680277016d770166", ""},
    {"680377016d7701667701"
     "61",
     ""},
    {"680361017701666101", ""},
    {"6d00000000", ""},
    {"463ff0000000000000", ""},
};

struct tuple {
    char hex[HEX_MAX];
    uint8_t bytes[BYTES_MAX];
    struct npri_buffer scratch;
    struct npr_term term;
};

static void read_tuple(struct tuple *tuple)
{
    const size_t size = check_unhex(tuple->hex, tuple->bytes, sizeof(tuple->bytes));
    size_t used;

    npri_buffer_init(&tuple->scratch, 0);
    assert_int_equal(
        npri_term_read(npri_bytes(tuple->bytes, size), &tuple->scratch, &tuple->term, &used, NULL),
        NPR_OK);
    assert_int_equal(used, size);
}

/* The tuple of `spec`, with `extra` more elements and element `at` (from 0) replaced. */
static void make_tuple(struct tuple *tuple,
                       const struct spec *spec,
                       int extra,
                       size_t at,
                       const char *hex)
{
    const int fields = (int)strlen(spec->fields) + extra;
    int used = snprintf(tuple->hex, HEX_MAX, "68%02x61%02x", (unsigned)fields + 1, spec->op);

    for (int i = 0; i < fields; i++) {
        const char *term = i < (int)strlen(spec->fields) ? sample_of(spec->fields[i]) : EMPTY;

        if (hex != NULL && (size_t)i == at) {
            term = hex;
        }
        used += snprintf(tuple->hex + used, HEX_MAX - (size_t)used, "%s", term);
    }
    assert_true(used < (int)HEX_MAX);
    read_tuple(tuple);
}

static const uint8_t payload_bytes[] = {0x61, 42};
static const struct npr_term payload = {payload_bytes, sizeof(payload_bytes)};
static const struct npr_term no_term = {0};

/* A node's name of 256 bytes in 128 characters is an atom, but no name that we could hold: what
 * passes for a pid here must be one for npr_term_get_pid(). */
static void nodes_with_names_too_long_are_refused(void **state)
{
    static const char *const ops[] = {"680361"
                                      "01",
                                      "680361"
                                      "21"};
    struct npri_control control;
    struct npr_pid pid;
    struct tuple tuple;

    (void)state;
    for (unsigned chars = 127; chars <= 128; chars++) {
        for (size_t i = 0; i < 2; i++) {
            int used = snprintf(tuple.hex, HEX_MAX, "%s%s%s", ops[i], i == 0 ? "" : PID_1,
                                i == 0 ? "58" : "5a0001");

            used += snprintf(tuple.hex + used, HEX_MAX - (size_t)used,
                             chars == 127 ? "77fe" : "760100");
            for (unsigned k = 0; k < chars; k++) {
                used += snprintf(tuple.hex + used, HEX_MAX - (size_t)used, "c3a9");
            }
            (void)snprintf(tuple.hex + used, HEX_MAX - (size_t)used, "0000000c00000001%s",
                           i == 0 ? "00000001" PID_2 : "");
            read_tuple(&tuple);
            assert_int_equal(npri_control_read(tuple.term, payload, &control, NULL),
                             chars == 127 ? NPR_OK : NPR_EPROTO);
            if (chars == 127 && i == 0) {
                assert_true(npr_term_get_pid(control.from, &pid));
                assert_int_equal(pid.node.size, 254);
            }
            npri_buffer_fini(&tuple.scratch);
        }
    }
}

static void check_term(struct npr_term term, const char *hex)
{
    uint8_t bytes[BYTES_MAX];
    const size_t size = hex == NULL ? 0 : check_unhex(hex, bytes, sizeof(bytes));

    CHECK_BYTES_EQUAL(npri_bytes(term.data, term.size), npri_bytes(bytes, size));
}

/* What the letters of `fields` put into the field named by `letters`, or NULL. */
static const char *field_of(const char *fields, const char *letters)
{
    const size_t at = strcspn(fields, letters);

    return fields[at] == '\0' ? NULL : sample_of(fields[at]);
}

/* Every operation, each element in the field that is meant for it, and nothing else set. */
static void every_operation_is_read(void **state)
{
    struct npri_control control;
    struct tuple tuple;

    (void)state;
    for (size_t i = 0; i < SPECS_COUNT; i++) {
        const char *fields = specs[i].fields;

        make_tuple(&tuple, &specs[i], 0, 0, NULL);
        assert_int_equal(npri_control_wants_payload(tuple.term), specs[i].payload);
        assert_int_equal(npri_control_read(tuple.term, payload, &control, NULL), NPR_OK);
        assert_int_equal(control.kind, specs[i].kind);
        check_term(control.from, field_of(fields, "fF"));
        check_term(control.to, field_of(fields, "tTnx"));
        check_term(control.ref, field_of(fields, "r"));
        check_term(control.leader, field_of(fields, "l"));
        check_term(control.mfa, field_of(fields, "m"));
        check_term(control.options, field_of(fields, "o"));
        check_term(control.result, field_of(fields, "s"));
        check_term(control.payload, specs[i].payload ? "612a" : field_of(fields, "e"));
        assert_true(control.id == (field_of(fields, "iI") != NULL  ? UINT64_MAX
                                   : field_of(fields, "g") != NULL ? 3
                                                                   : 0));
        npri_buffer_fini(&tuple.scratch);
    }
}

/* Any term in any place: taken exactly where OTP takes it. */
static void every_element_is_checked(void **state)
{
    struct npri_control control;
    struct tuple tuple;

    (void)state;
    for (size_t i = 0; i < SPECS_COUNT; i++) {
        for (size_t at = 0; at < strlen(specs[i].fields); at++) {
            const char letter = specs[i].fields[at];

            for (size_t k = 0; k < sizeof(substitutes) / sizeof(substitutes[0]); k++) {
                const bool takes =
                    strchr("eo-", letter) != NULL || strchr(substitutes[k].letters, letter) != NULL;
                npr_status status;

                make_tuple(&tuple, &specs[i], 0, at, substitutes[k].hex);
                status = npri_control_read(tuple.term, payload, &control, NULL);
                if (status != (takes ? NPR_OK : NPR_EPROTO)) {
                    fail_msg("op %u element %zu with %s: %d", specs[i].op, at + 2,
                             substitutes[k].hex, status);
                }
                npri_buffer_fini(&tuple.scratch);
            }
        }
    }
}

/* One element more or less makes another message, or none. */
static void arity_is_checked(void **state)
{
    struct npri_control control;
    struct tuple tuple;

    (void)state;
    for (size_t i = 0; i < SPECS_COUNT; i++) {
        for (int extra = -1; extra <= 1; extra += 2) {
            make_tuple(&tuple, &specs[i], extra, 0, NULL);
            assert_int_equal(npri_control_read(tuple.term, payload, &control, NULL), NPR_EPROTO);
            npri_buffer_fini(&tuple.scratch);
        }
    }
}

static void missing_payload_is_refused(void **state)
{
    struct npri_control control;
    struct tuple tuple;

    (void)state;
    for (size_t i = 0; i < SPECS_COUNT; i++) {
        make_tuple(&tuple, &specs[i], 0, 0, NULL);
        assert_int_equal(npri_control_read(tuple.term, no_term, &control, NULL),
                         specs[i].payload ? NPR_EPROTO : NPR_OK);
        npri_buffer_fini(&tuple.scratch);
    }
}

static void unknown_operations_are_refused(void **state)
{
    static const char *others[] = {"6800",
                                   "68016a",
                                   "6a",
                                   "6103",
                                   "68036e0900000000000000000001" EMPTY EMPTY,
                                   "680362ffffffff" PID_1 PID_2,
                                   "680377"
                                   "0131" PID_1 PID_2};
    struct npri_control control;
    struct tuple tuple;

    (void)state;
    for (unsigned op = 0; op < 256; op++) {
        bool known = false;

        for (size_t i = 0; i < SPECS_COUNT; i++) {
            known = known || specs[i].op == op;
        }
        if (!known) {
            (void)snprintf(tuple.hex, HEX_MAX, "680361%02x%s%s", op, PID_1, PID_2);
            read_tuple(&tuple);
            assert_int_equal(npri_control_read(tuple.term, payload, &control, NULL), NPR_EPROTO);
            assert_false(npri_control_wants_payload(tuple.term));
            npri_buffer_fini(&tuple.scratch);
        }
    }
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        (void)snprintf(tuple.hex, HEX_MAX, "%s", others[i]);
        read_tuple(&tuple);
        assert_int_equal(npri_control_read(tuple.term, payload, &control, NULL), NPR_EPROTO);
        npri_buffer_fini(&tuple.scratch);
    }
}

/* ---- Writing. */

/* Which operation goes out for the one that came in. */
static unsigned op_written(unsigned op, uint64_t flags)
{
    const bool payloads = (flags & NPRI_FLAG_EXIT_PAYLOAD) != 0;

    switch (op) {
    case 2:
    case 12:
        return 2; /* The sender is not known. */
    case 22:
    case 23:
        return (flags & NPRI_FLAG_SEND_SENDER) != 0 ? 22 : 2;
    case 3:
    case 13:
    case 24:
    case 25:
        return payloads ? 24 : 3;
    case 8:
    case 18:
    case 26:
    case 27:
        return payloads ? 26 : 8;
    case 21:
    case 28:
        return payloads ? 28 : 21;
    case 16:
        return 6;
    case 30:
    case 32:
    case 34:
        return op - 1;
    case 35:
        return (flags & NPRI_FLAG_UNLINK_ID) != 0 ? 35 : 4;
    default:
        return op;
    }
}

static const struct spec *spec_of(unsigned op)
{
    for (size_t i = 0; i < SPECS_COUNT; i++) {
        if (specs[i].op == op) {
            return &specs[i];
        }
    }
    fail_msg("no spec of %u", op);
    return NULL;
}

/* The reason changes its place with the form: the same term in both for this test. */
static void check_written(const struct spec *in, uint64_t flags)
{
    const struct spec *expected_spec = spec_of(op_written(in->op, flags));
    const char *reason = sample_of('e');
    uint8_t reason_bytes[BYTES_MAX];
    const size_t reason_size = check_unhex(reason, reason_bytes, sizeof(reason_bytes));
    struct npri_control control;
    struct npri_buffer out;
    struct tuple tuple;
    struct tuple expected;
    bool has_payload;

    make_tuple(&tuple, in, 0, 0, NULL);
    make_tuple(&expected, expected_spec, 0, 0, NULL);
    assert_int_equal(
        npri_control_read(tuple.term, (struct npr_term){reason_bytes, reason_size}, &control, NULL),
        NPR_OK);
    npri_buffer_init(&out, 0);
    npri_control_write(&control, flags, &out, &has_payload);
    assert_false(out.failed);
    assert_int_equal(has_payload, expected_spec->payload);
    CHECK_BYTES_EQUAL(npri_buffer_bytes(&out), npri_bytes(expected.term.data, expected.term.size));
    npri_buffer_fini(&out);
    npri_buffer_fini(&tuple.scratch);
    npri_buffer_fini(&expected.scratch);
}

/* Never a form with a trace token, never one that the peer did not offer to understand. */
static void written_forms_follow_the_flags(void **state)
{
    static const uint64_t flags[] = {
        0, NPRI_FLAG_EXIT_PAYLOAD, NPRI_FLAG_UNLINK_ID, NPRI_FLAG_SEND_SENDER, NPRI_FLAGS_OFFERED,
    };

    (void)state;
    for (size_t i = 0; i < SPECS_COUNT; i++) {
        for (size_t k = 0; k < sizeof(flags) / sizeof(flags[0]); k++) {
            check_written(&specs[i], flags[k]);
        }
    }
}

static void every_kind_has_a_name(void **state)
{
    (void)state;
    for (size_t i = 0; i < SPECS_COUNT; i++) {
        assert_string_not_equal(npri_control_name(specs[i].kind), "UNKNOWN");
    }
    assert_string_equal(npri_control_name(NPRI_CONTROL_SPAWN_REQUEST), "SPAWN_REQUEST");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_read),
        cmocka_unit_test(every_element_is_checked),
        cmocka_unit_test(arity_is_checked),
        cmocka_unit_test(missing_payload_is_refused),
        cmocka_unit_test(unknown_operations_are_refused),
        cmocka_unit_test(written_forms_follow_the_flags),
        cmocka_unit_test(nodes_with_names_too_long_are_refused),
        cmocka_unit_test(every_kind_has_a_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
