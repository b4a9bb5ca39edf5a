#include "watching.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "conditions.h"
#include "energy.h"
#include "small_files.h"

#define MOST_RUNS ((int64_t)1000000)
#define MOST_NS ((int64_t)1 << 62)
enum { MOST_FRAMES = 200000, MOST_PROFILED = 1000, MOST_SETTLING = 1000 };

static int64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static int64_t status_bytes(const char *key) {
    char value[64];
    return find_line("/proc/self/status", key, value, sizeof value) ? strtoll(value, NULL, 10) * 1024 : 0;
}

static int64_t most_resident(void) {
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) ? 0 : (int64_t)usage.ru_maxrss * 1024;
}

void memory_begin(Memory *memory) {
    memory->before = status_bytes("VmRSS");
    if (!memory->before) memory->before = most_resident();
    int file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC);
    memory->reset = file >= 0 && write(file, "5", 1) == 1; /* the peak is what is resident now (Linux 4.0) */
    if (file >= 0) close(file);
}

/* The members "memory" and "problems". */
static void put_memory(Text *text, const Memory *memory, const char *energy_problem) {
    int64_t peak = status_bytes("VmHWM");
    const char *counter = peak ? "VmHWM" : "ru_maxrss";
    if (!peak) peak = most_resident();
    bool told = peak > 0 && memory->before > 0;
    if (told)
        text_format(text,
                    "\"memory\":{\"peak_bytes\":%" PRId64 ",\"before_load_bytes\":%" PRId64 ",\"counter\":\"%s %s\"}",
                    peak, memory->before < peak ? memory->before : peak, counter,
                    memory->reset ? "since the load began" : "since the agent started");
    else
        text_put(text, "\"memory\":null");
    text_put(text, ",\"problems\":{");
    if (!told) text_put(text, "\"memory\":\"this system tells neither VmHWM nor ru_maxrss of a process\"");
    if (*energy_problem) {
        text_put(text, told ? "\"energy\":" : ",\"energy\":");
        text_json_string(text, energy_problem);
    }
    text_put(text, "}");
}

static bool failed(Engine *engine, Fault *fault) {
    engine->explain(engine, fault);
    return false;
}

bool watch_resources(Loaded *loaded, const Frame *frame, Reply *reply, Fault *fault) {
    static Meter meter;
    Engine *engine = loaded->engine;
    int64_t runs, settle, max_ns, done = 0, energy = 0;
    if (!read_whole(frame, "runs", 1, MOST_RUNS, &runs, fault) ||
        !read_whole(frame, "settle", 0, MOST_SETTLING, &settle, fault) ||
        !read_whole(frame, "max_ns", 0, MOST_NS, &max_ns, fault) || !give_sample(loaded, frame, "resources", fault))
        return false;
    for (int64_t turn = 0; turn < settle; turn++)
        if (!engine->invoke(engine)) return failed(engine, fault);
    meter_find(&meter, "/sys");
    int64_t cpu = cpu_ns(), begin = clock_ns(), now = begin;
    meter_start(&meter, begin);
    for (; done < runs && now - begin <= max_ns; done++) {
        if (!engine->invoke(engine)) return failed(engine, fault);
        now = clock_ns();
        meter_tick(&meter, now);
    }
    bool metered = meter_stop(&meter, now, &energy);
    cpu = cpu_ns() - cpu;
    Text *header = &reply->header;
    text_format(header,
                "\"op\":\"resources\",\"inferences\":%" PRId64 ",\"wall_ns\":%" PRId64 ",\"cpu_ns\":%" PRId64
                ",\"cores\":%ld,",
                done, now > begin ? now - begin : 1, cpu > 0 ? cpu : 0, core_count());
    put_memory(header, &loaded->memory, metered ? "" : meter.problem);
    if (metered) {
        text_format(header, ",\"energy\":{\"uj\":%" PRId64 ",\"source\":", energy);
        text_json_string(header, meter.source);
        text_put(header, "}");
    } else {
        text_put(header, ",\"energy\":null");
    }
    return true;
}

/* One frame through the model, until its outputs were read. */
static bool process(Loaded *loaded, const Part *inputs, uint64_t sample, Given *given, Fault *fault) {
    Engine *engine = loaded->engine;
    int64_t elapsed;
    View view;
    one_sample(inputs, engine->model.inputs.count, sample, given);
    if (!engine->set_inputs(engine, given, fault) || !timed_invoke(loaded, &elapsed, fault)) return false;
    for (size_t at = 0; at < engine->model.outputs.count; at++)
        if (!engine->output(engine, at, &view, fault)) return false;
    return true;
}

static void wait_until(int64_t due_ns) {
    const struct timespec due = {.tv_sec = (time_t)(due_ns / 1000000000), .tv_nsec = (long)(due_ns % 1000000000)};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &due, NULL);
}

typedef struct {
    int64_t interval, count, settle;
    uint64_t samples;
    int64_t *series[3]; /* number of each frame taken, when work on it began, when it ended */
    size_t taken;
} Feed;

/* See the Python agent's streaming.py: what is in the queue of one frame follows from the clock. */
static bool feed(Loaded *loaded, const Part *inputs, Given *given, Feed *feed, Fault *fault) {
    int64_t first = clock_ns(), now = first, last = -1;
    while (last < feed->count - 1) {
        int64_t newest = (now - first) / feed->interval;
        if (newest > feed->count - 1) newest = feed->count - 1;
        if (newest <= last) {
            wait_until(first + (last + 1) * feed->interval);
            now = clock_ns();
            continue;
        }
        feed->series[0][feed->taken] = newest;
        feed->series[1][feed->taken] = now - first;
        if (!process(loaded, inputs, (uint64_t)newest % feed->samples, given, fault)) return false;
        now = clock_ns();
        feed->series[2][feed->taken++] = now - first;
        last = newest;
    }
    return true;
}

static bool feed_all(Loaded *loaded, const Part *inputs, Given *given, Feed *wish, Text *header, Fault *fault) {
    Engine *engine = loaded->engine;
    if (!engine->reset(engine, fault)) return false;
    for (int64_t frame = 0; frame < wish->settle; frame++)
        if (!process(loaded, inputs, (uint64_t)frame % wish->samples, given, fault)) return false;
    if (!engine->reset(engine, fault)) return false;
    int64_t cpu = cpu_ns(), begin = clock_ns();
    if (!feed(loaded, inputs, given, wish, fault)) return false;
    int64_t wall = clock_ns() - begin;
    text_format(header, "\"op\":\"stream\",\"wall_ns\":%" PRId64 ",\"cpu_ns\":%" PRId64 ",\"cores\":%ld,\"tensors\":[",
                wall > 0 ? wall : 1, cpu_ns() - cpu, core_count());
    return true;
}

bool feed_frames(Loaded *loaded, const Frame *frame, Reply *reply, Fault *fault) {
    static const char *const names[] = {"frames", "begun_ns", "ended_ns"};
    const Model *model = &loaded->engine->model;
    Feed wish = {.taken = 0};
    Text series[3] = {{0}, {0}, {0}};
    if (!read_whole(frame, "interval_ns", 1, MOST_NS, &wish.interval, fault) ||
        !read_whole(frame, "frames", 1, MOST_FRAMES, &wish.count, fault) ||
        !read_whole(frame, "settle", 0, MOST_SETTLING, &wish.settle, fault))
        return false;
    if (wish.interval > MOST_NS / wish.count)
        return fail(fault, "protocol", "'interval_ns' times 'frames' is beyond any clock");
    Part *inputs = read_inputs(model, frame, &wish.samples, fault);
    if (!inputs) return false;
    Given *given = calloc(model->inputs.count + 1, sizeof *given);
    reply->chunks = calloc(3, sizeof *reply->chunks);
    bool done = given && reply->chunks;
    for (int at = 0; at < 3 && done; at++) {
        done = text_reserve(&series[at], (size_t)wish.count * sizeof(int64_t));
        wish.series[at] = (int64_t *)(void *)series[at].data;
    }
    done = done ? feed_all(loaded, inputs, given, &wish, &reply->header, fault) : fail_memory(fault);
    for (int at = 0; at < 3 && done; at++) {
        series[at].length = wish.taken * sizeof(int64_t);
        text_format(&reply->header, "%s{\"name\":\"%s\",\"dtype\":\"int64\",\"shape\":[%zu],\"role\":\"timing\"}",
                    at ? "," : "", names[at], wish.taken);
        hand_over(reply, &series[at]);
    }
    if (done) text_put(&reply->header, "]");
    for (int at = 0; at < 3; at++) text_free(&series[at]);
    free(given);
    free(inputs);
    return done;
}

bool take_profile(Loaded *loaded, const Frame *frame, Reply *reply, Fault *fault) {
    Engine *engine = loaded->engine;
    Fault why = {.message = ""};
    Text summary = {0};
    uint64_t samples;
    int64_t runs, max_ns, done = 0;
    if (!read_whole(frame, "runs", 1, MOST_PROFILED, &runs, fault) ||
        !read_whole(frame, "max_ns", 0, MOST_NS, &max_ns, fault))
        return false;
    Part *inputs = read_inputs(&engine->model, frame, &samples, fault);
    if (!inputs) return false;
    Given *given = calloc(engine->model.inputs.count + 1, sizeof *given);
    reply->chunks = calloc(1, sizeof *reply->chunks);
    bool sound = (given && reply->chunks) || fail_memory(fault);
    if (sound && samples != 1) sound = fail(fault, "protocol", "profile takes exactly one sample");
    if (sound) {
        one_sample(inputs, engine->model.inputs.count, 0, given);
        const Profiling wish = {given, runs, max_ns};
        if (!engine->profile)
            fail(&why, "model", "the engine '%s' has no profiler; 'litert' has", engine->name);
        else if (!engine->profile(engine, &wish, &summary, &done, &why))
            done = 0;
        text_format(&reply->header, "\"op\":\"profile\",\"runs\":%" PRId64 ",\"problem\":", done);
        text_json_string(&reply->header, done ? "" : why.message);
        text_put(&reply->header, ",\"tensors\":[");
        if (done) {
            text_format(&reply->header, "{\"name\":\"summary\",\"dtype\":\"uint8\",\"shape\":[%zu]}", summary.length);
            hand_over(reply, &summary);
        }
        text_put(&reply->header, "]");
    }
    text_free(&summary);
    free(given);
    free(inputs);
    return sound;
}
