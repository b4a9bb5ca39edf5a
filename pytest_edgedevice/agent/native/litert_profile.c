/* LiteRT's own profiler, in a child: the model is compiled once more with it on, and neither that copy's memory nor a
 * crash is the agent's. The answer is the library's text; the host reads it. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "frames.h"
#include "litert_engine.h"
#include "running.h"

enum { MOST_SUMMARY = 4 << 20, LEAST_LIMIT_S = 40, SLOWDOWN = 4, LONGEST_S = 1 << 20 };

/* What the child says first: how many inferences, or none and a text that says why. */
typedef struct {
    int64_t runs;
    char problem[512];
} Said;

static bool watched(Litert *self, const Profiling *wish, Said *said, const char **summary, Fault *fault) {
    const LitertApi *api = self->api;
    Engine *engine = &self->engine;
    LiteRtHandle profiler = NULL;
    int status = api->get_profiler(self->compiled, &profiler);
    if (status || !profiler) return litert_refused(fault, "model", "give a profiler", status);
    if (!engine->set_inputs(engine, wish->sample, fault)) return false;
    bool done = engine->invoke(engine); /* the first inference prepares what the others find */
    if (done && (status = api->start_profiler(profiler)))
        return litert_refused(fault, "model", "start its profiler", status);
    int64_t begin = clock_ns();
    while (done && said->runs < wish->runs && clock_ns() - begin <= wish->max_ns) {
        done = engine->invoke(engine);
        said->runs += done;
    }
    if (!done) {
        engine->explain(engine, fault);
        return false;
    }
    status = api->stop_profiler(profiler);
    if (!status) status = api->get_summary(profiler, self->compiled, summary);
    return (!status && *summary) || litert_refused(fault, "model", "sum up its profile", status);
}

static void child(const Litert *self, const Profiling *wish, int sink) {
    const LoadOptions options = {.delegate = strcmp(self->kernels, "delegate") ? "cpu" : "xnnpack",
                                 .threads = self->threads,
                                 .allow_fallback = true,
                                 .profiled = true};
    static Said said;
    static Fault fault;
    const char *summary = NULL;
    Model model;
    bool done = model_read(&model, self->engine.model.data, self->engine.model.size, &fault);
    Engine *engine = done ? litert_start(self->runtime, &model, &options, &fault) : NULL;
    done = engine && watched((Litert *)(void *)engine, wish, &said, &summary, &fault);
    if (!done) {
        said.runs = 0;
        snprintf(said.problem, sizeof said.problem, "%.500s", fault.message);
    }
    if (write_all(sink, &said, sizeof said) && done) (void)write_all(sink, summary, strnlen(summary, MOST_SUMMARY));
    _exit(EXIT_SUCCESS);
}

/* All that the child writes; false when it is more than a profile can be, or memory ran out. */
static bool read_all(int source, Text *text) {
    char bytes[1 << 14];
    for (;;) {
        ssize_t got = read(source, bytes, sizeof bytes);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got == 0 && !text->failed;
        if (text->length + (size_t)got > sizeof(Said) + MOST_SUMMARY) return false;
        text_add(text, bytes, (size_t)got);
    }
}

static bool ended_badly(int status, Fault *fault) {
    bool killed = WIFSIGNALED(status);
    return fail(fault, "model", "the profiler's process ended with %s %d", killed ? "signal" : "status",
                killed ? WTERMSIG(status) : WEXITSTATUS(status));
}

bool litert_profile(Engine *engine, const Profiling *wish, Text *summary, int64_t *runs, Fault *fault) {
    const Litert *self = (const Litert *)(const void *)engine;
    int pipes[2], status = 0;
    Said said;
    if (!self->api->get_profiler || !self->api->start_profiler || !self->api->stop_profiler || !self->api->get_summary)
        return fail(fault, "model", "this LiteRT library has no profiler");
    if (self->asynchronous)
        return fail(fault, "model", "the native agent profiles the CPU's kernels only; the Python agent %s, too",
                    self->accelerators & LITERT_GPU ? "a GPU" : "an NPU");
    if (pipe2(pipes, O_CLOEXEC)) return fail(fault, "model", "the profiler's process cannot be started");
    int64_t limit = LEAST_LIMIT_S + SLOWDOWN * (wish->max_ns / 1000000000);
    pid_t parent = getpid(), pid = fork();
    if (!pid) {
        int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
        if (nowhere >= 0) dup2(nowhere, 2);
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) _exit(EXIT_FAILURE); /* it was gone before it could be followed */
        alarm((unsigned)(limit < LONGEST_S ? limit : LONGEST_S));
        child(self, wish, pipes[1]);
    }
    close(pipes[1]);
    bool whole = pid > 0 && read_all(pipes[0], summary);
    close(pipes[0]);
    if (pid > 0 && !whole) kill(pid, SIGKILL);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
    if (pid < 0) return fail(fault, "model", "the profiler's process cannot be started");
    if (!whole || status || summary->length < sizeof said) return ended_badly(status, fault);
    memcpy(&said, summary->data, sizeof said);
    said.problem[sizeof said.problem - 1] = 0;
    if (said.runs <= 0) return fail(fault, "model", "the profiler cannot run this model: %s", said.problem);
    summary->length -= sizeof said;
    memmove(summary->data, summary->data + sizeof said, summary->length);
    *runs = said.runs;
    return true;
}
