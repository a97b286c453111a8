/* core/native.h: what is no message of a native node. */
#include "core_host_views.h"

#include <string.h>

#include "support/check.h"

/* A message that is none ends the connection, with one line. */
static void nonsense_ends_the_connection(void **state)
{
    static const char *const messages[] = {
        "{push,7,x,[]}",
        "{push,7,1,nolist}",
        "{push,7,1,[{ka,b,1}]}",
        "{push,7,1,[ka]}",
        "{busy,7,1}",
        "{free,7,1,ka,here}",
        "{marker,7}",
        "{unsure,x,1}",
        "{pushed,ka}",
        "{claim,1,ka,b,true,1}",
        "{claim,1,ka,<b@h.1.0>,maybe,1}",
        "{claimed,1,ka,<b@h.1.0>,x}",
        "{taken,1,x,2}",
        "{unclaimed,1,moved,x}",
        "{release,x,ka,1}",
        "{released,x}",
        "{declined,ka,x}",
        "{drop,ka,x}",
        "{conflict,ka,<b@h.1.0>,1,x,2}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
        struct core_host host;

        host_init_settled(&host, "b");
        host_told(&host, "b", messages[i]);
        if (strstr(host.trace, "DISCONNECT b") == NULL) {
            fail_msg("%s", messages[i]);
        }
        host_fini(&host);
    }
}

/* Would catch: a peer whose words are taken for what they are not. */
static void wrong_messages_end_the_connection(void **state)
{
    static const char *const wrong[] = {
        "{view,1,2,3,0,0}",       "{view,0,2,3,0,0,false}",    "{view,1,2,3,9999,0,false}",
        "{view,1,2,3,0,0,maybe}", "{view,a,2,3,0,0,false}",    "{view,1,2,3,0,-1,false}",
        "{node_lost,'b@h'}",      "{node_lost,7,1}",           "{node_lost,'b@h',x}",
        "{beat,0,0,0}",           "{beat,1,99999999999999,0}", "{beat,1,0}",
        "{links,'d@h',1,1,x}",    "{links,'d@h',1,1,[x]}",     "{links,'d@h',1,1,[{'b@h',1}|x]}",
        "{links,7,1,1,[]}",       "{links,'d@h',1,1,[{b,1}]}",
    };
    struct core_host host;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        host_init_beating(&host, 0);
        host_with_natives(&host, "b");
        host_told(&host, "b", wrong[i]);
        if (strstr(host.trace, "DISCONNECT b it told a ") == NULL) {
            fail_msg("%s: %s", wrong[i], host.trace);
        }
        CHECK_VIEW(&host, "a");
        host_fini(&host);
    }
    host_init(&host);
    host_with_natives(&host, "b");
    host_told(&host, "b", "{tomorrow,1}"); /* of a newer node */
    CHECK_TRACE(&host, "");
    host_fini(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonsense_ends_the_connection),
        cmocka_unit_test(wrong_messages_end_the_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
