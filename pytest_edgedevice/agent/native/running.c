#include "running.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_tick_ns(void) {
    int64_t smallest = 1000000, before = clock_ns();
    for (int reading = 1; reading < 1000; reading++) {
        int64_t now = clock_ns();
        if (now > before && now - before < smallest) smallest = now - before;
        before = now;
    }
    return smallest;
}

/* All that one output produced, sample after sample. */
typedef struct {
    Text bytes;
    Text shapes; /* the header's entries, one a sample, where the shapes vary */
    View first;
    bool varies;
} Column;

static void put_entry(Text *text, const Spec *spec, const View *view, const uint64_t *samples) {
    text_put(text, "{\"name\":");
    text_json_string(text, spec->name);
    text_format(text, ",\"dtype\":\"%s\",\"shape\":[", spec->dtype->name);
    if (samples) text_format(text, "%" PRIu64, *samples);
    for (unsigned at = 0; at < view->rank; at++)
        text_format(text, samples || at ? ",%" PRIu64 : "%" PRIu64, view->shape[at]);
    text_put(text, samples ? "]}" : "],\"role\":\"sample\"}");
}

/* Entries of the samples so far are written when the first shape differs: until then there is one for all. */
static bool add_shape(Column *column, const Spec *spec, const View *view, uint64_t sample) {
    bool same =
        view->rank == column->first.rank && !memcmp(view->shape, column->first.shape, view->rank * sizeof *view->shape);
    if (same && !column->varies) return true;
    for (uint64_t before = column->varies ? sample : 0; before < sample && column->shapes.length <= MAX_HEADER_BYTES;
         before++) {
        if (before) text_put(&column->shapes, ",");
        put_entry(&column->shapes, spec, &column->first, NULL);
    }
    column->varies = true;
    text_put(&column->shapes, ",");
    put_entry(&column->shapes, spec, view, NULL);
    return column->shapes.length <= MAX_HEADER_BYTES;
}

static bool collect(Engine *engine, Column *columns, uint64_t sample, uint64_t samples, uint64_t *total, Fault *fault) {
    for (size_t at = 0; at < engine->model.outputs.count; at++) {
        Column *column = &columns[at];
        View view;
        if (!engine->output(engine, at, &view, fault)) return false;
        if (!sample) {
            column->first = view;
            uint64_t all;
            bool sane = !__builtin_mul_overflow((uint64_t)view.bytes, samples, &all) && all <= MAX_PAYLOAD_BYTES;
            if (sane) text_reserve(&column->bytes, (size_t)all);
        }
        *total += view.bytes;
        if (*total > MAX_PAYLOAD_BYTES || !add_shape(column, &engine->model.outputs.specs[at], &view, sample))
            return fail(fault, "model",
                        "the reply to 'run' cannot be sent: its outputs are over the limit after %" PRIu64
                        " of %" PRIu64 " samples; send fewer samples in one request",
                        sample + 1, samples);
        text_add(&column->bytes, view.data, view.bytes);
        if (column->bytes.failed || column->shapes.failed) return fail_memory(fault);
    }
    return true;
}

bool timed_invoke(Loaded *loaded, int64_t *elapsed, Fault *fault) {
    Engine *engine = loaded->engine;
    int64_t start = clock_ns();
    bool done = engine->invoke(engine);
    *elapsed = clock_ns() - start;
    if (!done) {
        engine->explain(engine, fault);
        return false;
    }
    if (loaded->first_ns < 0) loaded->first_ns = *elapsed;
    return true;
}

static bool run_all(Loaded *loaded, const Part *inputs, uint64_t samples, Column *columns, Text *times, Fault *fault) {
    Engine *engine = loaded->engine;
    size_t count = engine->model.inputs.count;
    uint64_t total = 0;
    Given *given = calloc(count + 1, sizeof *given);
    bool done = given || fail_memory(fault);
    for (uint64_t sample = 0; sample < samples && done; sample++) {
        int64_t elapsed;
        one_sample(inputs, count, sample, given);
        done = engine->reset(engine, fault) && engine->set_inputs(engine, given, fault) &&
               timed_invoke(loaded, &elapsed, fault) && collect(engine, columns, sample, samples, &total, fault);
        if (!done) break;
        text_add(times, &elapsed, sizeof elapsed);
        total += sizeof elapsed;
        if (times->failed) done = fail_memory(fault);
    }
    free(given);
    return done;
}

void hand_over(Reply *reply, Text *bytes) {
    reply->chunks[reply->count++] = (Chunk){(uint8_t *)bytes->data, bytes->length};
    *bytes = (Text){0};
}

static void lay_out(const Model *model, Column *columns, uint64_t samples, Text *times, Reply *reply) {
    Text *header = &reply->header;
    text_format(header, "\"op\":\"run\",\"samples\":%" PRIu64 ",\"tensors\":[", samples);
    for (size_t at = 0; at < model->outputs.count; at++) {
        if (columns[at].varies)
            text_add(header, columns[at].shapes.data, columns[at].shapes.length);
        else
            put_entry(header, &model->outputs.specs[at], &columns[at].first, &samples);
        text_put(header, ",");
        hand_over(reply, &columns[at].bytes);
    }
    text_format(header, "{\"name\":\"inference_ns\",\"dtype\":\"int64\",\"shape\":[%" PRIu64 "],\"role\":\"timing\"}]",
                samples);
    hand_over(reply, times);
}

bool run_samples(Loaded *loaded, const Frame *frame, Reply *reply, Fault *fault) {
    const Model *model = &loaded->engine->model;
    uint64_t samples;
    Text times = {0};
    Part *inputs = read_inputs(model, frame, &samples, fault);
    if (!inputs) return false;
    Column *columns = calloc(model->outputs.count + 1, sizeof *columns);
    reply->chunks = calloc(model->outputs.count + 1, sizeof *reply->chunks);
    bool done = (columns && reply->chunks) || fail_memory(fault);
    done = done && run_all(loaded, inputs, samples, columns, &times, fault);
    if (done) lay_out(model, columns, samples, &times, reply);
    for (size_t at = 0; columns && at < model->outputs.count; at++) {
        text_free(&columns[at].bytes);
        text_free(&columns[at].shapes);
    }
    text_free(&times);
    free(columns);
    free(inputs);
    return done;
}

typedef struct {
    int64_t runs, batch, settle, max_ns;
} Wish;

/* The timed loop: the inference, and nothing but the inference. */
static bool timed_runs(Engine *engine, const Wish *wish, Text *series) {
    for (int64_t turn = 0; turn < wish->settle; turn++)
        if (!engine->invoke(engine)) return false;
    int64_t *entries = (int64_t *)(void *)series->data, begin = clock_ns(), end = begin;
    for (int64_t entry = 0; entry < wish->runs && end - begin <= wish->max_ns; entry++) {
        bool done = true;
        int64_t start = clock_ns();
        for (int64_t turn = 0; turn < wish->batch && done; turn++) done = engine->invoke(engine);
        end = clock_ns();
        if (!done) return false;
        entries[entry] = (end - start) / wish->batch;
        series->length += sizeof *entries;
    }
    return true;
}

static bool give(Loaded *loaded, const Frame *frame, const char *operation, Fault *fault) {
    Engine *engine = loaded->engine;
    uint64_t samples;
    if (!json_get(&frame->header, 0, "tensors")) return true;
    Part *inputs = read_inputs(&engine->model, frame, &samples, fault);
    if (!inputs) return false;
    Given *given = calloc(engine->model.inputs.count + 1, sizeof *given);
    bool done = given || fail_memory(fault);
    if (done && samples != 1) done = fail(fault, "protocol", "%s takes exactly one sample", operation);
    if (done) one_sample(inputs, engine->model.inputs.count, 0, given);
    done = done && engine->reset(engine, fault) && engine->set_inputs(engine, given, fault);
    free(given);
    free(inputs);
    return done;
}

bool give_sample(Loaded *loaded, const Frame *frame, const char *operation, Fault *fault) {
    int64_t elapsed;
    return give(loaded, frame, operation, fault) && (loaded->first_ns >= 0 || timed_invoke(loaded, &elapsed, fault));
}

bool measure_series(Loaded *loaded, const Frame *frame, Reply *reply, Fault *fault) {
    const int64_t most = 1000000;
    Wish wish;
    Text series = {0};
    if (!read_whole(frame, "runs", 1, most, &wish.runs, fault) ||
        !read_whole(frame, "batch", 1, most, &wish.batch, fault) ||
        !read_whole(frame, "settle", 0, 1000, &wish.settle, fault) ||
        !read_whole(frame, "max_ns", 0, (int64_t)1 << 62, &wish.max_ns, fault) ||
        !give_sample(loaded, frame, "measure", fault))
        return false;
    reply->chunks = calloc(1, sizeof *reply->chunks);
    if (!reply->chunks || !text_reserve(&series, (size_t)wish.runs * sizeof(int64_t))) return fail_memory(fault);
    if (!timed_runs(loaded->engine, &wish, &series)) {
        loaded->engine->explain(loaded->engine, fault);
        text_free(&series);
        return false;
    }
    text_format(&reply->header,
                "\"op\":\"measure\",\"tensors\":[{\"name\":\"samples_ns\",\"dtype\":\"int64\",\"shape\":[%zu],"
                "\"role\":\"timing\"}],\"first_ns\":%" PRId64,
                series.length / sizeof(int64_t), loaded->first_ns);
    hand_over(reply, &series);
    return true;
}
