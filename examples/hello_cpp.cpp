/* hello_cpp.cpp - hello.c in C++17: a program that is a node, starts a process under a key, calls
 * it and prints its answer.
 *
 *      c++ -std=c++17 hello_cpp.cpp $(pkg-config --cflags --libs nprocreg) -o hello && ./hello
 *      {hello,<<"world">>,1}
 *
 * No exception may leave a callback: the worker that runs it is C.  A state is zeroed memory; one
 * with a constructor is made in init and destroyed in terminate, as here. */
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>

#include "nprocreg/nprocreg.h"

namespace
{

/* ---- What this program needs of the API, with owners and exceptions. */

struct node_deleter {
    void operator()(npr_node *node) const
    {
        npr_node_stop(node);
    }
};
struct builder_deleter {
    void operator()(npr_builder *builder) const
    {
        npr_builder_destroy(builder);
    }
};
using node_owner = std::unique_ptr<npr_node, node_deleter>;

void check(npr_status status, const npr_error &err)
{
    if (status != NPR_OK) {
        throw std::runtime_error(std::string(npr_status_text(status)) + ": " + err.text);
    }
}

/* A builder, and the term that it holds. */
class built
{
  public:
    built() : builder(npr_builder_create())
    {
        if (!builder) {
            throw std::bad_alloc();
        }
    }

    template <class... T> explicit built(const char *format, const T &...values) : built()
    {
        NPR_BUILD(builder.get(), format, values...);
    }

    npr_builder *get()
    {
        return builder.get();
    }

    npr_term term()
    {
        npr_error err = {};
        npr_term out = {};

        check(npr_builder_finish(builder.get(), &out, &err), err);
        return out;
    }

  private:
    std::unique_ptr<npr_builder, builder_deleter> builder;
};

/* ---- The process. */

struct greeter {
    std::string last;
    std::int64_t greeted = 0;
};

npr_status greeter_init(npr_process *, void *state, npr_term)
{
    new (state) greeter();
    return NPR_OK;
}

void greeter_terminate(npr_process *, void *state, npr_term)
{
    static_cast<greeter *>(state)->~greeter();
}

npr_status greeter_call(npr_process *self, void *state, const npr_from *from, npr_term request)
try {
    auto &me = *static_cast<greeter *>(state);
    npr_builder *reply = npr_scratch(self);
    npr_term term = {};
    npr_bytes name = {};

    if (NPR_MATCH(request, "{greet,~b}", &name)) {
        me.last.assign(reinterpret_cast<const char *>(name.data), name.size);
        me.greeted++;
        NPR_BUILD(reply, "{hello,~b,~i}", me.last.c_str(), me.greeted);
    } else {
        NPR_BUILD(reply, "{error,unknown}");
    }
    const npr_status status = npr_builder_finish(reply, &term, nullptr);
    return status == NPR_OK ? npr_reply(self, from, term) : status;
} catch (const std::exception &) {
    return NPR_ENOMEM; /* ends this process, with reason {error,enomem} */
}

/* ---- The program. */

void run()
{
    npr_behaviour behaviour = {};
    behaviour.struct_size = sizeof(behaviour);
    behaviour.state_bytes = sizeof(greeter);
    behaviour.init = greeter_init;
    behaviour.call = greeter_call;
    behaviour.terminate = greeter_terminate;
    const npr_function function = {"start", 0, &behaviour};
    const npr_module module = {NPR_MODULE_ABI, "hello", &function, 1};
    const npr_module *const modules[] = {&module};

    npr_node_options options = NPR_NODE_OPTIONS_INIT;
    options.name = "hello@127.0.0.1";
    options.cookie = "secret";
    options.listen = "127.0.0.1:0";
    options.modules = modules;
    options.modules_count = 1;

    npr_error err = {};
    npr_node *started = nullptr;
    check(npr_node_start(&options, &started, &err), err);
    const node_owner node(started); /* stops before what it borrows goes */

    npr_found found = {};
    check(npr_get_pid(node.get(), built("{greeter,~i}", 7).term(), "hello", "start", 5000, &found,
                      &err),
          err);
    npr_address address = {};
    address.pid = found.pid;
    built reply;
    check(npr_node_call(node.get(), &address, built("{greet,~b}", "world").term(), 5000,
                        reply.get(), &err),
          err);
    const std::unique_ptr<char, decltype(&std::free)> text(npr_term_print(reply.term()),
                                                           &std::free);
    std::cout << (text ? text.get() : "out of memory") << '\n';
}

} // namespace

int main()
{
    try {
        run();
        return EXIT_SUCCESS;
    } catch (const std::exception &e) {
        std::cerr << "hello: " << e.what() << '\n';
        return EXIT_FAILURE;
    }
}
