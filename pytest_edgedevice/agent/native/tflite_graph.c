#include "tflite_graph.h"

#include <stdlib.h>
#include <string.h>

static int see(TfLiteContext *context, TfLiteDelegate *delegate) {
    Witness *witness = (Witness *)(void *)delegate;
    TfLiteIntArray *plan = NULL;
    if (witness->context) return 0; /* graphs of branches and loops follow the main one */
    if (!context->get_execution_plan || context->get_execution_plan(context, &plan) || !plan) return 0;
    witness->context = context;
    witness->get_plan = context->get_execution_plan;
    witness->get_node = context->get_node_and_registration;
    witness->nodes = plan->size;
    return 0;
}

void witness_start(Witness *witness) {
    memset(witness, 0, sizeof *witness);
    witness->delegate.prepare = see;
    witness->delegate.flags = ALLOW_DYNAMIC_TENSORS; /* or the graph would count as delegated for good */
}

static bool unreadable(Fault *fault) {
    return fail(fault, "engine",
                "the runtime does not show its graph, so that nothing can be said of where it runs: is it "
                "a TensorFlow Lite C library of version 2.5 or later?");
}

typedef struct {
    const char *name;
} Left;

static int by_name(const void *one, const void *other) {
    return strcmp(((const Left *)one)->name, ((const Left *)other)->name);
}

static void leave_all(Placement *placement, Left *left, size_t count) {
    if (count) qsort(left, count, sizeof *left, by_name);
    for (size_t at = 0; at < count;) {
        size_t same = at;
        while (same < count && !strcmp(left[same].name, left[at].name)) same++;
        placement_leave(placement, left[at].name, same - at);
        at = same;
    }
}

typedef struct {
    Left *left; /* operators on built-in kernels, and nodes of delegates that are not ours */
    size_t count, on_cpu, mine, foreign;
} Tally;

static bool tally(const Witness *witness, const TfLiteDelegate *mine, bool wanted, const Model *model,
                  const TfLiteIntArray *plan, Tally *sums) {
    for (int at = 0; at < plan->size; at++) {
        TfLiteNode *node = NULL;
        void *registration = NULL;
        int number = plan->data[at];
        if (number < 0 || witness->get_node(witness->context, number, &node, &registration) || !node) return false;
        if (!node->delegate) {
            if ((size_t)number >= model->nodes) return false;
            if (wanted) sums->left[sums->count++].name = model->operators[number];
            sums->on_cpu++;
        } else if (mine && node->delegate == mine) {
            sums->mine++;
        } else {
            sums->left[sums->count++].name = "DELEGATE";
            sums->foreign++;
        }
    }
    return true;
}

bool witness_account(const Witness *witness, const TfLiteDelegate *mine, bool wanted, const Model *model,
                     Placement *placement, Fault *fault) {
    TfLiteIntArray *plan = NULL;
    if (!witness->context || witness->get_plan(witness->context, &plan) || !plan || plan->size < 0 ||
        (size_t)witness->nodes != model->nodes)
        return unreadable(fault);
    Tally sums = {.left = calloc((size_t)plan->size + 1, sizeof(Left))};
    if (!sums.left) return fail_memory(fault);
    bool sound = tally(witness, mine, wanted, model, plan, &sums) && sums.on_cpu <= model->nodes;
    if (sound) {
        placement->nodes = model->nodes;
        placement->partitions = sums.mine;
        leave_all(placement, sums.left, sums.count);
        if (!wanted)
            placement->delegated = sums.foreign ? 0 : sums.on_cpu;
        else if (sums.mine && !sums.foreign) /* how many operators hide in another's nodes is not told */
            placement->delegated = model->nodes - sums.on_cpu;
    }
    free(sums.left);
    return sound || unreadable(fault);
}
