/* A vendor's inference engine, as small as one can be: a digit classifier of two dense layers.
 *
 *     engine FOLDER MODEL
 *
 * It follows the file contract of pytest-edgedevice's runner "command" (pytest_edgedevice/runners/command/COMMAND.md):
 * reads FOLDER/manifest.json and FOLDER/inputs/0.raw, writes FOLDER/outputs/probabilities.raw and FOLDER/result.json.
 * C11 with POSIX clocks, no dependencies:  cc -std=c11 -O2 -o engine engine.c -lm
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { MOST_TEXT = 1 << 20, MOST_UNITS = 4096, PATH_CHARS = 4096 };

typedef struct {
    uint32_t inputs, hidden, outputs;
    float *hidden_weights, *hidden_bias, *output_weights, *output_bias, *units;
} Model;

typedef struct {
    char op[16], nonce[64], delegate[64];
    long long samples, runs, warmup, batch, max_ns;
    int stages;
} Manifest;

static char folder[PATH_CHARS - 64];
static char nonce[64];

static FILE *open_in_folder(const char *name, const char *mode)
{
    char path[PATH_CHARS];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, mode);
    if (!file) {
        fprintf(stderr, "cannot open %s: %s\n", path, strerror(errno));
        exit(3); /* whoever started us reads this line */
    }
    return file;
}

/* Say why it failed. Messages are our own, without quotes or backslashes. */
static void fail(const char *kind, const char *message)
{
    FILE *result = open_in_folder("result.json", "w");
    fprintf(result, "{\"contract\": 1, \"nonce\": \"%s\", \"error\": {\"kind\": \"%s\", \"message\": \"%s\"}}\n", nonce,
            kind, message);
    fclose(result);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The end of a JSON value; strings may hold braces. */
static const char *value_end(const char *at)
{
    int depth = 0;
    do {
        if (*at == '"') {
            for (at++; *at && *at != '"'; at++) {
                if (*at == '\\' && at[1]) {
                    at++;
                }
            }
        } else if (*at == '{' || *at == '[') {
            depth++;
        } else if (*at == '}' || *at == ']') {
            depth--;
        }
        if (*at) {
            at++;
        }
    } while (*at && (depth > 0 || !strchr(",}]", *at)));
    return at;
}

/* A member of the outermost object; NULL where there is none. */
static const char *member(const char *text, const char *name)
{
    size_t length = strlen(name);
    const char *at = strchr(text, '{');
    while (at && (at = strchr(at, '"'))) {
        const char *key = at + 1;
        at = strchr(key, ':'); /* our names hold none */
        if (!at) {
            break;
        }
        at++;
        at += strspn(at, " \n\r\t");
        if (!strncmp(key, name, length) && key[length] == '"') {
            return at;
        }
        at = value_end(at);
    }
    return NULL;
}

static void copy_text(const char *text, const char *name, char *target, size_t size)
{
    const char *at = member(text, name);
    size_t length = at && *at == '"' ? strcspn(at + 1, "\"\\") : size;
    if (length >= size) {
        fail("internal", "the manifest lacks a text that this engine needs");
    }
    memcpy(target, at + 1, length);
    target[length] = 0;
}

static long long number(const char *text, const char *name)
{
    const char *at = member(text, name);
    return at ? strtoll(at, NULL, 10) : 0;
}

static Manifest read_manifest(void)
{
    static char text[MOST_TEXT + 1];
    FILE *file = open_in_folder("manifest.json", "r");
    text[fread(text, 1, MOST_TEXT, file)] = 0;
    fclose(file);
    Manifest told = {.samples = number(text, "samples"),
                     .runs = number(text, "runs"),
                     .warmup = number(text, "warmup"),
                     .batch = number(text, "batch"),
                     .max_ns = number(text, "max_ns")};
    const char *stages = member(text, "stages");
    told.stages = stages && *stages == 't';
    copy_text(text, "nonce", nonce, sizeof nonce);
    if (number(text, "contract") != 1) {
        fail("internal", "this engine speaks contract 1");
    }
    copy_text(text, "op", told.op, sizeof told.op);
    copy_text(text, "delegate", told.delegate, sizeof told.delegate);
    if (told.samples < 0 || told.runs < 0 || told.batch < 1) {
        fail("internal", "the manifest has impossible numbers");
    }
    return told;
}

static float *read_floats(FILE *file, size_t count)
{
    float *values = malloc(count * sizeof *values);
    if (!values || fread(values, sizeof *values, count, file) != count) {
        fail("model", "the model file is cut short");
    }
    return values;
}

static Model load_model(const char *path)
{
    struct {
        char magic[4];
        uint32_t version, inputs, hidden, outputs;
    } head;
    FILE *file = fopen(path, "rb");
    if (!file || fread(&head, sizeof head, 1, file) != 1 || memcmp(head.magic, "VEND", 4) || head.version != 1) {
        fail("model", "this is no model of this engine");
    }
    if (head.inputs > MOST_UNITS || head.hidden > MOST_UNITS || head.outputs > MOST_UNITS || !head.outputs) {
        fail("model", "the model has impossible sizes");
    }
    Model model = {.inputs = head.inputs, .hidden = head.hidden, .outputs = head.outputs};
    model.hidden_weights = read_floats(file, (size_t)head.hidden * head.inputs);
    model.hidden_bias = read_floats(file, head.hidden);
    model.output_weights = read_floats(file, (size_t)head.outputs * head.hidden);
    model.output_bias = read_floats(file, head.outputs);
    model.units = malloc(((size_t)head.hidden + 1) * sizeof(float));
    fclose(file);
    if (!model.units) {
        fail("memory", "no memory for the hidden layer");
    }
    return model;
}

static float dense(const float *weights, const float *bias, const float *input, uint32_t width, uint32_t unit)
{
    float sum = bias[unit];
    for (uint32_t at = 0; at < width; at++) {
        sum += weights[(size_t)unit * width + at] * input[at];
    }
    return sum;
}

/* One inference: relu, then softmax. */
static void infer(const Model *model, const float *input, float *output)
{
    float most = -INFINITY, total = 0;
    for (uint32_t unit = 0; unit < model->hidden; unit++) {
        float sum = dense(model->hidden_weights, model->hidden_bias, input, model->inputs, unit);
        model->units[unit] = sum > 0 ? sum : 0;
    }
    for (uint32_t unit = 0; unit < model->outputs; unit++) {
        output[unit] = dense(model->output_weights, model->output_bias, model->units, model->hidden, unit);
        most = output[unit] > most ? output[unit] : most;
    }
    for (uint32_t unit = 0; unit < model->outputs; unit++) {
        total += output[unit] = expf(output[unit] - most);
    }
    for (uint32_t unit = 0; unit < model->outputs; unit++) {
        output[unit] /= total;
    }
}

/* What an app does before: grey values within the range that the model was trained on. */
static void prepare(const Model *model, const float *image, float *input)
{
    for (uint32_t at = 0; at < model->inputs; at++) {
        input[at] = fminf(fmaxf(image[at], 0), 1);
    }
}

/* What an app does after: the digit, or -1 where none is likely. */
static int decide(const Model *model, const float *output)
{
    uint32_t best = 0;
    for (uint32_t at = 1; at < model->outputs; at++) {
        best = output[at] > output[best] ? at : best;
    }
    return output[best] > 0.5F ? (int)best : -1;
}

/* Most memory of this process that was resident at a time. */
static long long peak_bytes(void)
{
    struct rusage used;
    return getrusage(RUSAGE_SELF, &used) ? 0 : (long long)used.ru_maxrss * 1024;
}

static int64_t processor_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static FILE *begin_result(void)
{
    FILE *result = open_in_folder("result.json", "w");
    fprintf(result, "{\"contract\": 1, \"nonce\": \"%s\", ", nonce);
    return result;
}

static void write_times(FILE *result, const char *name, const int64_t *times, long long count)
{
    fprintf(result, "\"%s\": [", name);
    for (long long at = 0; at < count; at++) {
        fprintf(result, "%s%" PRId64, at ? ", " : "", times[at]);
    }
    fprintf(result, "]");
}

static void describe(const Model *model, int64_t load_ns)
{
    struct timespec tick;
    clock_getres(CLOCK_MONOTONIC, &tick);
    FILE *result = begin_result();
    fprintf(result, "\"engine\": \"vendor\", \"engine_version\": \"1.0\", \"format\": \"raw\", ");
    fprintf(result, "\"load_ns\": %" PRId64 ", \"tick_ns\": %ld, ", load_ns, (long)tick.tv_nsec);
    fprintf(result, "\"model\": {\"inputs\": [{\"name\": \"image\", \"dtype\": \"float32\", \"shape\": [1, 8, 8]}], ");
    fprintf(result, "\"outputs\": [{\"name\": \"probabilities\", \"dtype\": \"float32\", \"shape\": [1, %u]}]}, ",
            model->outputs);
    fprintf(result, "\"placement\": {\"proven\": \"cpu\", \"nodes\": 3, \"delegated\": 3, \"partitions\": 1, ");
    fprintf(result, "\"left_over\": {}, \"evidence\": \"this engine has nothing but C on the processor\"}}\n");
    fclose(result);
}

static void run(const Model *model, const Manifest *told, const float *inputs)
{
    size_t count = (size_t)told->samples;
    float *outputs = malloc(count * model->outputs * sizeof *outputs + 1);
    int64_t *times = malloc(count * sizeof *times + 1);
    if (!outputs || !times) {
        fail("memory", "no memory for the outputs");
    }
    for (size_t at = 0; at < count; at++) {
        int64_t began = now_ns();
        infer(model, inputs + at * model->inputs, outputs + at * model->outputs);
        times[at] = now_ns() - began;
    }
    FILE *file = open_in_folder("outputs/probabilities.raw", "wb");
    if (fwrite(outputs, sizeof *outputs, count * model->outputs, file) != count * model->outputs || fclose(file)) {
        fail("memory", "the outputs cannot be written");
    }
    FILE *result = begin_result();
    fprintf(result, "\"outputs\": [{\"name\": \"probabilities\", \"file\": \"probabilities.raw\", ");
    fprintf(result, "\"dtype\": \"float32\", \"shape\": [%zu, 1, %u]}], ", count, model->outputs);
    write_times(result, "inference_ns", times, told->samples);
    fprintf(result, "}\n");
    fclose(result);
}

static void measure(const Model *model, const Manifest *told, const float *image, long long before_load)
{
    size_t room = (size_t)told->runs + 1;
    int64_t *times = malloc(3 * room * sizeof *times);
    float *output = malloc(model->outputs * sizeof *output);
    float *input = malloc(((size_t)model->inputs + 1) * sizeof *input);
    if (!times || !output || !input) {
        fail("memory", "no memory for the series");
    }
    int64_t *before = times + room, *after = before + room;
    prepare(model, image, input);
    for (long long at = 0; at < told->warmup; at++) {
        infer(model, input, output);
    }
    long long count = 0;
    int digit = 0;
    int64_t processor = processor_ns(), begin = now_ns(), end = begin;
    while (count < told->runs && (!count || !told->max_ns || end - begin <= told->max_ns)) {
        int64_t came = now_ns();
        if (told->stages) {
            prepare(model, image, input);
        }
        int64_t start = now_ns();
        for (long long at = 0; at < told->batch; at++) {
            infer(model, input, output);
        }
        end = now_ns();
        if (told->stages) {
            digit += decide(model, output);
        }
        before[count] = start - came;
        after[count] = now_ns() - end;
        times[count++] = (end - start) / told->batch;
    }
    processor = processor_ns() - processor;
    FILE *result = begin_result();
    if (told->stages) {
        write_times(result, "before_ns", before, count);
        fprintf(result, ", ");
        write_times(result, "after_ns", after, count);
        fprintf(result, ", \"digits_seen\": %d, ", digit);
    }
    write_times(result, "inference_ns", times, count);
    fprintf(result, ", \"usage\": {\"counter\": \"ru_maxrss of the engine's process\", \"peak_bytes\": %lld, ", peak_bytes());
    fprintf(result, "\"before_load_bytes\": %lld, \"cpu_ns\": %" PRId64 "}}\n", before_load, processor);
    fclose(result);
}

int main(int argc, char **argv)
{
    if (argc != 3 || strlen(argv[1]) >= sizeof folder) {
        fprintf(stderr, "usage: engine FOLDER MODEL\n");
        return 2;
    }
    strcpy(folder, argv[1]);
    Manifest told = read_manifest();
    if (strcmp(told.delegate, "default") && strcmp(told.delegate, "cpu")) {
        fail("delegate", "this engine runs on the processor only");
    }
    long long before_load = peak_bytes();
    int64_t began = now_ns();
    Model model = load_model(argv[2]);
    int64_t load_ns = now_ns() - began;
    if (!strcmp(told.op, "describe")) {
        describe(&model, load_ns);
        return 0;
    }
    FILE *file = open_in_folder("inputs/0.raw", "rb");
    float *inputs = read_floats(file, (size_t)told.samples * model.inputs);
    fclose(file);
    if (!strcmp(told.op, "run")) {
        run(&model, &told, inputs);
    } else if (!strcmp(told.op, "measure")) {
        measure(&model, &told, inputs, before_load);
    } else {
        fail("unsupported", "this engine can describe, run and measure");
    }
    return 0;
}
